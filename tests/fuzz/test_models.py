"""Models of others: ONNX files, and folders of logged models before Keras opens them."""

import json

import numpy as np
import onnx
import pytest
import yaml
from fuzzing import TEXTS, VALUES, altered, cases, mutated, watched
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import helper

from mnist_exp.core.errors import ExperimentError
from mnist_exp.inference.model import INPUT, OUTPUT, THRESHOLD, Model, runtime
from mnist_exp.tracking.mlflow.logged_model import require_as_saved

WEIGHTS = np.ones((784, 10), np.float32)


def model(weights: onnx.TensorProto, **metadata: str) -> bytes:
    """Returns an ONNX file of one layer."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["N", 10])],
        [weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, metadata)
    return made.SerializeToString()


def elsewhere(place: str) -> bytes:
    """Returns an ONNX file whose weights lie in another file."""
    weights = onnx.TensorProto(name="weights", data_type=onnx.TensorProto.FLOAT, dims=[784, 10])
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    return model(weights)


WHOLE = model(onnx.numpy_helper.from_array(WEIGHTS, "weights"), **{THRESHOLD: "0.5"})


@cases(6_000)
@given(st.binary(max_size=200) | mutated(WHOLE, WHOLE[:300], WHOLE[-600:]))
@example(WHOLE)
def test_onnx_files(sealed_environment, content):
    runtime()  # imported
    with watched(sealed_environment, ExperimentError, mebibytes=1024):
        answer = Model(content).probabilities(np.zeros((3, 28, 28), np.uint8))
        assert answer.shape == (3, 10)


@pytest.mark.parametrize("place", ["weights.bin", "../work/weights.bin"])
def test_an_onnx_file_takes_its_weights_from_no_other_file(sealed_environment, place):
    (sealed_environment / place).write_bytes(WEIGHTS.tobytes())
    with pytest.raises(ExperimentError, match="External data"):
        Model(elsewhere(place))


MLMODEL = {
    "flavors": {
        "keras": {"data": "data", "keras_backend": "tensorflow"},
        "python_function": {"loader_module": "mlflow.keras", "env": {"conda": "conda.yaml"}},
    },
    "utc_time_created": "2026-11-22 10:00:00",
}
TEXT = yaml.safe_dump(MLMODEL).encode()


@cases(4_000)
@given(
    mutated(TEXT)
    | (VALUES | altered(MLMODEL)).map(lambda values: yaml.dump(values).encode())
    | TEXTS.map(lambda text: text.encode(errors="replace")),
    TEXTS | st.just("keras"),
)
@example(TEXT, "keras")
@example(
    b"a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 9)
    )
    + b"flavors: {keras: {data: *a8}, python_function: {loader_module: mlflow.keras}}\n",
    "keras",
)
def test_folders_of_logged_models(sealed_environment, description, module):
    (sealed_environment / "data").mkdir(exist_ok=True)
    (sealed_environment / "data" / "model.keras").touch()
    (sealed_environment / "data" / "keras_module.txt").write_bytes(module.encode(errors="replace"))
    (sealed_environment / "MLmodel").write_bytes(description)
    with watched(sealed_environment, ValueError):
        require_as_saved(sealed_environment)
        assert module.strip() == "keras"
        json.dumps(yaml.safe_load(description), default=str)
