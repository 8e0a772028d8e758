"""What a run left as proof of what it did, read with distrust: a record may come from anybody.

Sizes are limited before anything is read, digests compared, types checked. Nothing in a record is
executed, resolved or followed: a config is plain YAML, predictions are plain arrays.
"""

import contextlib
import hashlib
import io
import json
import re
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core import arrays, plain_yaml
from mnist_exp.core.digits import CLASSES
from mnist_exp.core.errors import RequestError
from mnist_exp.core.text import without_password
from mnist_exp.tracking.mlflow.attempt import first_line
from mnist_exp.tracking.names import ARTIFACTS_TAG, DIGESTS
from mnist_exp.tracking.read.artifacts import OversizeError, read
from mnist_exp.tracking.records import RunRecord

CONFIG = "config/resolved.yaml"
OVERRIDES = "config/overrides.yaml"
PACKAGES = "environment/requirements.txt"
SYSTEM = "environment/system.json"
FILES = "source/sha256sums.txt"
DIFF = "source/diff.patch"
COMPONENTS = "source/components"  # a folder: files of the user's own
PREDICTIONS = "predictions/test.npz"
ONNX = "export/model.onnx"

_TEXT_BYTES = 16 * 2**20
_CONFIG_BYTES = 2**18
_PREDICTIONS_BYTES = 2**28
_ONNX_BYTES = 2**30
_MOST_IMAGES = 1_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INTERPOLATION = re.compile(r"\$\{")


class EvidenceError(RequestError):
    """A run's record is missing, altered, or not what mnist_exp records."""


class Predictions(NamedTuple):
    """What a run said of the test images."""

    labels: NDArray[np.uint8]  # uint8 [N], 0-9: what they show
    digits: NDArray[np.uint8]  # uint8 [N], 0-9: what the run took them for

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which images were recognised, bool [N]."""
        return np.equal(self.labels, self.digits)

    def alone(self, other: "Predictions") -> int:
        """Returns how many images this run recognised and another did not."""
        return int((self.correct & ~other.correct).sum())


class Evidence:
    """The artifacts of one run, each read and checked when it is asked for."""

    def __init__(self, run: RunRecord, uri: str) -> None:
        """Remembers where to look.

        Args:
            run: the run.
            uri: of its store, as `location.resolve` returns it.
        """
        self.run = run
        self._uri = uri
        self.altered: list[str] = []  # what is only shown, and is not what was recorded

    @cached_property
    def config(self) -> dict[str, Any]:
        """The recorded config as nested dicts, lists and scalars; whether it fits is not checked.

        Raises:
            EvidenceError: it is missing, altered, or no plain YAML.
        """
        content = self._content(CONFIG, _CONFIG_BYTES)
        try:
            values = plain_yaml.load(content)
        except ValueError as problem:
            raise self._unfit(CONFIG, "plain YAML", str(problem)) from problem
        if not isinstance(values, dict):
            raise self._unfit(CONFIG, "a mapping of sections", type(values).__name__)
        interpolation = next(_interpolations(values), None)
        if interpolation is not None:
            raise self._unfit(CONFIG, "a resolved config", f"the interpolation {interpolation}")
        return values

    @cached_property
    def predictions(self) -> Predictions:
        """What the run said of its test images.

        Raises:
            EvidenceError: they are missing, altered, or no plain arrays.
        """
        content = self._content(PREDICTIONS, _PREDICTIONS_BYTES)
        try:
            return parse_predictions(content)
        except ValueError as problem:
            expected = "arrays of digits, as NumPy saves them"
            raise self._unfit(PREDICTIONS, expected, first_line(problem)) from problem

    @cached_property
    def onnx(self) -> bytes:
        """The ONNX model as bytes; it is data, and runs nothing but arithmetic.

        Raises:
            EvidenceError: it is missing or altered.
        """
        return self._content(ONNX, _ONNX_BYTES)

    def overrides(self) -> list[str]:
        """Returns the overrides that were typed, if they are known."""
        try:
            values = plain_yaml.load(self._shown(OVERRIDES))
        except ValueError:  # these only inform
            return []
        known = values if isinstance(values, list) else []
        return [text for text in known if isinstance(text, str)]

    def packages(self) -> dict[str, str]:
        """Returns name -> version of the packages that were installed; empty where unknown."""
        pairs = (line.partition("==") for line in self._shown(PACKAGES).splitlines())
        return {name: version for name, sign, version in pairs if sign}

    def system(self) -> dict[str, Any]:
        """Returns what is known of the machine; empty where nothing is."""
        try:
            found = json.loads(self._shown(SYSTEM) or "{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def files(self) -> dict[str, str]:
        """Returns path -> SHA-256 of the code that ran; empty for runs of older versions."""
        return _digest_lines(self._shown(FILES))

    def components(self, name: str) -> str:
        """Returns the text of a file of components that the run had.

        Args:
            name: of the file, as its tag has it.

        Raises:
            EvidenceError: it is missing or altered.
        """
        path = f"{COMPONENTS}/{name}"
        if path not in self._digests:  # a tag may name any
            raise self._unfit(path, "a recorded file", "none")
        return self._content(path, _TEXT_BYTES).decode(errors="replace")

    def diff(self) -> str:
        """Returns what the code had besides its commit, as a patch; empty where nothing."""
        return self._shown(DIFF)

    def _shown(self, path: str) -> str:
        """Returns a text that only informs; one that is gone or altered is noted, gone is empty."""
        content = b""
        with contextlib.suppress(EvidenceError):
            content = self._read(path, _TEXT_BYTES, self._digests.get(path, ""))
        with contextlib.suppress(EvidenceError):  # without digests nothing is known of it
            if not self._as_recorded(path, content) and path not in self.altered:
                self.altered.append(path)
        return content.decode(errors="replace")

    def _content(self, path: str, limit_bytes: int) -> bytes:
        """Returns an artifact that something is decided by: it must be what was recorded."""
        content = self._read(path, limit_bytes, self._digests.get(path, ""))
        if not self._as_recorded(path, content):
            received = f"another file, with SHA-256 {hashlib.sha256(content).hexdigest()}"
            raise self._unfit(path, f"the file with SHA-256 {self._digests[path]}", received)
        return content

    def _read(self, path: str, limit_bytes: int, sha256: str) -> bytes:
        try:
            return read(self.run, path, self._uri, limit_bytes=limit_bytes, sha256=sha256)
        except FileNotFoundError as problem:
            raise EvidenceError(
                f"Expected the artifact {path} of run {self.run.name} in "
                f"{without_password(self.run.artifact_uri)}. Received: no such file. Restore that "
                "folder, or train the run again; a sweep runs its jobs again with sweep.rerun=all."
            ) from problem
        except OversizeError as problem:
            raise self._unfit(path, "a file of mnist_exp's", str(problem)) from problem
        except RequestError as problem:
            raise EvidenceError(f"Run {self.run.name}: {problem}") from problem
        except Exception as problem:
            raise EvidenceError(
                f"Expected to read the artifact {path} of run {self.run.name} from "
                f"{without_password(self.run.artifact_uri)}. Received: {first_line(problem)}."
            ) from problem

    def _as_recorded(self, path: str, content: bytes) -> bool:
        expected = self._digests.get(path)
        return expected is None or hashlib.sha256(content).hexdigest() == expected

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Path -> SHA-256 as the run recorded them; runs of older versions have none."""
        expected = self.run.tags.get(ARTIFACTS_TAG)
        if expected is None:
            return {}
        content = self._read(DIGESTS, _TEXT_BYTES, expected if _is_digest(expected) else "")
        if hashlib.sha256(content).hexdigest() != expected:
            raise self._unfit(DIGESTS, f"the file with SHA-256 {expected}", "another file")
        return _digest_lines(content.decode(errors="replace"))

    def _unfit(self, path: str, expected: str, received: str) -> EvidenceError:
        return EvidenceError(
            f"Expected the artifact {path} of run {self.run.name} to be {expected}. Received: "
            f"{received}. The record was altered or damaged; restore it, or choose another run."
        )


def _interpolations(node: Any) -> Any:
    """Yields the texts in nested values, keys too, that OmegaConf would resolve."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _interpolations(key)
            yield from _interpolations(value)
    elif isinstance(node, list):
        for value in node:
            yield from _interpolations(value)
    elif isinstance(node, str) and _INTERPOLATION.search(node):
        yield node


def parse_predictions(content: bytes) -> Predictions:
    """Returns what a file of predictions holds.

    Args:
        content: of an `.npz` file.

    Raises:
        ValueError: it is none, or does not hold a digit for each label.
    """
    names = ("labels", "predictions")
    found = arrays.read(io.BytesIO(content), names, most_bytes=len(names) * _MOST_IMAGES)
    labels, digits = (_digits(found[name], name) for name in names)
    if len(labels) != len(digits):
        raise ValueError(f"{len(labels)} labels and {len(digits)} predictions")
    return Predictions(labels, digits)


def _digits(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if values.dtype != np.uint8 or values.ndim != 1 or not len(values):
        raise ValueError(f"{name} of type {values.dtype} and shape {values.shape}")
    if values.max() >= CLASSES:
        raise ValueError(f"{name} that are not {len(values)} digits")
    return values


def _digest_lines(text: str) -> dict[str, str]:
    """Returns path -> SHA-256 of the lines that `sha256sum` writes."""
    pairs = (line.partition("  ") for line in text.splitlines())
    return {path: sha256 for sha256, _, path in pairs if _is_digest(sha256)}


def _is_digest(text: str) -> bool:
    return bool(_SHA256.fullmatch(text))
