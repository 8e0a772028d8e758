"""An ONNX file of another form is refused when it is loaded, in words."""

import os

import numpy as np
import pytest
from invoke import python
from onnx import TensorProto, helper, numpy_helper

from mnist_exp.core.errors import ExperimentError
from mnist_exp.inference import Model


def classifier(outputs=10, batch="N"):
    """Returns an ONNX file, uint8 [batch, 28, 28] -> float32 [batch, outputs]."""
    weights = np.ones((784, outputs), np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [batch, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, outputs])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_ten_probabilities_for_each_image():
    model = Model(classifier())
    assert model.probabilities(np.ones((3, 28, 28), np.uint8)).tolist() == [[784.0] * 10] * 3
    assert model.probabilities(np.ones((0, 28, 28), np.uint8)).shape == (0, 10)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (classifier(outputs=5), r"\(2, 5\) for two images"),
        (classifier(batch=1), "invalid dimensions"),
        (b"no model", "ONNX Runtime"),
    ],
    ids=["five", "one image", "none"],
)
def test_a_model_of_another_form_is_refused(content, received):
    with pytest.raises(ExperimentError, match=received):
        Model(content)


def test_the_runtime_leaves_nothing_in_the_home_folder_and_does_not_complain(tmp_path):
    (tmp_path / "file").touch()
    for home in (tmp_path / "home", tmp_path / "file"):
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""}
        code = "from mnist_exp.inference import model; model.runtime()"
        done = python(code, env=environment, fresh=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")
    assert not list((tmp_path / "home").iterdir())
