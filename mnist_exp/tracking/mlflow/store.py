"""Runs in MLflow: every call that writes or reads them, in plain values.

Only this folder imports mlflow, which is loaded at the first call.
"""

import contextlib
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.text import without_password
from mnist_exp.tracking.journal.events import Dataset, Start, Status
from mnist_exp.tracking.mlflow import connection
from mnist_exp.tracking.mlflow.artifact_root import require
from mnist_exp.tracking.mlflow.attempt import first_line
from mnist_exp.tracking.mlflow.dataset import dataset_input
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.names import JOB_ID_TAG, KEY_TAG, OUTCOME_TAG, RUN_ID, SWEEP_TAG
from mnist_exp.tracking.records import RunRecord

REGISTERED_MODEL = "mnist"
CHAMPION = "champion"
# MLflow's limits. What is longer stays whole in the artifact config/resolved.yaml.
_PARAM_CHARACTERS = 6000
_TAG_CHARACTERS = 8000
_ENTITIES_A_BATCH = 100
_METRICS_A_BATCH = 1000
RUNS_A_PAGE = 500
_NEWEST_FIRST = "attributes.start_time DESC"


class Point(NamedTuple):
    """One value of one metric; `time` in unix milliseconds."""

    key: str
    value: float
    time: int
    step: int


class Store:
    """One experiment of an MLflow store."""

    def __init__(self, uri: str, experiment: str) -> None:
        """Remembers where to look; connects when first used.

        Args:
            uri: A tracking URI as `location.resolve` returns it.
            experiment: The name of the experiment.
        """
        self.uri = uri
        self.experiment = experiment
        self._id: str | None = None
        self._artifact_uris: dict[str, str] = {}

    @cached_property
    def client(self) -> Any:
        """The `MlflowClient`; a local store that is absent is created."""
        return connection.connect(self.uri)

    # Writing

    def create_run(self, start: Start) -> str:
        """Makes a run with its journalled start, name and what it is found by; returns its id."""
        tags = {name: start.tags[name] for name in (SWEEP_TAG, KEY_TAG) if name in start.tags}
        tags[JOB_ID_TAG] = start.job_id
        parent = self.parent_run_id(start)
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        run = self.client.create_run(
            self._experiment_id(create=True),
            start_time=start.time,
            tags=tags,
            run_name=start.run_name,
        )
        return str(run.info.run_id)

    def parent_run_id(self, start: Start) -> str | None:
        """Returns the run id of the parent, once MLflow knows it."""
        if start.parent_job_id is None:
            return None
        parent = self.find_run(start.parent_job_id)
        return None if parent is None else parent.run_id

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Logs any number of params; the same ones again do nothing."""
        from mlflow.entities import Param

        for batch in _batches(params.items(), _ENTITIES_A_BATCH):
            entities = [Param(key, value[:_PARAM_CHARACTERS]) for key, value in batch]
            self.client.log_batch(run_id, params=entities)

    def log_metrics(
        self, run_id: str, points: Sequence[Point], *, model_id: str | None = None
    ) -> None:
        """Logs points in one batch (up to a thousand of them); the same ones again do nothing.

        Args:
            run_id: The run.
            points: What to log.
            model_id: The logged model whose page shows them too.
        """
        from mlflow.entities import Metric

        for batch in _batches(points, _METRICS_A_BATCH):
            metrics = [
                Metric(p.key, p.value, p.time, p.step, model_id=model_id, run_id=run_id)
                for p in batch
            ]
            self.client.log_batch(run_id, metrics=metrics)

    def recorded(self, run_id: str, keys: Iterable[str]) -> dict[tuple[str, int], float]:
        """Returns (metric, step) -> value of these metrics; of several the newest."""
        known = self.client.get_run(run_id).data.metrics
        points = [
            point
            for key in keys
            if key in known
            for point in self.client.get_metric_history(run_id, key)
        ]
        points.sort(key=lambda point: point.timestamp)
        return {(point.key, point.step): point.value for point in points}

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Sets any number of tags."""
        from mlflow.entities import RunTag

        for batch in _batches(tags.items(), _ENTITIES_A_BATCH):
            entities = [RunTag(key, value[:_TAG_CHARACTERS]) for key, value in batch]
            self.client.log_batch(run_id, tags=entities)

    def describe(self, run_id: str, markdown: str) -> None:
        """Sets the text that the UI shows on top of the run; `names.RUN_ID` in it is replaced."""
        self.set_tags(run_id, {"mlflow.note.content": markdown.replace(RUN_ID, run_id)})

    def log_dataset(self, run_id: str, dataset: Dataset) -> None:
        """Names the data of the run; the same data again does nothing."""
        from mlflow.exceptions import MlflowException

        inputs = [dataset_input(dataset)]
        try:
            self.client.log_inputs(run_id, datasets=inputs)
        except MlflowException as problem:
            if problem.error_code != "BAD_REQUEST":
                raise
            # Another run named the same new data at this moment; now they are known.
            self.client.log_inputs(run_id, datasets=inputs)

    def log_artifact(self, run_id: str, file: Path, path: str) -> None:
        """Uploads a file.

        Args:
            run_id: The run.
            file: The file; its name is the last part of `path`.
            path: Where it goes below the run's artifacts, with slashes.
        """
        self.artifact_uri(run_id)
        folder, _, _ = path.rpartition("/")
        self.client.log_artifact(run_id, str(file), folder or None)

    def end_run(self, run_id: str, status: Status, time: int) -> None:
        """Sets the final status and the end."""
        self.client.set_terminated(run_id, status, time)

    def reopen_run(self, run_id: str) -> None:
        """Sets a run that was cut off back to RUNNING, without the outcome that it had."""
        from mlflow.exceptions import MlflowException

        self.client.update_run(run_id, status="RUNNING")
        try:
            self.client.delete_tag(run_id, OUTCOME_TAG)
        except MlflowException as problem:  # nobody had noticed that it was cut off
            if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    # Reading

    def experiments(self) -> list[tuple[str, str, bool, bool]]:
        """Returns what `database.experiments` does; those of a server are taken to have runs."""
        from mlflow.entities import ViewType

        found = self.client.search_experiments(view_type=ViewType.ALL)
        return [
            (one.experiment_id, one.name, one.lifecycle_stage != "active", one.name != "Default")
            for one in found
        ]

    def find_run(self, job_id: str) -> RunRecord | None:
        """Returns the run of a job folder, a deleted one too; None when MLflow has none.

        It is looked for in every experiment where its own, which may be renamed, has none.
        """
        found = list(self._search(_of_job(job_id), "all"))
        if not found:
            found = list(self._search(_of_job(job_id), "all", experiments=self._every()))
        return min(found, key=lambda run: run.deleted) if found else None

    def of_job(self, job_id: str) -> RunRecord | None:
        """Returns the run of a job folder, of any experiment, that is not deleted."""
        found = self._search(_of_job(job_id), "active_only", experiments=self._every())
        return next(found, None)

    def last_sign(self, run: RunRecord) -> int:
        """Returns when a run began or told its last metric, in unix milliseconds."""
        told = (self.client.get_metric_history(run.run_id, key) for key in [*run.metrics][:1])
        times: list[int] = [point.timestamp for points in told for point in points]
        return max([run.start_time, *times])

    def get(self, run_id: str) -> RunRecord | None:
        """Returns a run of any experiment, a deleted one too; None when MLflow has none."""
        from mlflow.exceptions import MlflowException

        try:
            return _record(self.client.get_run(run_id))
        except MlflowException as problem:
            if problem.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise

    def search(
        self, filter_string: str = "", *, order: str = _NEWEST_FIRST, page: int | None = None
    ) -> Iterator[RunRecord]:
        """Yields the runs of the experiment that are not deleted.

        Args:
            filter_string: In MLflow's search language.
            order: As MLflow's `order_by` has it.
            page: How many runs to ask for at once; None for many.
        """
        return self._search(filter_string, "active_only", order=order, page=page)

    def listed(self, run_id: str, folder: str) -> set[str]:
        """Returns the paths of a run's artifacts in a folder of them; "" is the topmost."""
        return {found.path for found in self.client.list_artifacts(run_id, folder or None)}

    def artifact_uri(self, run_id: str) -> str:
        """Returns where the artifacts of a run lie.

        Raises:
            RequestError: That is not where the store keeps those of its experiment.
        """
        if run_id not in self._artifact_uris:
            info = self.client.get_run(run_id).info
            self.require_own(info.artifact_uri, info.experiment_id)
            self._artifact_uris[run_id] = info.artifact_uri
        return self._artifact_uris[run_id]

    def require_own(self, place: str, experiment_id: str) -> None:
        """Refuses artifacts of an experiment that lie where the store does not keep them.

        Raises:
            RequestError: They do.
        """
        local = sqlite_path(self.uri) is not None
        kept = None if local else self.client.get_experiment(experiment_id).artifact_location
        require(place, self.uri, kept)

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Returns step -> value of a metric; empty where the run has none."""
        points = self.client.get_metric_history(run_id, metric)
        return {point.step: point.value for point in points}

    def _every(self) -> list[str]:
        """Returns the ids of all experiments that are not deleted."""
        return [found.experiment_id for found in self.client.search_experiments()]

    def _experiment_id(self, *, create: bool) -> str | None:
        if self._id is None or create:  # it may have been deleted meanwhile
            self._id = connection.experiment_id(
                self.client, self.uri, self.experiment, create=create
            )
        return self._id

    def _search(
        self,
        filter_string: str,
        view: str,
        *,
        order: str = _NEWEST_FIRST,
        page: int | None = None,
        experiments: Sequence[str] | None = None,
    ) -> Iterator[RunRecord]:
        from mlflow.entities import ViewType

        if experiments is None:
            own = self._experiment_id(create=False)
            experiments = [] if own is None else [own]
        token = None
        while experiments:
            found = self.client.search_runs(
                list(experiments),
                filter_string,
                ViewType.from_string(view),
                max_results=min(page or RUNS_A_PAGE, RUNS_A_PAGE),
                order_by=[order],
                page_token=token,
            )
            yield from map(_record, found)
            token = found.token
            if not token:
                return


def _of_job(job_id: str) -> str:
    """Returns the filter for the run of a job folder."""
    return f"tags.`{JOB_ID_TAG}` = {quoted(job_id)}"


def as_stored(value: float) -> float:
    """Returns a metric as MLflow's databases give it back: they have no infinity."""
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value


def quoted(text: str) -> str:
    """Returns text as MLflow's search language has it, which knows no escapes.

    Raises:
        RequestError: it holds both kinds of quotation marks.
    """
    if "'" in text and '"' in text:
        raise RequestError(
            "Expected text with one kind of quotation mark at most, as MLflow's servers find no "
            f"other. Received: {text}. Name the run by its id, `latest` or `best`."
        )
    return f'"{text}"' if "'" in text else f"'{text}'"


@contextlib.contextmanager
def answering(uri: str) -> Iterator[None]:
    """Tells in words that a store does not answer what the block asks it.

    Raises:
        RequestError: It does not.
    """
    try:
        yield
    except (ExperimentError, RequestError):
        raise
    except Exception as problem:
        raise unreachable(uri, problem) from problem


def unreachable(uri: str, problem: Exception) -> RequestError:
    """Returns the error for a store that a command needs and cannot read."""
    path = sqlite_path(uri)
    if path is not None:
        return RequestError(
            f"Expected an MLflow store that can be read. Received: {path}, {first_line(problem)}. "
            "Wait for who is writing it, or restore it from a backup."
        )
    if isinstance(problem, ModuleNotFoundError):
        return RequestError(
            f"Expected the driver of the database {without_password(uri)} to be installed. "
            f"Received: {problem}. Install it with pip, or name another store with "
            "MLFLOW_TRACKING_URI."
        )
    if getattr(problem, "error_code", "") == "ENDPOINT_NOT_FOUND" or "code 404" in str(problem):
        return RequestError(
            f"Expected an MLflow store at {without_password(uri)}. Received: a server that answers "
            "404 there. Give the address that MLflow has on it, with its path, if any, by "
            "MLFLOW_TRACKING_URI."
        )
    return RequestError(
        f"Expected an MLflow store that answers at {without_password(uri)}. Received: "
        f"{first_line(problem)}. Start the server, or name another store with MLFLOW_TRACKING_URI."
    )


def _record(run: Any) -> RunRecord:
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        deleted=run.info.lifecycle_stage != "active",
        start_time=run.info.start_time or 0,
        end_time=run.info.end_time,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
        artifact_uri=run.info.artifact_uri,
    )


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    waiting = list(items)
    for first in range(0, len(waiting), size):
        yield waiting[first : first + size]
