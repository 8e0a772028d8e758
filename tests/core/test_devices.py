"""GPUs, pretended: which CUDA would give, and what is done with those that TensorFlow lists."""

import pytest
import tensorflow as tf
from invoke import python

from mnist_exp.core import cuda, devices, hardware, processor
from mnist_exp.core.errors import RequestError


class Pretended:
    """What TensorFlow is asked of GPUs, and what it is told to do with them."""

    def __init__(self, monkeypatch):
        self.capabilities, self.growing, self.visible, self.has_begun = [], [], None, False
        config, experimental = tf.config, tf.config.experimental
        for module, name in (
            (config, "list_physical_devices"),
            (config, "set_visible_devices"),
            (config, "get_visible_devices"),
            (experimental, "get_device_details"),
            (experimental, "set_memory_growth"),
        ):
            monkeypatch.setattr(module, name, getattr(self, name))
        monkeypatch.setenv(cuda.VARIABLE, "0,1")

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return list(range(len(self.capabilities)))

    def get_device_details(self, gpu):
        return {"device_name": f"GPU {gpu}", "compute_capability": self.capabilities[gpu]}

    def set_visible_devices(self, gpus, kind):
        if self.has_begun:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = gpus

    def get_visible_devices(self, kind):
        return self.list_physical_devices(kind) if self.visible is None else self.visible

    def set_memory_growth(self, gpu, enable):
        assert enable
        if self.has_begun:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        self.growing.append(gpu)


@pytest.fixture
def gpus(monkeypatch):
    """Has TensorFlow list two GPUs, of capability 8.0."""
    pretended = Pretended(monkeypatch)
    pretended.capabilities = [(8, 0), (8, 0)]
    return pretended


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
    monkeypatch.setattr(cuda, "_DRIVER", tmp_path / "absent")
    monkeypatch.setenv(cuda.VARIABLE, named)
    assert cuda.visible() == expected


def test_the_driver_has_a_folder_for_each_gpu_and_says_its_version(monkeypatch, tmp_path):
    monkeypatch.setattr(cuda, "_DRIVER", tmp_path)
    monkeypatch.delenv(cuda.VARIABLE, raising=False)
    assert cuda.visible() == []
    assert cuda.driver() == "unknown"
    for name in ("0000:01:00.0", "0000:41:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    assert cuda.visible() == ["0", "1"]
    monkeypatch.setenv(cuda.VARIABLE, "1,2,0")  # no GPU has the number 2
    assert cuda.visible() == ["1"]
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Wed Jan 15 2025\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
    )
    assert cuda.driver() == "570.86.15"


def test_auto_is_the_first_gpu_that_tensorflow_lists_else_the_processor(gpus, monkeypatch):
    assert devices.resolve("auto") == "gpu:0"
    assert devices.resolve("cpu") == "cpu"
    assert devices.resolve("gpu:1") == "gpu:1"
    gpus.capabilities = []
    assert devices.resolve("auto") == "cpu"
    gpus.capabilities = [(8, 0)]
    monkeypatch.setenv(cuda.VARIABLE, "")
    assert devices.resolve("auto") == "cpu"


def test_a_device_of_a_record_is_taken_where_it_is_there(gpus):
    assert [devices.here(name) for name in ("cpu", "gpu:1", "gpu:2", "tpu:0", "")] == [
        "cpu",
        "gpu:1",
        "auto",
        "auto",
        "auto",
    ]


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((8, 0), "bfloat16"), ((9, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")],
)
def test_auto_is_what_the_gpu_computes_in(gpus, monkeypatch, capability, precision):
    gpus.capabilities = [capability, (1, 0)]
    for flags in (set(), {"amx_bf16", "avx2"}):
        monkeypatch.setattr(processor, "flags", lambda flags=flags: flags)
        assert hardware.resolve_precision("auto", "auto") == precision
        assert hardware.resolve_precision("auto", "gpu:1") == "float32"
    assert hardware.resolve_precision("auto", "cpu") == "bfloat16"
    assert hardware.resolve_precision("float32", "auto") == "float32"
    assert hardware.is_imitated("bfloat16", "auto") == (precision == "float32")
    assert hardware.is_imitated("bfloat16", "gpu:1")
    assert not hardware.is_imitated("float32", "gpu:1")


@pytest.mark.parametrize(
    ("flags", "onednn", "precision"),
    [
        ({"amx_bf16", "avx2"}, "1", "bfloat16"),
        ({"amx_bf16", "avx2"}, "0", "float32"),
        ({"avx2"}, "1", "float32"),
        (set(), None, "float32"),
    ],
)
def test_without_a_gpu_the_processor_and_its_kernels_decide(flags, onednn, precision):
    # A process that has imported TensorFlow has its kernels already.
    code = f"""
import os
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
{"" if onednn is None else f'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "{onednn}"'}
from mnist_exp.core import hardware, processor
processor.flags = lambda: {flags}
print(hardware.resolve_precision("auto", "auto"))
"""
    assert python(code, fresh=True, check=True).stdout == f"{precision}\n"


def test_the_device_in_the_record_is_the_gpu_else_the_processor(gpus):
    system = hardware.system("gpu:1")
    assert system["device"] == "GPU 1"
    assert {"driver", "cuda", "cudnn"} < system.keys()
    on_processor = hardware.system("cpu")
    assert on_processor["device"] == system["processor"]
    assert system == on_processor | {
        name: system[name] for name in ("device", "driver", "cuda", "cudnn")
    }


def start(device):
    hardware.start_tensorflow(
        tf.config.threading.get_intra_op_parallelism_threads() or None, device
    )


@pytest.mark.parametrize(("device", "seen"), [("auto", [0]), ("gpu:1", [1]), ("cpu", [])])
def test_tensorflow_sees_one_device_whose_memory_grows(gpus, device, seen):
    start(device)
    assert gpus.visible == gpus.growing == seen


def test_a_process_keeps_the_device_that_it_computes_on(gpus):
    gpus.has_begun = True  # a program imported TensorFlow: it computes on the first
    start("gpu:0")
    for device in ("gpu:1", "cpu"):
        with pytest.raises(RequestError, match=f"Received: training.device={device}"):
            start(device)
    gpus.visible = []
    start("cpu")
    with pytest.raises(RequestError, match="in a process of its own"):
        start("auto")


def test_a_gpu_that_is_not_there_is_refused(gpus):
    with pytest.raises(RequestError, match=r"Received: gpu:2, with 2 GPUs"):
        devices.require("gpu:2")
    gpus.capabilities = []
    with pytest.raises(RequestError, match=r"Received: gpu:0, with no GPU"):
        devices.require("gpu:0")
    for device in ("auto", "cpu"):
        devices.require(device)


def test_without_a_visible_gpu_nobody_asks_tensorflow():
    code = """
import os, sys
os.environ["CUDA_VISIBLE_DEVICES"] = sys.argv[1]
from mnist_exp.core import hardware, processor
hardware.resolve_precision("auto", "auto"), hardware.system("auto")
print("tensorflow" in sys.modules, os.environ.get("TF_DETERMINISTIC_OPS"))
"""
    for named, asked in (("", "False None"), ("0", "True 1")):
        assert python(code, named, fresh=True, check=True).stdout == f"{asked}\n"
