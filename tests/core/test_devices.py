"""GPUs, pretended: which CUDA would give, and what is done with those that TensorFlow lists."""

import pytest
import tensorflow as tf
from invoke import python

from mnist_exp.core import devices, hardware, processor


@pytest.fixture
def gpus(monkeypatch):
    """Has TensorFlow list GPUs of a compute capability; returns those whose memory grows."""
    growing = []

    def pretend(*capabilities):
        def details(gpu):
            return {"device_name": f"GPU {gpu}", "compute_capability": capabilities[gpu]}

        numbers = list(range(len(capabilities)))
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: numbers)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
        return growing

    def set_growth(gpu, enable):
        assert enable
        growing.append(gpu)
        if gpu == 0:
            raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setenv(devices.VARIABLE, "0,1")
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_growth)
    return pretend


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("0", ["0"]),
        ("2, 0", ["2", "0"]),
        ("", []),
        ("-1", []),
        ("1,-1,0", ["1"]),
        ("NoDevFiles", []),
        ("0,,1", ["0"]),
        ("0,one,1", ["0"]),
        ("GPU-8f2a,MIG-8f2a/1/0", ["GPU-8f2a", "MIG-8f2a/1/0"]),
    ],
)
def test_cuda_visible_devices_is_read_up_to_what_names_no_gpu(
    monkeypatch, tmp_path, named, expected
):
    monkeypatch.setattr(devices, "_DRIVER", tmp_path / "absent")
    monkeypatch.setenv(devices.VARIABLE, named)
    assert devices.visible() == expected


def test_the_driver_has_a_folder_for_each_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_DRIVER", tmp_path / "gpus")
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    assert devices.visible() == []
    for name in ("0000:01:00.0", "0000:41:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    assert devices.visible() == ["0", "1"]
    monkeypatch.setenv(devices.VARIABLE, "1,2,0")  # no GPU has the number 2
    assert devices.visible() == ["1"]


@pytest.mark.parametrize(
    ("capability", "precision"), [((8, 0), "bfloat16"), ((9, 0), "bfloat16"), ((7, 5), "float32")]
)
def test_auto_is_what_the_first_gpu_computes_in(gpus, monkeypatch, capability, precision):
    gpus(capability, (1, 0))
    for flags in (set(), {"amx_bf16"}):
        monkeypatch.setattr(processor, "flags", lambda flags=flags: flags)
        assert hardware.resolve_precision("auto") == precision
    assert hardware.resolve_precision("float32") == "float32"


def test_without_a_gpu_that_tensorflow_lists_the_processor_decides(gpus, monkeypatch):
    gpus()
    monkeypatch.setattr(processor, "flags", lambda: {"amx_bf16"})
    assert hardware.resolve_precision("auto") == "bfloat16"
    monkeypatch.setattr(processor, "flags", set)
    assert hardware.resolve_precision("auto") == "float32"


def test_the_device_in_the_record_is_the_gpu_else_the_processor(gpus, monkeypatch):
    gpus((8, 0), (8, 0))
    system = hardware.system()
    assert system["device"] == "GPU 0"
    monkeypatch.setenv(devices.VARIABLE, "")
    assert hardware.system() == system | {"device": system["processor"]}


def test_memory_grows_on_every_gpu_and_an_error_of_one_that_has_begun_is_none(gpus, monkeypatch):
    growing = gpus((8, 0), (8, 0))
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    hardware.start_tensorflow(threads)
    assert growing == [0, 1]
    monkeypatch.setenv(devices.VARIABLE, "")
    hardware.start_tensorflow(threads)
    assert growing == [0, 1]


def test_without_a_visible_gpu_nobody_asks_tensorflow():
    code = """
import os, sys
os.environ["CUDA_VISIBLE_DEVICES"] = sys.argv[1]
from mnist_exp.core import hardware, processor
hardware.resolve_precision("auto"), hardware.system()
print("tensorflow" in sys.modules)
"""
    for named, asked in (("", "False"), ("0", "True")):
        assert python(code, named, fresh=True, check=True).stdout == f"{asked}\n"
