"""Jobs as tasks of Ray: on the cluster of RAY_ADDRESS, else on the cores of this machine."""

import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from mnist_exp.core import hardware
from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task

_QUIET = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
# What a cluster has already, and refuses to be told by whoever connects to it.
_OF_A_NEW_ONE = {"num_cpus", "num_gpus", "resources", "object_store_memory", "include_dashboard"}
_CANCEL_SECONDS = 15.0  # for the records of the jobs


class RayCluster:
    """One task for each job, with the resources that `hydra.launcher.ray.remote` names."""

    name = "Ray"
    children = False

    def __init__(self, ray: Mapping[str, Any]) -> None:
        """Connects to nothing yet.

        Args:
            ray: `init` and `remote`: what `ray.init` and `ray.remote` are given.
        """
        self._init = dict(ray.get("init") or {})
        self._remote = {"num_cpus": 1, **(ray.get("remote") or {})}
        self.threads: int | None = max(1, int(self._remote["num_cpus"]))
        self._run: Any = None
        self._tasks: dict[Future[JobResult | None], Any] = {}

    @property
    def slots(self) -> int:
        """How many jobs the nodes that live now can run at once; at least 1."""
        needed = {"CPU": self._remote["num_cpus"], "GPU": self._remote.get("num_gpus") or 0}
        needed["memory"] = self._remote.get("memory") or 0
        needed |= self._remote.get("resources") or {}
        needed = {name: amount for name, amount in needed.items() if amount}
        nodes = [{"CPU": self._init.get("num_cpus") or hardware.cores()}]
        if self._run is not None:
            import ray

            alive: list[Any] = ray.nodes()  # type: ignore[no-untyped-call]
            nodes = [node["Resources"] for node in alive if node["Alive"]]
        fits = [
            min(int(node.get(name, 0) // amount) for name, amount in needed.items())
            for node in nodes
        ]
        return max(1, sum(fits))

    def submit(self, task: Task) -> Future[JobResult | None]:
        """Hands a job over to the cluster; see `Engine`."""
        if self._run is None:
            self._connect()
        reference = self._run.remote(task)
        future: Future[JobResult | None] = reference.future()
        self._tasks = {f: r for f, r in self._tasks.items() if not f.done()} | {future: reference}
        return future

    def cancel(self) -> None:
        """Interrupts the tasks, then ends what is left of them."""
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

    def _connect(self) -> None:
        import ray

        options = {**_QUIET, **self._init}
        if options.get("address") or os.environ.get("RAY_ADDRESS"):
            options = {name: options[name] for name in options.keys() - _OF_A_NEW_ONE}
        ray.init(**options)
        # A job that dies with its node is submitted again by the sweep, which counts that.
        self._run = ray.remote(max_retries=0, **self._remote)(worker.work)
