"""What this machine is and can do: processor, GPU, precision, and the threads of TensorFlow."""

import os
import platform
from typing import Any

from mnist_exp.core import devices, numerics, processor, tensorflow_setup
from mnist_exp.core.errors import RequestError

# Processors with one of these compute in bfloat16, by oneDNN's kernels; else it is imitated, slower
# than float32.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
_BFLOAT16_CAPABILITY, _FLOAT16_CAPABILITY = (8, 0), (7, 0)  # so do GPUs from here on
GPU_VERSIONS = ("driver", "cuda", "cudnn")
_DTYPE_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def resolve_precision(precision: str, device: str) -> str:
    """Returns "float32", "bfloat16" or "float16".

    "auto" follows the compute capability of a GPU, or the processor's flags and kernels, not
    timing.

    Args:
        precision: as the config has it.
        device: see `devices`.
    """
    if precision != "auto":
        return precision
    gpu = devices.gpu(device)
    if gpu is None:
        fast = numerics.onednn() and _BFLOAT16_FLAGS & processor.flags()
        return "bfloat16" if fast else "float32"
    if gpu.capability >= _BFLOAT16_CAPABILITY:
        return "bfloat16"
    return "float16" if gpu.capability >= _FLOAT16_CAPABILITY else "float32"


def is_imitated(precision: str, device: str) -> bool:
    """Tells whether a device computes in a precision by imitation, never faster than float32.

    Args:
        precision: settled.
        device: see `devices`.
    """
    return precision != "float32" and resolve_precision("auto", device) == "float32"


def dtype_policy(precision: str) -> str:
    """Returns the Keras dtype policy that trains in a precision."""
    return _DTYPE_POLICIES[precision]


def start_tensorflow(threads: int | None, device: str) -> int:
    """Imports TensorFlow and sets its threads and its device; a GPU's memory grows as needed.

    Args:
        threads: how many; None for every core.
        device: see `devices`.

    Returns:
        The number of threads.

    Raises:
        RequestError: there is no such device, or TensorFlow runs in this process already, on
            another or with another number of threads.
    """
    wanted = threads or processor.cores()
    tf = tensorflow_setup.tensorflow()
    devices.use(device)
    threading = tf.config.threading
    current = threading.get_intra_op_parallelism_threads() or None
    if current != wanted:
        try:
            threading.set_intra_op_parallelism_threads(wanted)
            threading.set_inter_op_parallelism_threads(wanted)
        except RuntimeError:
            running = current or processor.cores()  # TensorFlow's own choice is every core
            if running != wanted:
                raise RequestError(
                    f"Expected training.threads={running}, because TensorFlow runs in this process "
                    f"already and keeps its threads. Received: {wanted}. Start the run in a "
                    "process of its own."
                ) from None
    return wanted


def system(device: str) -> dict[str, Any]:
    """Returns what a reader needs to know about this machine, as JSON holds it.

    Args:
        device: what computes; see `devices`.
    """
    name, gpu = processor.info().get("model name", platform.processor()), devices.gpu(device)
    versions = {} if gpu is None else {key: getattr(gpu, key) for key in GPU_VERSIONS}
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "device": gpu.name if gpu else name,
        **versions,
        "processor": name,
        "processor_flags": sorted(processor.flags()),
        "cores": processor.cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
    }
