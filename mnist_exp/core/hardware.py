"""What this machine is and can do: processor, GPU, precision, and the threads of TensorFlow."""

import os
import platform
from typing import Any

from mnist_exp.core import devices, processor, tensorflow_setup
from mnist_exp.core.errors import RequestError

# Processors with one of these compute in bfloat16; others imitate it, slower than float32.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
_BFLOAT16_CAPABILITY = (8, 0)  # so do GPUs from here on
_DTYPE_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def resolve_precision(precision: str) -> str:
    """Returns "float32" or "bfloat16".

    "auto" follows the GPU's compute capability, without a GPU the processor's flags, not timing.
    """
    if precision != "auto":
        return precision
    gpu = devices.first()
    if gpu is not None:
        return "bfloat16" if gpu.capability >= _BFLOAT16_CAPABILITY else "float32"
    return "bfloat16" if _BFLOAT16_FLAGS & processor.flags() else "float32"


def dtype_policy(precision: str) -> str:
    """Returns the Keras dtype policy that trains in a precision."""
    return _DTYPE_POLICIES[precision]


def start_tensorflow(threads: int | None) -> int:
    """Imports TensorFlow and sets its threads; memory of GPUs grows as needed.

    Args:
        threads: how many; None for every core.

    Returns:
        The number of threads.

    Raises:
        RequestError: TensorFlow runs in this process already, with another number.
    """
    wanted = threads or processor.cores()
    tf = tensorflow_setup.tensorflow()
    devices.let_memory_grow()
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


def system() -> dict[str, Any]:
    """Returns what a reader needs to know about this machine, as JSON holds it."""
    name, gpu = processor.info().get("model name", platform.processor()), devices.first()
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "device": gpu.name if gpu else name,  # what computes
        "processor": name,
        "processor_flags": sorted(processor.flags()),
        "cores": processor.cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
    }
