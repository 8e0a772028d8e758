"""The record of a run, as `runs` write it: into the journal, and from there to MLflow.

No method but `artifact` and `model` waits for anything other than the disk.
"""

import contextlib
import getpass
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.core.text import without_password
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events, pending_runs, staging
from mnist_exp.tracking.journal.events import Outcome, Start
from mnist_exp.tracking.journal.state import State, salvaged, state_of
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.names import ARTIFACTS_TAG, DIGESTS, DONE, FAILURE_TAG
from mnist_exp.tracking.sync.process import RemoteSender

_MODEL = "model"  # name of the logged model, and the folder that is staged
# Without progress for so long, the rest is left to `mnist-exp sync`.
_CLOSE_SECONDS = 60.0


class Recorder:
    """One run: journal first, MLflow in the background."""

    def __init__(self, start: Start, uri: str, writer: journal.Journal, folder: Path) -> None:
        """Begins to send; use `start` or `resume`."""
        self.job_dir = writer.job_dir
        self.started = start
        self._journal = writer
        self._folder = folder
        self._warned = False
        self._uri = uri
        self.damage = ""  # of the journal that a run goes on with, in a sentence
        self.incomplete = ""  # why a run that was done has ended as failed
        self._sender = RemoteSender(self.job_dir, uri)

    @classmethod
    def start(
        cls,
        job_dir: Path,
        *,
        job_id: str,
        run_name: str,
        uri: str | None,
        experiment: str,
        config: Mapping[str, Any],
        params: Mapping[str, str],
        tags: Mapping[str, str],
        overrides: Sequence[str] = (),
        description: str = "",
        parent_job_id: str | None = None,
    ) -> "Recorder":
        """Begins the record of a new run.

        Args:
            job_dir: The run's own folder, which exists.
            job_id: The run's identity, before MLflow has given it one and after.
            run_name: Its name in MLflow.
            uri: `tracking.uri`; None leaves it to MLflow's environment and default.
            experiment: MLflow's experiment.
            config: The whole resolved config, of plain values that JSON can hold.
            params: The same, dotted.
            tags: Tags by their full names.
            overrides: What was typed, for when the run goes on; without passwords.
            description: Markdown for the top of the run's page.
            parent_job_id: The job id of the sweep's parent run, if it has one.

        Raises:
            RequestError: The folder has a journal already, or the store cannot be used.
            ExperimentError: The job folder cannot be written.
        """
        folder = Path.cwd()  # where commands look for unsent runs
        address = location.resolve(uri)
        start = Start(
            time=events.now(),
            job_id=job_id,
            run_name=run_name,
            experiment=experiment,
            uri=location.recorded(address, job_dir.absolute(), folder),
            params=dict(params),
            tags={**_origin_tags(), **tags},
            description=description,
            parent_job_id=parent_job_id,
            config=dict(config),
            overrides=list(overrides),
        )
        try:
            writer = _begin(job_dir, start, folder)
        except OSError as problem:
            raise ExperimentError(
                f"Expected a job folder that can be written. Received: {job_dir} "
                f"({problem.strerror or problem}). Free some space or choose another hydra.run.dir."
            ) from problem
        return cls(start, address, writer, folder)

    @classmethod
    def resume(cls, job_dir: Path, *, finished: bool = False) -> "Recorder":
        """Goes on with the record of a run that was cut off, in the same MLflow run.

        Args:
            job_dir: The run's own folder.
            finished: Whether one that finished may go on too.

        Raises:
            RequestError: There is no such run, it is still alive, or it finished.
            ExperimentError: Its journal cannot be used.
        """
        writer = journal.Journal.reopen(job_dir)
        folder = Path.cwd()  # where commands look for unsent runs
        try:
            state = salvaged(job_dir)
            start = state.start
            if not finished:
                _require_cut_off(state)
            uri = location.of_record(start.uri, job_dir)
            pending_runs.add(folder, start.job_id, job_dir)
            damage = writer.mend()
        except BaseException:
            writer.close()
            raise
        writer.append(events.Resumed(events.now()))
        recorder = cls(start, uri, writer, folder)
        if damage:
            recorder.damage = damage
            say(damage, error=True)
        return recorder

    @property
    def run_id(self) -> str | None:
        """MLflow's run id, once known."""
        return self._sender.run_id

    def metrics(self, values: Mapping[str, float], *, step: int | None = None) -> None:
        """Records the values of an epoch, or final ones (one point) when `step` is None."""
        plain = {key: float(value) for key, value in values.items()}
        self._append(events.Metrics(events.now(), plain, step))

    def tags(self, values: Mapping[str, str]) -> None:
        """Sets tags."""
        self._append(events.Tags(events.now(), dict(values)))

    def describe(self, markdown: str) -> None:
        """Sets the text on top of the run's page."""
        self._append(events.Description(events.now(), markdown))

    def dataset(self, *, name: str, digest: str, source: str, sizes: Mapping[str, int]) -> None:
        """Names the data.

        Args:
            name: Of the dataset.
            digest: Hexadecimal; MLflow keeps the first 36 characters.
            source: A path, a URL, or a name.
            sizes: Images in each split.
        """
        self._append(events.Dataset(events.now(), name, digest, source, dict(sizes)))

    def artifact(self, path: str, write: Callable[[Path], object]) -> None:
        """Records a file.

        Args:
            path: Where it goes below the run's artifacts, with slashes.
            write: Called with the file to write, which has the right name but appears at `path`
                only when it is complete.

        Raises:
            ExperimentError: The file could not be written, or somebody deleted the job folder.
        """
        self.require_folder()
        try:
            digest = staging.stage(self.job_dir, path, write)
        except OSError as problem:
            raise ExperimentError(
                f"Expected to write the artifact {path}. Received: {problem}. What was measured "
                f"before is kept in {self.job_dir / journal.FILE_NAME}. Free some space, or mend "
                "what it names."
            ) from problem
        self._append(events.Artifact(events.now(), path, digest))

    def model(self, model: Any, *, requirements: Sequence[str]) -> None:
        """Records a Keras model (uint8 [N, 28, 28] to float32 [N, 10]) as the run's logged model.

        Args:
            model: The model.
            requirements: What pip needs to load it.
        """
        import keras

        from mnist_exp.tracking.mlflow.logged_model import save_model

        self.require_folder()
        folder = self.job_dir / staging.FOLDER / _MODEL
        folder.parent.mkdir(parents=True, exist_ok=True)
        save_model(model, folder)
        self._append(
            events.Model(
                events.now(),
                _MODEL,
                list(requirements),
                keras.__version__,
                keras.backend.backend(),
            )
        )

    def reopened(self) -> None:
        """Says that the run goes on where MLflow has it as ended, from another folder."""
        self._append(events.Resumed(events.now()))

    def require_folder(self) -> None:
        """Makes sure that what is recorded can still be found.

        Raises:
            ExperimentError: Somebody deleted or moved the job folder. The record is closed.
        """
        if self._journal.is_in_place:
            return
        if self._journal.is_open:
            self._journal.close()
            self._sender.close(0.0)
        raise ExperimentError(
            f"Expected the job folder {self.job_dir} to stay where it is while its run is at work. "
            f"Received: {journal.FILE_NAME} in it was deleted or moved. MLflow keeps what it "
            "has of the run; train it anew, or put the folder back and use `mnist-exp resume`."
        )

    def end(self, outcome: Outcome) -> bool:
        """Ends the record, and waits for MLflow while it takes what is left.

        Returns:
            Whether MLflow has everything; if not, stderr says what to do.

        Raises:
            ExperimentError: The disk is full, and what was measured last is nowhere but here; or
                somebody deleted the job folder.
        """
        self.require_folder()
        try:
            self._record_digests()
        except ExperimentError as full:
            if outcome in DONE:  # it may go on when there is room
                outcome, self.incomplete = "failed", str(full)
                self.tags({FAILURE_TAG: reason_of(full)})
        staging.clear(self.job_dir, parts_alone=True)  # nothing more is staged
        self._append(events.End(events.now(), events.STATUS_OF_OUTCOME[outcome], outcome))
        problem, size = self._journal.problem, self._journal.size
        self._journal.close()
        sent = self._sender.close(_CLOSE_SECONDS if problem is None else 0.0)
        if problem is not None:
            raise ExperimentError(
                f"Expected to write {self.job_dir / journal.FILE_NAME}. Received: {problem}. The "
                "last values of this run are lost; free some space and use `mnist-exp resume`."
            )
        if sent:
            pending_runs.settle(self._folder, self.started.job_id, self.job_dir, size)
        self._report(sent)
        return sent

    def _record_digests(self) -> None:
        """Records what all artifacts are, so that an altered one is found out."""
        found = state_of(self.job_dir).artifacts
        found.pop(DIGESTS, None)  # of an earlier end
        text = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(found.items()))
        self.artifact(DIGESTS, lambda file: file.write_text(text, encoding="utf-8"))
        self.tags({ARTIFACTS_TAG: hashlib.sha256(text.encode()).hexdigest()})

    def _append(self, event: events.Event) -> None:
        self.require_folder()
        self._journal.append(event)
        if self._journal.problem is not None and not self._warned:
            self._warned = True
            say(
                f"The journal {self.job_dir / journal.FILE_NAME} cannot be written "
                f"({self._journal.problem}). The run goes on and keeps its values in memory; free "
                "some space before it ends.",
                error=True,
            )
        self._sender.notify()

    def _report(self, sent: bool) -> None:
        if not sent:
            say(
                f"MLflow at {without_password(self._uri)} does not have all of this run yet "
                f"({self._sender.problem}). Nothing is lost: it is kept in {self.job_dir}. Run "
                "`mnist-exp sync` from this folder when MLflow can be reached.",
                error=True,
            )
        for refused in self._sender.refused:
            say(f"MLflow did not take all of this run: {refused}. See {self.job_dir}.", error=True)


def _begin(job_dir: Path, start: Start, folder: Path) -> journal.Journal:
    lock = journal.hold(job_dir)
    if lock is None:
        raise RequestError(
            f"Expected a job folder of its own. Received: {job_dir}, where another run is at work. "
            "Use another folder."
        )
    try:
        # Before the journal: a journal that no marker names would be forgotten.
        pending_runs.add(folder, start.job_id, job_dir)
        return journal.Journal.create(job_dir, start, lock)
    except BaseException:
        lock.release()
        raise


def _require_cut_off(state: State) -> None:
    if state.outcome in DONE:
        raise RequestError(
            f"Expected a run that was cut off. Received: {state.start.run_name}, which "
            f"{state.outcome}. Start it anew with `mnist-exp train`."
        )


def _origin_tags() -> dict[str, str]:
    """Returns the tags that MLflow's own client sets: who ran what."""
    tags = {"mlflow.source.name": Path(sys.argv[0]).name, "mlflow.source.type": "LOCAL"}
    with contextlib.suppress(OSError, KeyError):  # a user id without a name
        tags["mlflow.user"] = getpass.getuser()
    return tags
