"""The code of then: a recorded commit in a temporary git worktree, and a run by it.

That code is used by its command line alone, which is a promise between versions; the config goes
in as overrides of every key that determines the result.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnist_exp.config import places
from mnist_exp.config.identity import NOT_THE_RESULT, determines
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.runs.recorded_config import COMMIT, GROUPS, section
from mnist_exp.runs.source_code import PACKAGE
from mnist_exp.tracking.read.evidence import Evidence, EvidenceError

_KEY = re.compile(r"[a-z]\w*")
_SECTIONS = ("seed", "metrics", "ensemble", *GROUPS)
# What is a matter of this machine, and what it is where the code of then has no such key.
_LOCAL = (("data", "root", None), ("training", "device", "auto"), ("training", "threads", None))
# Hooks are programs; a worktree that is thrown away needs none.
_GIT = ("git", "-c", "core.hooksPath=/dev/null", "-C")
_STOP_SECONDS = 60.0


@contextmanager
def checked_out(evidence: Evidence, commit: str, *, apply_diff: bool) -> Iterator[Path]:
    """Makes a worktree of a commit, and removes it.

    Args:
        evidence: of the run.
        commit: that it recorded.
        apply_diff: whether to apply the recorded changes to it.

    Yields:
        The folder.

    Raises:
        RequestError: there is no such commit here, or the changes do not fit it.
    """
    repository = PACKAGE.parent
    if not COMMIT.fullmatch(commit):
        raise RequestError(
            f"Expected a run whose code was a git commit, with --worktree. Received: "
            f"{evidence.run.name}, which recorded {commit!r}. Leave --worktree out."
        )
    if _git(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise RequestError(
            f"Expected the commit {commit} in the repository of this mnist-exp. Received: none "
            "such. Fetch it from where the run was made, or leave --worktree out."
        )
    with tempfile.TemporaryDirectory(prefix="mnist_exp-") as folder:
        tree = Path(folder, "code")
        try:
            _must(_git(repository, "worktree", "add", "--detach", str(tree), commit))
            if apply_diff:
                _apply(tree, evidence.diff())
            yield tree
        finally:
            _git(repository, "worktree", "remove", "--force", str(tree))


def overrides_of(
    config: Mapping[str, Any], choices: Mapping[str, str], local: Mapping[str, Any], tree: Path
) -> list[str]:
    """Returns overrides that make another version compose a recorded config.

    Args:
        config: as recorded.
        choices: the option of each group, as far as it is known.
        local: nested values for what is a matter of this machine.
        tree: the code that composes; options that it lacks are left to their components.

    Raises:
        EvidenceError: the config has keys that no version has, or that are no part of what
            determines the result.
    """
    groups, values = [], []
    folders = (tree / "conf", *places.config_folders())
    for name, content in config.items():
        part = str(name)
        if NOT_THE_RESULT.get(part) is True:
            continue
        if part not in _SECTIONS:  # such as `hydra`, or `tracking.uri` in one word
            raise EvidenceError(f"Expected sections of a config in the record. Received: {name!r}.")
        if not isinstance(content, Mapping):
            if content != []:  # which is what a commit does that has no such key
                values.append(_override(part, content))
            continue
        option = choices.get(part, "")
        if not any((folder / part / f"{option}.yaml").is_file() for folder in folders):
            option = str(content.get("name", ""))
        if _KEY.fullmatch(option):
            groups.append(_override(part, option))
        values += [
            _override(key, value, part)
            for key, value in content.items()
            if key != "name" and determines(f"{part}.{key}")
        ]
    values += [
        _override(key, value, name)
        for name, key, usual in _LOCAL
        if (value := local[name].get(key)) is not None
        and (value != usual or key in section(config, name))
    ]
    return [*groups, *values]


def run(tree: Path, overrides: Sequence[str], job_dir: Path) -> None:
    """Runs an experiment by the code in a worktree, with the packages of now.

    Args:
        tree: the code.
        overrides: of its configs.
        job_dir: for the run.

    Raises:
        ExperimentError: it failed; stderr says why.
    """
    arguments = ["train", *places.flags, *overrides, f"hydra.run.dir={_quoted(str(job_dir))}"]
    # -P: the code must not come from the working folder, which may be a checkout of another time.
    command = [sys.executable, "-P", "-m", "mnist_exp", *arguments]
    # The command is this Python with the code of a commit of the user's own repository.
    with _started(command[0]):
        child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(tree)})  # noqa: S603
    try:
        code = child.wait()
    except BaseException:  # a stop: Ctrl-C reaches the child too, SIGTERM does not
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()  # its code is about to go
            child.wait()
        raise
    if code:
        raise ExperimentError(
            f"Expected the code of then to run the experiment again. It ended with exit code "
            f"{code}; what it printed above says why."
        )


def _override(key: Any, value: Any, section: str = "") -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise EvidenceError(f"Expected keys of a config in the record. Received: {key!r}.")
    whole = f"{section}.{key}" if section else key
    return f"{whole}={_quoted(value) if isinstance(value, str) else json.dumps(value)}"


def _quoted(text: str) -> str:
    """Returns text as Hydra's grammar takes it for a string."""
    if re.fullmatch(r"[A-Za-z_][\w/.-]*", text):
        return text
    return "'" + re.sub(r"(\\*)'", r"\1\1\'", text) + "'"


def _apply(tree: Path, patch: str) -> None:
    # Git itself refuses paths that lead out of the worktree.
    done = _git(tree, "apply", "--whitespace=nowarn", "-", stdin=patch)
    if done.returncode:
        raise RequestError(
            "Expected recorded changes that fit their commit. Received: "
            f"{' '.join(done.stderr.split())[:300]}. Leave --apply-diff out."
        )


def _must(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise ExperimentError(
            f"Expected git to make a worktree. Received: {' '.join(done.stderr.split())[:300]}."
        )


def _git(
    folder: Path, *arguments: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [*_GIT, str(folder), *arguments]
    # Of the arguments only the commit comes from a record, and it is checked to be one.
    with _started(command[0]):
        return subprocess.run(command, check=False, capture_output=True, text=True, input=stdin)  # noqa: S603


@contextmanager
def _started(program: str) -> Iterator[None]:
    """Tells in words that a program cannot be started.

    Raises:
        ExperimentError: why.
    """
    try:
        yield
    except OSError as problem:
        raise ExperimentError(
            f"Expected to start {program}. Received: {problem.strerror}. Install it, or end other "
            "processes where there are too many."
        ) from problem
