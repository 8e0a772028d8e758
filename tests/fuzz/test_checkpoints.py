"""Checkpoints: damaged, and altered with a SHA-256 that fits."""

import hashlib
import io
import json
import zipfile

import numpy as np
from fuzzing import BEYOND, VALUES, altered, cases, mutated, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.core.errors import ExperimentError
from mnist_exp.training import checkpoint

PLAIN = {"epoch": 2, "seconds": 1.5, "best_epoch": 1, "history": {"loss": [0.5, 0.25]}}
ARRAYS = {f"{name}.0": np.ones((2, 3), np.float32) for name in checkpoint._ARRAYS}


def archive(plain, **arrays) -> bytes:
    content = io.BytesIO()
    np.savez(content, state=np.array(json.dumps(plain)), **arrays)
    return content.getvalue()


def compressed(header: str, data: bytes) -> bytes:
    """Returns an archive with one array whose header says anything."""
    text = header.encode() + b"\n"
    content = io.BytesIO(WHOLE)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
        file.writestr("weights.1.npy", array)
    return content.getvalue()


WHOLE = archive(PLAIN, **ARRAYS)
HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d,)}"


def sealed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


@cases(10_000)
@given(
    st.binary(max_size=200)
    | (mutated(WHOLE) | (VALUES | altered(PLAIN)).map(archive)).map(sealed)
    | mutated(sealed(WHOLE))
)
@example(sealed(compressed(HUGE % 2**40, b"")))
@example(sealed(compressed(HUGE % len(BEYOND), BEYOND)))
@example(sealed(archive(PLAIN | {"epoch": 2**62, "history": {}})))
@example(sealed(archive(PLAIN | {"epoch": 3})))
@example(sealed(archive(PLAIN | {"seconds": "long"})))
def test_any_bytes(sealed_environment, content):
    file = sealed_environment / "last.npz"
    file.write_bytes(content)
    with watched(sealed_environment, ExperimentError):
        loaded = checkpoint.load(file)
        assert all(isinstance(value, float) for v in loaded.epochs.values() for value in v.values())
        state = loaded.state
        assert isinstance(state.epoch, int)
        assert isinstance(state.seconds, int | float)
        state.chosen(best=True)


def test_what_is_not_mutated_is_read(sealed_environment):
    file = sealed_environment / "last.npz"
    file.write_bytes(sealed(WHOLE))
    assert checkpoint.load(file).epochs == {1: {"loss": 0.5}, 2: {"loss": 0.25}}
