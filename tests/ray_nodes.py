"""A Ray cluster on this machine for the tests of sweeps, a process group for each node."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import waiting
from servers import free_port

_START_SECONDS = 300  # that Ray gives a node on a busy machine; 2 to 20 were seen
_LIFE_SECONDS = 1800
_RAY = (str(Path(sys.executable).with_name("ray")), "start", "--node-ip-address=127.0.0.1",
        "--num-cpus=1", "--object-store-memory=80000000", "--block")  # fmt: skip


class RayNodes:
    """The nodes of a cluster, each with one core."""

    def __init__(self, folder: Path) -> None:
        """Starts nothing yet.

        Args:
            folder: for what Ray writes; a short path, since it puts sockets there.
        """
        self._folder = folder
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self._nodes: list[subprocess.Popen[bytes]] = []

    def start_head(self) -> None:
        """Starts the node that the others join."""
        options = [f"--port={self._port}", f"--temp-dir={self._folder}/ray"]
        self._start([*_RAY, "--head", "--include-dashboard=false", *options])

    def join(self, *, without: tuple[Path, ...] = ()) -> int:
        """Starts another node.

        Args:
            without: folders that it does not have, as if it were another machine.

        Returns:
            Its place among the nodes, for `kill`.
        """
        hidden = " && ".join(f"mount -t tmpfs none '{folder}'" for folder in without) or ":"
        command = [*_RAY, f"--address={self.address}"]
        wrapped = ["unshare", "-m", "sh", "-c", f'{hidden} && exec "$@"', "sh", *command]
        self._start(wrapped if without else command)
        return len(self._nodes) - 1

    def kill(self, place: int) -> None:
        """Ends a node with all its processes, as a power cut does."""
        node = self._nodes[place]
        for process in self._workers(node.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()

    def node_of(self, process: int) -> int:
        """Returns the place of the node that a process belongs to."""
        return next(
            place for place, node in enumerate(self._nodes) if process in self._workers(node.pid)
        )

    def _workers(self, group: int) -> list[int]:
        """Returns the processes that a node has started in groups of their own."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if os.getpgid(parent) == group and os.getpgid(int(entry.name)) != group:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """Ends all nodes."""
        for place in range(len(self._nodes)):
            self.kill(place)

    def _start(self, command: list[str]) -> None:
        log = self._folder / f"node-{len(self._nodes)}.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_"))}
        environment |= {
            "TMPDIR": str(self._folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": str(_START_SECONDS),
        }
        with log.open("wb") as output:
            node = subprocess.Popen(
                ["timeout", f"{_LIFE_SECONDS}", *command],  # should the tests be killed
                env=environment,
                cwd=self._folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._nodes.append(node)
        waiting.until(
            lambda: b"will now block" in log.read_bytes() or node.poll() is not None,
            what=log.read_bytes,
        )
        assert node.poll() is None, log.read_text()


@contextmanager
def ray_nodes() -> Iterator[RayNodes]:
    """A cluster whose head runs; whatever joined it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        nodes = RayNodes(Path(folder))
        try:
            nodes.start_head()
            yield nodes
        finally:
            nodes.close()
