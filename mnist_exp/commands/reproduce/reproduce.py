"""`mnist-exp reproduce`: a run again, and what is to be said of it."""

import textwrap
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp.commands.reproduce import inputs as depends
from mnist_exp.commands.reproduce import worktree
from mnist_exp.commands.reproduce.inputs import Input
from mnist_exp.config import places, sources
from mnist_exp.config.registry import source_of
from mnist_exp.core import ids
from mnist_exp.core.errors import RequestError
from mnist_exp.core.terminal import printable, say, table_console
from mnist_exp.core.text import p_in_words
from mnist_exp.runs import environment, recorded_config, source_code
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.names import COMMIT_TAG, DIRTY_TAG, REPRODUCES_TAG, VERDICT_TAG
from mnist_exp.tracking.read.evidence import DIFF, Evidence
from mnist_exp.tracking.read.runs import Found, find, require_finished
from mnist_exp.tracking.records import RunRecord

if TYPE_CHECKING:
    from rich.text import Text

    from mnist_exp.commands.reproduce.verdict import Comparison, Result

SAME, DIFFERS = 0, 3  # exit codes of --check-only


@dataclass(frozen=True)
class _Original:
    """The run that is to be reproduced."""

    found: Found
    evidence: Evidence
    local: Mapping[str, Any]  # nested values of a config for this machine

    @property
    def run(self) -> RunRecord:
        return self.found.record


def reproduce(
    selector: str,
    overrides: Sequence[str] = (),
    *,
    check_only: bool = False,
    code_of_then: bool = False,
    apply_diff: bool = False,
    apply_components: bool = False,
) -> int:
    """Compares what a run depended on, runs it again, and compares the results; prints both.

    Args:
        selector: what names the run.
        overrides: of `recorded_config.LOCAL_KEYS`: what is a matter of this machine.
        check_only: whether to stop before training.
        code_of_then: whether to run the recorded commit instead of the code of now.
        apply_diff: whether to apply the changes that the code had besides its commit.
        apply_components: whether to run the files of components that the run recorded.

    Returns:
        The exit code: of the verdict (0 identical, 3 not distinguishable, 4 different), or with
        `check_only` 0 where everything is the same, 3 where something differs.

    Raises:
        RequestError: there is no such run, its record cannot be trusted or does not fit, or the
            data are others.
        ExperimentError: the rerun failed.
    """
    if apply_diff and not code_of_then:
        raise RequestError(
            "Expected --worktree with --apply-diff: changes are applied to the recorded commit "
            "only. Received: --apply-diff alone."
        )
    if apply_components and places.flags:
        raise RequestError(
            "Expected --components FILE or --apply-components, which runs the recorded file. "
            "Received: both."
        )
    if apply_components and code_of_then:
        raise RequestError(
            "Expected --apply-components without --worktree: the code of then is a command of its "
            "own, which takes --components FILE. Received: both."
        )
    found = find(selector)
    require_finished(found.record)
    environment.adopt(found.record.tags)
    evidence = Evidence(found.record, found.store.uri)
    if apply_components:
        _load_components(evidence)
    original = _Original(found, evidence, recorded_config.local_values(evidence, overrides))
    with _code(evidence, code_of_then=code_of_then, apply_diff=apply_diff) as tree:
        inputs = _inputs(original, tree)
        _show_inputs(original, inputs)
        _check_data(original, inputs)
        if check_only:
            return DIFFERS if any(entry.differs for entry in inputs) else SAME
        return _rerun(original, inputs, tree)


def _code(evidence: Evidence, *, code_of_then: bool, apply_diff: bool) -> Any:
    """Returns a context with the worktree of the code of then; with None for that of now."""
    if not code_of_then:
        return nullcontext()
    diff = evidence.diff()
    if diff:
        applied = "applied" if apply_diff else "not applied; --apply-diff does"
        say(f"The code had these changes besides its commit ({applied}):", error=True)
        for line in diff.split("\n"):
            say(line.expandtabs(), error=True)
    is_missing = not diff and evidence.run.tags.get(DIRTY_TAG) == "true"
    if apply_diff and (is_missing or DIFF in evidence.altered):
        raise RequestError(
            f"Expected the recorded changes of run {evidence.run.name} with --apply-diff. "
            f"Received: no {DIFF} as it was recorded. Restore it, or leave --apply-diff out."
        )
    commit = evidence.run.tags.get(COMMIT_TAG, "none")
    return worktree.checked_out(evidence, commit, apply_diff=apply_diff and bool(diff))


def _load_components(evidence: Evidence) -> None:
    """Shows the files of components that a run recorded, and loads them instead of those here."""
    recorded = environment.recorded_components(evidence.run.tags)
    for name in recorded:
        if not name.endswith(".py"):
            continue  # a package, which must be installed
        text = evidence.components(name)
        say(f"The run had these components, {name}, which are run now:", error=True)
        for line in text.split("\n"):
            say(line.expandtabs(), error=True)
        sources.adopt([source_of(Path(name), text)])


def _inputs(original: _Original, tree: Path | None) -> list[Input]:
    evidence, training = original.evidence, original.local["training"]
    precision = str(recorded_config.section(evidence.config, "training").get("precision"))
    code = source_code.code() if tree is None else source_code.code(tree)
    return [
        *depends.code_inputs(evidence, code),
        depends.data_input(evidence, original.local["data"]),
        *depends.environment_inputs(evidence, precision, training["threads"], training["device"]),
    ]


def _check_data(original: _Original, inputs: Sequence[Input]) -> None:
    for entry in inputs:
        if entry.name.startswith("data") and entry.same is False:
            raise RequestError(
                f"Expected the data of run {original.run.name}, {entry.recorded}. Received: other "
                f"data, {entry.present}: a rerun would say nothing of the run. Name the folder of "
                "its data with data.root=FOLDER."
            )


def _rerun(original: _Original, inputs: Sequence[Input], tree: Path | None) -> int:
    from mnist_exp.commands.reproduce import verdict

    evidence, store = original.evidence, original.found.store
    config = None if tree else recorded_config.config_of(evidence, original.local)
    before = verdict.recorded_result(evidence, store)
    job_dir = Path("outputs", ids.new())
    choices = recorded_config.choices_of(evidence)
    if config is None:
        assert tree is not None
        overrides = worktree.overrides_of(evidence.config, choices, original.local, tree)
        worktree.run(tree, overrides, job_dir)
    else:
        from mnist_exp.runs import lifecycle

        job_dir.mkdir(parents=True)
        lifecycle.run(
            config,
            job_dir=job_dir,
            choices={"model": config.model.name} | choices,
            overrides=evidence.overrides(),
            tags={REPRODUCES_TAG: original.run.run_id},
        )
    with Attempt() as asked:
        new = store.find_run(job_dir.name)
    run = None if asked.problem else new
    after = verdict.new_result(job_dir, run, store.uri)
    found = verdict.compare(before, after)
    if run is not None:
        tags = {REPRODUCES_TAG: original.run.run_id, VERDICT_TAG: found.verdict.words}
        with Attempt():  # the verdict stands without the tag
            store.set_tags(run.run_id, tags)
    _show_verdict(original.run, run.name if run else str(job_dir), before, after, found)
    if found.verdict is not verdict.Verdict.IDENTICAL:
        _print_wrapped(verdict.explanation(inputs))
    return found.verdict.value


def _show_inputs(original: _Original, inputs: Sequence[Input]) -> None:
    run = original.run
    table = _table(f"{run.name}, then and now", ("", "recorded", "now"))
    for entry in inputs:
        table.add_row(entry.name, entry.recorded, _now(entry))
    table_console().print(table)
    for entry in inputs:
        if entry.details:
            _print_wrapped(f"Other {entry.name}: {', '.join(entry.details)}.")
    for path in original.evidence.altered:
        say(f"The artifact {path} is not the file that was recorded, or is gone.", error=True)


def _now(entry: Input) -> "Text":
    """Returns what an input is now, in a style that says whether it matters."""
    from rich.text import Text

    if entry.same:
        return Text("the same", "dim")
    different = "bold red" if entry.decides else "dim"
    return Text(printable(entry.present), "yellow" if entry.same is None else different)


def _show_verdict(
    run: RunRecord, name: str, before: "Result", after: "Result", found: "Comparison"
) -> None:
    table = _table(f"{run.name} and its rerun {name}", ("", run.name, name, ""))
    weights = (before.weights_sha256[:12] or "not recorded", after.weights_sha256[:12])
    table.add_row("weights", *weights, "same" if found.same_weights else "differ")
    equal = found.metrics - len(found.differing)
    table.add_row("metrics", "", "", f"{equal} of {found.metrics} are the same")
    for point in found.differing[:1]:
        where = f"{point[0]}, epoch {point[1]}" if point[1] else point[0]
        values = (f"{v.metrics.get(point, float('nan')):.9g}" for v in (before, after))
        table.add_row(f"  first: {where}", *values, "")
    errors = tuple(str(int((~r.predictions.correct).sum())) for r in (before, after))
    table.add_row("test errors", *errors, f"of {found.images:,}")
    table.add_row(
        "  only its own",
        str(found.only_second),
        str(found.only_first),
        f"McNemar {p_in_words(found.p)}",
    )
    table_console().print(table)
    say(f"Verdict: {found.verdict.words}.")


def _table(title: str, names: Sequence[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    table.title, table.title_style, table.header_style = title, "bold", "bold"
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _print_wrapped(text: str) -> None:
    """Prints a sentence that may name many packages; none of them is broken."""
    lines = textwrap.wrap(
        printable(text), 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    for line in lines:
        say(line)
