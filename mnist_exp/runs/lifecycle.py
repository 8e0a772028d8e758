"""A run, begun or gone on with: its record is opened, the pipeline run, the record ended."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mnist_exp.config.record import digest, flatten, from_record, group, to_record
from mnist_exp.config.schema import Config
from mnist_exp.core import ids, signals
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.text import without_password
from mnist_exp.runs import callbacks as own
from mnist_exp.runs import console, ensemble, environment, fit, pipeline, source_code
from mnist_exp.runs.fit import CHECKPOINT, Pruned, Stops
from mnist_exp.runs.pipeline import Run
from mnist_exp.runs.recorded_config import accepted
from mnist_exp.runs.swept import swept_numbers
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events, staging
from mnist_exp.tracking.journal.pending_runs import OUTPUTS
from mnist_exp.tracking.journal.state import salvaged
from mnist_exp.tracking.names import (
    CONFIG_TAG,
    DONE,
    ENSEMBLE_TAG,
    FAILURE_TAG,
    GROUP_TAG,
    JOB_ID_TAG,
    RESUMED_TAG,
    SPACE_TAG,
)
from mnist_exp.tracking.read.runs import Found, find
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.sync.recovery import recover

LOG = "log.txt"


def run(
    config: Config,
    *,
    job_dir: Path,
    choices: Mapping[str, str],
    overrides: Sequence[str],
    name: str | None = None,
    callbacks: Sequence[Any] = (),
    hydra_callbacks: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    parent_job_id: str | None = None,
    stops: Stops | None = None,
) -> Run:
    """Runs one experiment and records it.

    Args:
        config: what to run.
        job_dir: the run's own folder, which exists; its name becomes the run's identity.
        choices: config group -> chosen option.
        overrides: what was typed.
        name: of the run; None makes one.
        callbacks: Keras callbacks, called at epochs.
        hydra_callbacks: `hydra.callbacks` of the job's config, for the record.
        tags: more tags for the run, by their full names.
        parent_job_id: the sweep or the ensemble that the run belongs to.
        stops: asked after each epoch whether to cut the run off; an ensemble never is.

    Returns:
        The run, finished or cut off.

    Raises:
        RequestError: the store or the job folder cannot be used; nothing was recorded.
        ExperimentError: the work failed; the run says so.
    """
    require_free(job_dir)
    environment.preflight(config)
    config = environment.settled(config)
    code = source_code.code()
    overrides = [without_password(text) for text in overrides]  # they are recorded
    identity = ids.of(job_dir.name)
    recorder = Recorder.start(
        job_dir,
        job_id=identity,
        run_name=name or f"{choices['model']}-{ids.suffix(identity)}",
        uri=config.tracking.uri,
        experiment=config.tracking.experiment,
        config=to_record(config),
        params=flatten(config),
        tags={
            **choices,
            JOB_ID_TAG: identity,
            CONFIG_TAG: digest(config),
            GROUP_TAG: group(config),
            **environment.tags(code, config),
            **own.tags(callbacks, hydra_callbacks or {}),
            **(tags or {}),
        },
        overrides=overrides,
        description=config.description or "",
        parent_job_id=parent_job_id,
    )
    return _recorded(recorder, config, code, overrides, callbacks=callbacks, stops=stops)


def require_free(job_dir: Path) -> None:
    """Refuses a folder with what a run would take for its own, and remove.

    Raises:
        RequestError: it has such files, and no run.
    """
    names = (Path(CHECKPOINT).parts[0], staging.FOLDER, ensemble.FOLDER, LOG)
    found = [name for name in names if (job_dir / name).exists()]
    if found and not (job_dir / journal.FILE_NAME).exists():  # which is told of later
        raise RequestError(
            f"Expected a job folder without {' or '.join(found)}, which a run makes and removes "
            f"there. Received: {job_dir}, which has that, and no run. Choose another hydra.run.dir."
        )


def show(run: Run) -> None:
    """Prints what a run reached to stdout."""
    where = f"run {run.run_id}" if run.run_id else f"journal in {run.job_dir}"
    console.show_result(run.name, run.metrics, where)


def resume(selector: str) -> Run:
    """Continues a run that was cut off, from its last checkpoint, in the same MLflow run.

    Args:
        selector: what names the run, or its job folder.

    Returns:
        The finished run.

    Raises:
        RequestError: there is no such run, another process works on it, or it finished.
        ExperimentError: the work failed; the run says so.
    """
    return resume_in(_job_folder(selector))


def resume_in(
    job_dir: Path,
    *,
    overrides: Sequence[str] | None = None,
    callbacks: Sequence[Any] = (),
    stops: Stops | None = None,
    finished: bool = False,
) -> Run:
    """Continues the run of a job folder; see `resume`.

    Args:
        job_dir: with the run's journal.
        overrides: what was typed; None: what was when the run began.
        callbacks: Keras callbacks, called at epochs.
        stops: asked after each epoch whether to cut the run off.
        finished: whether one that finished may go on too.
    """
    code = source_code.code()
    before = salvaged(job_dir)
    with accepted(before.start.run_name, before.start.tags):
        config = environment.moved_here(from_record(before.start.config))
    environment.adopt(before.start.tags)
    typed = before.start.overrides
    if overrides is not None:
        typed = [without_password(text) for text in overrides]
    # What refuses the run comes before: this is on record.
    recorder = Recorder.resume(job_dir, finished=finished)
    recorder.tags(environment.tags(code, config))
    if before.tags.get(FAILURE_TAG):
        recorder.tags({FAILURE_TAG: ""})  # the reason is no longer one
    changes = ", ".join(environment.changes(job_dir))
    if changes:
        recorder.tags({RESUMED_TAG: changes})
        console.Reporter().say(
            f"This run goes on with {changes}: its end may not be what it would have been."
        )
    return _recorded(recorder, config, code, typed, callbacks=callbacks, stops=stops)


def _job_folder(selector: str) -> Path:
    if Path(selector).is_dir():
        return _of_a_run(Path(selector))
    found = find(selector)
    record = found.record
    if record.is_member:
        raise _no_run_of_its_own(found)
    if not ids.is_id(record.job_id or ""):  # it becomes a path
        raise RequestError(
            f"Expected a run that mnist-exp made. Received: {record.name}, whose tag "
            f"{JOB_ID_TAG} names no job folder. Name the folder: `mnist-exp resume FOLDER`."
        )
    folder = Path(OUTPUTS, record.job_id or "")
    if record.outcome in DONE and folder.is_dir() and salvaged(folder).outcome not in DONE:
        raise RequestError(
            f"Expected a run that was cut off. Received: {record.name}, which went on in another "
            "folder and has finished."
        )
    if not folder.is_dir():
        raise RequestError(
            f"Expected the job folder of run {record.name} at {folder}. Received: no such folder. "
            "Give the command in the folder that the run was started from, or name the job folder "
            "itself: `mnist-exp resume FOLDER`."
        )
    return folder


def _of_a_run(job_dir: Path) -> Path:
    """Returns a job folder, unless it is a sweep's or that of a part of another run."""
    try:
        start = salvaged(job_dir).start
    except ExperimentError:
        recover(Path.cwd())  # MLflow may have it as running
        raise
    if SPACE_TAG in start.tags:
        raise RequestError(
            f"Expected the job folder of a run. Received: {job_dir}, that of the sweep "
            f"{start.run_name}. The same `mnist-exp train -m` command goes on with it."
        )
    if ENSEMBLE_TAG in start.tags:
        raise RequestError(
            f"Expected a run that is no part of another. Received: {job_dir}, a member of an "
            f"ensemble, which goes on with it: `mnist-exp resume {OUTPUTS}/{start.parent_job_id}`."
        )
    return job_dir


def _no_run_of_its_own(found: Found) -> RequestError:
    return RequestError(
        f"Expected a run that is no part of another. Received: {found.record.name}, a member of an "
        f"ensemble, which goes on with it: `mnist-exp resume {found.ensemble_name}`."
    )


def _recorded(
    recorder: Recorder,
    config: Config,
    code: source_code.Code,
    overrides: Sequence[str],
    *,
    callbacks: Sequence[Any] = (),
    stops: Stops | None = None,
) -> Run:
    """Runs the pipeline with the run's own log, and ends the record with what became of it."""
    log = recorder.job_dir / LOG
    outcome: events.Outcome = "failed"
    try:
        with console.log_file(log):
            if recorder.damage:
                console.logger.warning(recorder.damage)
            try:
                with signals.unwrapped():
                    environment.record(recorder, config, overrides, code)
                    train = _training(recorder, config, overrides, callbacks=callbacks, stops=stops)
                    run = pipeline.execute(recorder, config, overrides, train)
                outcome = "finished"
            except Pruned as cut:
                outcome = "pruned"
                console.logger.info("Cut off: it lagged behind other trials.")
                run = Run(recorder.started.run_name, None, recorder.job_dir, config, cut.metrics)
            except Exception as problem:
                console.logger.exception("The run failed.")
                with contextlib.suppress(ExperimentError):  # its folder is gone; see `_end`
                    recorder.tags({FAILURE_TAG: reason_of(problem)})
                raise
            except BaseException as stop:
                outcome = "killed"
                console.logger.warning("The run was stopped (%s).", type(stop).__name__)
                if ENSEMBLE_TAG not in recorder.started.tags:  # a member goes on with its ensemble
                    name = recorder.started.run_name
                    console.Reporter().say(f"Go on where it stopped: mnist-exp resume {name}")
                raise
    finally:
        with signals.held("The run's record is being ended; once more stops at once."):
            _end(recorder, outcome)
    # A member's weights are taken from its checkpoint when all have been trained.
    if not config.training.keep_checkpoints and ENSEMBLE_TAG not in recorder.started.tags:
        shutil.rmtree((recorder.job_dir / CHECKPOINT).parent, ignore_errors=True)
        ensemble.drop_checkpoints(recorder.job_dir)
    return replace(run, run_id=recorder.run_id)


def _training(
    recorder: Recorder,
    config: Config,
    overrides: Sequence[str],
    *,
    callbacks: Sequence[Any],
    stops: Stops | None,
) -> pipeline.Train:
    """Returns what makes the network of a run: one training, or those of the members."""
    if config.ensemble.members == 1:
        return partial(fit.train, recorder, config, callbacks=callbacks, stops=stops)
    started = recorder.started

    def run_member(member: ensemble.Member) -> Run:
        if member.begun:
            folder, typed = member.job_dir, member.overrides
            again = member.finished
            return resume_in(folder, overrides=typed, callbacks=callbacks, finished=again)
        member.job_dir.mkdir(parents=True, exist_ok=True)
        return run(
            member.config,
            job_dir=member.job_dir,
            choices={group: option for group, option in started.tags.items() if "." not in group},
            overrides=member.overrides,
            name=member.name,
            callbacks=callbacks,
            tags={ENSEMBLE_TAG: started.job_id},
            parent_job_id=started.job_id,
        )

    return partial(ensemble.train, ensemble.members(recorder, config, overrides), run_member)


def _end(recorder: Recorder, outcome: events.Outcome) -> None:
    try:
        recorder.require_folder()
    except ExperimentError as problem:
        if outcome in DONE:
            raise
        if outcome == "killed":  # of what failed the reason is told
            console.Reporter().say(str(problem))
        return
    swept = swept_numbers(recorder.started)
    if swept:
        recorder.metrics(swept)  # last, so that MLflow shows what was measured before them
    try:
        recorder.artifact(LOG, lambda file: shutil.copyfile(recorder.job_dir / LOG, file))
    except ExperimentError as problem:  # a full disk; the end itself is worth more than the log
        console.Reporter().say(str(problem))
    finally:
        recorder.end(outcome)
    if recorder.incomplete:
        member = ENSEMBLE_TAG in recorder.started.tags  # it goes on with its ensemble
        hint = "" if member else f" Then: mnist-exp resume {recorder.started.run_name}"
        raise ExperimentError(f"{recorder.incomplete}{hint}")
