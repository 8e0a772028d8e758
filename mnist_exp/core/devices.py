"""What a run computes on, the processor or one GPU, as TensorFlow has it.

A device is "cpu" or "gpu:N", N counting from 0 the GPUs that the process may use; "auto" is the
first GPU, else the processor. TensorFlow is imported only where `cuda.visible` names a GPU.
"""

import contextlib
import re
from typing import Any, NamedTuple

from mnist_exp.core import cuda, tensorflow_setup
from mnist_exp.core.errors import RequestError
from mnist_exp.core.text import counted

AUTO, CPU = "auto", "cpu"
_FIRST_GPU = "gpu:0"
_GPU = re.compile(r"gpu:([0-9]{1,3})")


class Gpu(NamedTuple):
    """What TensorFlow knows of a GPU."""

    name: str
    capability: tuple[int, int]  # CUDA's compute capability; (0, 0) where it is not known
    driver: str
    cuda: str  # the version that TensorFlow was built for
    cudnn: str  # likewise


def usable() -> list[Any]:
    """Returns TensorFlow's GPUs; without CUDA's libraries it has none."""
    if not cuda.visible():
        return []
    found: list[Any] = tensorflow_setup.tensorflow().config.list_physical_devices("GPU")
    return found


def resolve(device: str) -> str:
    """Returns a device with "auto" replaced by what it comes to here."""
    if device != AUTO:
        return device
    return _FIRST_GPU if usable() else CPU


def here(device: str) -> str:
    """Returns a device of a record where this machine has it, else "auto"."""
    return device if device == CPU or _at(device) is not None else AUTO


def require(device: str) -> None:
    """Checks that a device is there.

    Raises:
        RequestError: it is not.
    """
    if device not in (AUTO, CPU) and _at(device) is None:
        found = counted(len(usable()), "GPU") if usable() else "no GPU"
        raise RequestError(
            "Expected training.device=auto, cpu, or gpu:N with N counting from 0 the GPUs that "
            f"TensorFlow can use. Received: {device}, with {found} that it can use."
        )


def gpu(device: str) -> Gpu | None:
    """Returns the GPU of a device; None of the processor and of a GPU that is not there."""
    physical = _at(resolve(device))
    if physical is None:
        return None
    tf = tensorflow_setup.tensorflow()
    details = tf.config.experimental.get_device_details(physical)
    built = tf.sysconfig.get_build_info()
    return Gpu(
        details.get("device_name", "GPU"),
        details.get("compute_capability", (0, 0)),
        cuda.driver(),
        str(built.get("cuda_version", "none")),
        str(built.get("cudnn_version", "none")),
    )


def use(device: str) -> None:
    """Has TensorFlow compute on a device, and take a GPU's memory as it needs it.

    Raises:
        RequestError: there is no such device, or TensorFlow computes on another already.
    """
    device = resolve(device)
    require(device)
    if not usable():
        return
    config = tensorflow_setup.tensorflow().config
    wanted = [] if device == CPU else [_at(device)]
    try:
        config.set_visible_devices(wanted, "GPU")
    except RuntimeError:  # it has begun
        if config.get_visible_devices("GPU")[:1] != wanted:
            raise RequestError(
                "Expected the device that TensorFlow computes on in this process already. "
                f"Received: training.device={device}. Start the run in a process of its own."
            ) from None
    for each in wanted:
        with contextlib.suppress(RuntimeError, ValueError):  # it has begun, or a program chose
            config.experimental.set_memory_growth(each, True)


def _at(device: str) -> Any:
    """Returns TensorFlow's GPU of a device; None where it has none."""
    found = _GPU.fullmatch(device)
    gpus = usable() if found else []
    return gpus[int(found[1])] if found and int(found[1]) < len(gpus) else None
