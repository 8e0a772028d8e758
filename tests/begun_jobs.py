"""Jobs of sweeps whose records have begun, with no training behind them."""

from pathlib import Path

from mnist_exp.tracking.names import JOB_ID_TAG, KEY_TAG, OVERRIDES_TAG, SWEEP_TAG
from mnist_exp.tracking.recorder import Recorder

IDENTITIES = [f"2026-01-01_00-00-00_{letter * 6}" for letter in "abc"]


def begun(number, *, sweep="grid", key, uri=None):
    """Begins the record of a job, in a job folder of its own."""
    job_dir = Path("outputs", IDENTITIES[number]).absolute()
    job_dir.mkdir(parents=True)
    return Recorder.start(
        job_dir,
        job_id=job_dir.name,
        run_name=job_dir.name,
        uri=uri,
        experiment="mnist",
        config={},
        params={"sweep.job": "0", "seed": "0", "data.validation_images": "200"},
        tags={
            SWEEP_TAG: sweep,
            KEY_TAG: key,
            JOB_ID_TAG: job_dir.name,
            OVERRIDES_TAG: "[]",
        },
    )
