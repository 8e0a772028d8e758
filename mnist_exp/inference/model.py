"""The ONNX file of a run, asked with ONNX Runtime: 28x28 pixels -> ten probabilities."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.errors import ExperimentError, reason_of

INPUT, OUTPUT = "pixels", "probabilities"
THRESHOLD = "mnist_exp.threshold"  # in the file's metadata: the least confidence of an answer
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


def runtime() -> Any:
    """Imports ONNX Runtime; it keeps no id of the machine in the home folder, and sends nothing."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


class Model:
    """A classifier that was exported; safe to ask from several threads."""

    def __init__(self, content: bytes) -> None:
        """Loads a model.

        Args:
            content: of an ONNX file with the input `pixels` and the output `probabilities`.

        Raises:
            ExperimentError: ONNX Runtime cannot load it, it names other files, or it gives no ten
                probabilities.
        """
        onnxruntime = runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a digit takes 0.2 ms
        options.log_severity_level = 3
        # A file may say that its weights lie in another. Nothing lies below this one.
        options.add_session_config_entry(_WEIGHTS_FOLDER, os.devnull)
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            properties = self._session.get_modelmeta().custom_metadata_map
            self.threshold = float(properties.get(THRESHOLD, "0"))
            blank = self.probabilities(np.zeros((2, 28, 28), np.uint8))
            if blank.shape != (2, 10) or blank.dtype != np.float32:
                raise ValueError(f"{blank.dtype} {blank.shape} for two images")  # noqa: TRY301
        except Exception as problem:  # ONNX Runtime's errors share no class
            raise ExperimentError(
                "Expected an ONNX model that mnist-exp exported. Received: one that ONNX Runtime "
                f"{onnxruntime.__version__} cannot use so ({reason_of(problem)}). Export it again."
            ) from problem

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Asks the model.

        Args:
            images: uint8 [N, 28, 28], ink bright.

        Returns:
            float32 [N, 10].
        """
        if not len(images):
            return np.empty((0, 10), np.float32)
        answer: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: images})[0]
        return answer
