"""Jobs as tasks of Ray: on the cluster of RAY_ADDRESS, else on the cores of this machine."""

import contextlib
import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from mnist_exp.core import processor
from mnist_exp.core.errors import ExperimentError, RequestError, Terminated, reason_of
from mnist_exp.runs import source_code
from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.execute.engines import Engine
from mnist_exp.sweeps.execute.payload import Payload, unpacked
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task

_QUIET = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
# What a cluster has already, and refuses to be told by whoever connects to it.
_OF_A_NEW_ONE = {"num_cpus", "num_gpus", "resources", "object_store_memory", "include_dashboard"}
_AMOUNTS = ("num_cpus", "num_gpus", "memory")
_CANCEL_SECONDS = 15.0  # for the records of the jobs
# After 60 s without its head, Ray ends the process that is connected, without a word to anybody.
_SILENT_SECONDS = 45.0
_PROBE_SECONDS = 2.0


class RayCluster(Engine):
    """One task for each job, with the resources that `hydra.launcher.ray.remote` names."""

    name = "Ray"

    def __init__(self, ray: Mapping[str, Any]) -> None:
        """Connects to nothing yet.

        Args:
            ray: `init` and `remote`: what `ray.init` and `ray.remote` are given.

        Raises:
            RequestError: an amount of something is none.
        """
        self._init = {**_QUIET, **(ray.get("init") or {})}
        given = {
            name: value for name, value in (ray.get("remote") or {}).items() if value is not None
        }
        self._remote = {"num_cpus": 1, **given}
        _require_amounts("init", {"num_cpus": self._init.get("num_cpus")})
        _require_amounts("remote", {name: self._remote.get(name) for name in _AMOUNTS})
        _require_amounts("remote.resources", self._remote.get("resources") or {})
        self.threads = max(1, int(self._remote["num_cpus"]))
        self._run: Any = None
        self._tasks: dict[Future[JobResult | None], Any] = {}
        self._payloads: dict[Hashable, Any] = {}  # data -> what Ray's object store has of it
        self._head = ("", 0)
        self._answered = 0.0  # when the head did so last
        self._slots = self._fitting([{"CPU": self._init.get("num_cpus") or processor.cores()}])

    @property
    def slots(self) -> int:
        """How many jobs the nodes that live now can run at once; see `Engine`.

        Raises:
            ExperimentError: the head of the cluster is gone.
        """
        if self._run is not None and self._head_answers():
            import ray

            nodes: list[Any] = ray.nodes()  # type: ignore[no-untyped-call]
            self._slots = self._fitting([node["Resources"] for node in nodes if node["Alive"]])
        return self._slots

    def _fitting(self, nodes: Sequence[Mapping[str, float]]) -> int:
        needed = {
            "CPU": self._remote["num_cpus"],
            "GPU": self._remote.get("num_gpus"),
            "memory": self._remote.get("memory"),
            **(self._remote.get("resources") or {}),
        }
        needed = {name: amount for name, amount in needed.items() if amount} or {"CPU": 1}
        fits = [
            min(int(node.get(name, 0) // amount) for name, amount in needed.items())
            for node in nodes
        ]
        return max(1, sum(fits))

    def submit(self, task: Task) -> Future[JobResult | None]:
        """Hands a job over to the cluster; see `Engine`.

        Raises:
            ExperimentError: there is no cluster.
        """
        if self._run is None:
            self._connect()
        reference = self._run.remote(task, self._packed(task))
        future: Future[JobResult | None] = reference.future()
        self._tasks = {f: r for f, r in self._tasks.items() if not f.done()} | {future: reference}
        return future

    def lost_machine(self, problem: Exception) -> bool:
        """Tells whether a node went, with the job on it."""
        import ray

        return isinstance(problem, ray.exceptions.NodeDiedError)

    def cancel(self) -> None:
        """Interrupts the tasks, then ends what is left of them."""
        if self._run is None:
            return
        import ray

        left = [reference for future, reference in self._tasks.items() if not future.done()]
        for reference in left:
            ray.cancel(reference)
        if left:
            _, left = ray.wait(left, num_returns=len(left), timeout=_CANCEL_SECONDS)
        for reference in left:
            ray.cancel(reference, force=True)
        self.close()

    def close(self) -> None:
        """Leaves the cluster; one that was started here ends."""
        if self._run is not None:
            import ray

            self._run = None
            with contextlib.suppress(Exception):  # it may have gone before
                ray.shutdown()

    def _packed(self, task: Task) -> Any:
        """Returns what goes with a job, which Ray's object store has once for all its like."""
        import ray

        config = task.config
        key = config.data.name, config.data.options().get("root")
        if key not in self._payloads:
            self._payloads[key] = ray.put(Payload.of(config))
        return self._payloads[key]

    def _connect(self) -> None:
        import ray

        options = dict(self._init)
        address = options.get("address") or os.environ.get("RAY_ADDRESS")
        with tempfile.TemporaryDirectory() as folder:
            if address:
                options = {name: options[name] for name in options.keys() - _OF_A_NEW_ONE}
                options.setdefault("runtime_env", {"working_dir": _code_in(Path(folder))})
            try:
                host, colon, port = str(address).rpartition(":")
                if address and colon and port.isdigit() and "/" not in host:
                    _reach(host, int(port))  # Ray itself tries for minutes
                ray.init(**options)
            except (OSError, RuntimeError, ValueError) as problem:
                raise ExperimentError(
                    f"Expected a Ray cluster {f'at {address}' if address else 'to start here'}. "
                    f"Received: {reason_of(problem)}. See RAY_ADDRESS and hydra.launcher.ray.init."
                ) from problem
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._head, self._answered = (host, int(port)), time.monotonic()
        # A job that dies with its node is submitted again by the sweep, which counts that.
        self._run = ray.remote(max_retries=0, **self._remote)(_work)

    def _head_answers(self) -> bool:
        """Tells whether the head of the cluster answers now.

        Raises:
            ExperimentError: it has not for long.
        """
        try:
            _reach(*self._head)
        except OSError as problem:
            if time.monotonic() - self._answered < _SILENT_SECONDS:
                return False
            self._run = None  # whatever Ray is asked now never comes back
            raise ExperimentError(
                f"Expected the head of the Ray cluster to answer. Received: {reason_of(problem)}. "
                "Start it again; the same command goes on."
            ) from problem
        self._answered = time.monotonic()
        return True


def _require_amounts(section: str, amounts: Mapping[str, Any]) -> None:
    for name, amount in amounts.items():
        is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
        if amount is not None and not (is_number and 0 <= amount < math.inf):
            raise RequestError(
                f"Expected hydra.launcher.ray.{section}.{name} to be a number >= 0 (memory in "
                f"bytes). Received: {amount}. Correct it, or leave it out."
            )


def _reach(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=_PROBE_SECONDS).close()


def _work(task: Task, payload: Payload) -> JobResult | None:
    """Runs a job on a node, which may not have the sweep's folder."""
    try:
        with unpacked(task, payload) as here:
            return worker.attempt(here)
    except RequestError as problem:
        return records.unrecorded(task.config, task.assignment, reason_of(problem))
    except (KeyboardInterrupt, Terminated):
        worker.leave()


def _code_in(folder: Path) -> str:
    """Copies the code that runs here, for nodes that have none or another."""
    root = source_code.PACKAGE.parent
    for part in (source_code.PACKAGE.name, "hydra_plugins/mnist_exp_sweeps"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / part, folder / part, ignore=ignored)
    return str(folder)
