"""What runs take of the disk, and that MLflow gives it back and leaves other runs alone."""

import json
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import documents
import waiting
from drawn import STROKES, draw, encoded
from invoke import here, mnist_exp, python, start
from projects import MEMBER, SMALL, copied, store

from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.names import JOB_ID_TAG
from mnist_exp.tracking.read.disk import Usage, usage

# As the page has them: what deletes runs, and what deletes them for good.
COMMANDS = [shlex.split(line) for line in documents.commands("docs/tracking.md", "sh")]
CLI = "import sys; from mlflow.cli import cli; cli(sys.argv[1:])"


def taken():
    """Returns run id -> what `runs --json` says of the disk."""
    listed = json.loads(here("runs", "--json", check=True).stdout)
    return {run["run_id"]: run["disk"] for run in listed}


def size_of(*folders):
    return sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())


def test_every_file_of_a_run_counts(small, sealed_environment):
    folder = copied(small, sealed_environment)
    [(run_id, disk)] = taken().items()
    parts = {key: size_of(*folder.glob(place)) for key, place in (
        ("artifact_bytes", f"mlruns/1/{run_id}/artifacts"),
        ("model_bytes", "mlruns/1/models/*/artifacts"),
        ("job_bytes", "outputs/2*"),
    )}  # fmt: skip
    assert disk == parts
    assert min(parts.values()) > 1000
    assert sum(parts.values()) == size_of(folder / "mlruns", *folder.glob("outputs/2*"))


def test_what_is_not_here_has_no_size(small, sealed_environment):
    folder = copied(small, sealed_environment)
    [run] = store(folder).search()
    assert usage([run], "http://127.0.0.1:9", Path("elsewhere")) == {
        run.run_id: Usage(None, None, None)
    }
    for place in ("/usr/lib", "http://[", "\0", ""):
        foreign = replace(run, artifact_uri=place, tags={JOB_ID_TAG: "../.."})
        [(artifacts, _, job)] = usage([foreign], resolve(None), folder).values()
        assert (artifacts, job) == (None, None)


def test_what_is_deleted_gives_its_space_back_and_the_rest_stays(small, sealed_environment):
    folder = copied(small, sealed_environment)
    mnist_exp(folder, "train", *SMALL[:-1], "model=tiny", check=True)
    with start(".", "train", *MEMBER) as process:
        file = waiting.until(lambda: next(folder.glob("outputs/*/checkpoints/last.npz"), None))
        process.send_signal(signal.SIGKILL)
    assert file.exists()
    before = taken()
    [doomed] = (run.run_id for run in store(folder).search() if run.tags["model"] == "tiny")
    deletion, gc = COMMANDS
    program = (documents.REPOSITORY / deletion[1].removeprefix("CHECKOUT/")).read_text(
        encoding="utf-8"
    )
    assert python(program, deletion[2], check=True).stdout.startswith("tiny-")
    assert set(taken()) == before.keys() - {doomed}  # listed no more, and can be restored
    python(CLI, *gc[1:], check=True)
    rest = {key: disk for key, disk in before.items() if key != doomed}
    assert taken() == rest
    stored = sum((d["artifact_bytes"] or 0) + (d["model_bytes"] or 0) for d in rest.values())
    assert size_of(folder / "mlruns") == stored

    assert "seed_mlp" in here("compare", check=True).stdout
    Path("seven.png").write_bytes(encoded(draw(STROKES[7])))
    assert "seven.png" in here("predict", "best", "seven.png", check=True).stdout
    assert "test accuracy" in here("resume", "latest", check=True).stdout
    assert "The store has lost 1 run" in here("sync", check=True).stdout
