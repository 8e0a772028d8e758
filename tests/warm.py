"""An interpreter that has imported everything, and forks for each command line that it is sent.

Importing TensorFlow, MLflow and the rest takes longer than most of what the tests then ask of them.
A fork has its own working folder, environment, standard streams and signals, and a TensorFlow that
has computed nothing yet. `processes` starts this file and speaks with it.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Sequence
from multiprocessing import util
from pathlib import Path
from typing import Any

import empty_store
import numpy as np
from forks import AS_SUBPROCESS

from mnist_exp.config.compose import Composer
from mnist_exp.config.grid import SweepComposer
from mnist_exp.core import sidecar, tensorflow_setup
from mnist_exp.evaluation import metrics
from mnist_exp.runs import figures, proof
from mnist_exp.tracking.journal import events
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store

LIBRARIES = (
    "cv2", "hydra", "keras",
    "matplotlib.backends.backend_svg", "matplotlib.pyplot", "mlflow.keras", "mlflow.pyfunc",
    "mlflow.server.fastapi_app", "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store", "onnx", "onnxruntime", "optuna", "pandas",
    "rich._emoji_codes", "scipy.stats", "sklearn.datasets", "tf2onnx.convert",
)  # fmt: skip
METRICS = ("loss", "accuracy")
# A request is one message with the three standard streams.
STREAMS, MESSAGE_BYTES = 3, 128_000
WORKERS = 4  # that a sweep has without importing anything; a test may kill some


def import_everything() -> None:
    """Imports what commands import."""
    import mnist_exp
    from mnist_exp.tracking.mlflow import connection

    tensorflow_setup.ours = True
    tensorflow_setup.tensorflow()
    connection.load()
    with warnings.catch_warnings(action="ignore"):  # theirs
        for name in LIBRARIES:
            importlib.import_module(name)
    for module in pkgutil.walk_packages(mnist_exp.__path__, "mnist_exp."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def warm_up() -> None:
    """Does what is slow the first time: draws, composes, looks for packages, asks a store.

    Nothing of TensorFlow: what it has begun to compute with does not survive a fork.
    """
    from mlflow.utils import requirements_utils

    images = np.zeros((100, 28, 28), np.uint8)
    result = metrics.evaluate(np.eye(10, dtype=np.float32)[np.arange(100) % 10], images[:, 0, 0])
    history = {f"{part}/{name}": [0.5, 0.6] for part in ("train", "val") for name in METRICS}
    history["learning_rate"] = [0.1, 0.1]
    originals = np.zeros((2, 28, 28), np.uint8)
    augmented = np.zeros((2, 3, 28, 28), np.float32)
    figures.draw(figures.Subject(history, result, images, originals, augmented))
    requirements_utils._init_packages_to_modules_map()
    for kind in events.KINDS:
        events._form(kind)
    SweepComposer(Composer(), ["model=mlp,cnn", "seed=0,1"])
    with tempfile.TemporaryDirectory() as folder:
        store = Store(resolve(f"sqlite:///{folder}/mlflow.db"), "mnist")
        start = events.Start(1, "job", "run", "mnist", store.uri, {}, {}, "", None, {})
        store.end_run(store.create_run(start), "FINISHED", 2)
        list(store.search())


def serve(address: str) -> dict[str, Any]:
    """Forks for each request until stdin ends.

    Args:
        address: of the socket to listen on.

    Returns:
        In a fork: the request that it is for.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{address}.new")
    listener.listen(64)
    Path(f"{address}.new").rename(address)  # whoever sees it can connect
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                sys.exit()
            elif key.fileobj is not listener:
                tell_end(selector, key)
                continue
            connection = listener.accept()[0]
            message, streams, *_ = socket.recv_fds(connection, MESSAGE_BYTES, STREAMS)
            process = os.fork()
            if not process:
                for other in selector.get_map().values():
                    if other.data is not None:
                        os.close(other.fd)
                        other.data.close()
                for opened in (listener, connection, selector):
                    opened.close()
                return become(json.loads(message), streams)
            for stream in streams:
                os.close(stream)
            with contextlib.suppress(OSError):  # whoever asked may have been killed meanwhile
                connection.send(str(process).encode())
            selector.register(os.pidfd_open(process), selectors.EVENT_READ, connection)


def tell_end(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Tells whoever asked for a fork how it ended."""
    selector.unregister(key.fileobj)
    ended = os.waitid(os.P_PIDFD, key.fd, os.WEXITED)
    os.close(key.fd)
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    with contextlib.suppress(OSError), key.data:  # nobody may wait for it
        key.data.send(str(code).encode())


def become(request: dict[str, Any], streams: list[int]) -> dict[str, Any]:
    """Makes the fork what a new process would be."""
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    if request["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["-c", *request["arguments"]]
    sys.path[0] = request["folder"]
    np.random.seed(None)  # noqa: NPY002 - forks must not draw the same numbers
    tensorflow_setup.ours = False  # until a command says so
    return request


def fork_what_it_starts(request: dict[str, Any]) -> None:
    """Has a command's own processes forked as well: they would import everything again."""
    sidecar.subprocess = proof.subprocess = AS_SUBPROCESS  # type: ignore[assignment]
    if "-m" in request["arguments"]:
        keep_workers()


def keep_workers() -> None:
    """Forks what become the first processes that a sweep starts, before any thread.

    `multiprocessing` spawns them. They are children of the command, as those would be. When the
    command ends, so do they.
    """
    kept: list[tuple[int, socket.socket]] = []
    for _ in range(WORKERS):
        ours, theirs = socket.socketpair()
        process = os.fork()
        if not process:
            for _, other in kept:
                other.close()
            ours.close()
            os._exit(run_worker(theirs))
        theirs.close()
        kept.append((process, ours))

    def hand_over(program: str, arguments: list[str], descriptors: Sequence[int]) -> int:
        process, ours = kept.pop()
        ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        with ours:
            message = json.dumps([program, arguments, list(descriptors), ignored]).encode()
            socket.send_fds(ours, [message], descriptors)
        return process

    spawn = util.spawnv_passfds

    def spawn_here(path: str, arguments: list[str], descriptors: tuple[int, ...]) -> int:
        if "--multiprocessing-fork" not in arguments or not kept:
            return spawn(path, arguments, descriptors)
        place = arguments.index("-c") + 1
        return hand_over(arguments[place], arguments[place + 1 :], descriptors)

    util.spawnv_passfds = spawn_here  # type: ignore[assignment]


def run_worker(theirs: socket.socket) -> int:
    """Waits for a program, runs it and returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    message, received, *_ = socket.recv_fds(theirs, MESSAGE_BYTES, 16)
    theirs.close()
    if not message:
        return 0
    program, arguments, descriptors, ignored = json.loads(message)
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 1000) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    for wanted, descriptor in zip(descriptors, moved, strict=True):
        os.dup2(descriptor, wanted)  # the program names them by their numbers
        os.close(descriptor)
    if not ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["-c", *arguments]
    return run(program)


def run(program: str | None) -> int:
    """Runs a program, or the command line, as an interpreter does; returns the exit code."""
    code = 0
    try:
        if program is None:
            runpy.run_module("mnist_exp", run_name="__main__", alter_sys=True)
        else:
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 - as the interpreter has it
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    return code


if __name__ == "__main__":
    import_everything()
    empty_store.remember()
    warm_up()
    gc.collect()
    gc.freeze()
    asked = serve(sys.argv[1])
    fork_what_it_starts(asked)
    # Libraries would wait for threads that are not in the fork, if it ended as a process does.
    os._exit(run(asked["code"]))
