"""Overrides: whatever they are, `train --cfg job` shows a config or says what is wrong."""

import contextlib
import io

import pytest
from fuzzing import TEXTS, cases, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.cli import execute
from mnist_exp.config.keys import schema_keys

KEYS = st.sampled_from(
    [*schema_keys(), "experiment", "search", "hydra/launcher", "hydra.run.dir", "hydra.searchpath",
     "hydra", "_target_", "model._target_", "defaults", "model@data", "a/b", ""]
)  # fmt: skip
VALUES = TEXTS | st.sampled_from(
    ["cnn", "[1,2]", "{a: 1}", "choice(1,2)", "range(0,3)", "tag(log,interval(0.1,1))", "1,2",
     "${oc.env:HOME}", "${model}", "${model.name}", "${hydra:run.dir}", "???", "glob(*)",
     "${oc.create:{a: 1}}", "${oc.decode:'${a}'}", "'a\"", "\\", "[[[1]]]", "shuffle(1)", "int(1)",
     "sort(2,1)", "extend_list(1)", "null", "{}", "[]", "{_target_: os.system}"]
)  # fmt: skip
MARKS = st.sampled_from(["", "", "", "", "+", "++", "~"])
OVERRIDES = st.builds(lambda *parts: "".join(parts), MARKS, KEYS, st.just("="), VALUES) | TEXTS
ARGUMENTS = st.lists(OVERRIDES, min_size=1, max_size=3)


def shown(words, said):
    """Runs `train --cfg job`, and returns its exit code."""
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return execute(["train", "--cfg", "job", *words])


@pytest.fixture(scope="module")
def warm():
    """Hydra, with its plugins imported: no case has to."""
    assert shown([], io.StringIO()) == 0
    assert shown(["model=ccn", "="], io.StringIO()) == 2


@pytest.mark.usefixtures("warm")
@cases(1_000)
@given(ARGUMENTS, st.booleans())
@example(["model=cnn", "seed=3"], True)
@example([f"seed={'9' * 5000}"], False)
@example(["model=[[[1]]]"], False)
@example(["seed=1", "[" * 2000], False)
@example([f"seed={'[' * 2000}"], False)
@example([f"model={'x' * 5000}"], False)
@example(["seed= ", ""], False)
@example(["hydra.run.dir=${hydra:run.dir}", "="], True)
@example(["+="], False)
@example(["~hydra={_target_: os.system}"], False)
def test_any_overrides(sealed_environment, overrides, resolve):
    words = [text for text in overrides if not text.startswith("-")]
    said = io.StringIO()
    with watched(sealed_environment):
        code = shown([*(["--resolve"] if resolve else []), *words], said)
    assert code in {0, 2}, said.getvalue()
    assert not list(sealed_environment.iterdir())
