"""Two tiers of tests: what is proven within minutes, and what only a long run can prove.

A test of the second is marked `@pytest.mark.long("what it proves")`, with a fast one beside it that
proves the same on a part, but for memory over many trainings, which has no part. `--all` runs both
tiers; every run says what it left out, and why.
"""

from collections import Counter

import pytest

_LEFT_OUT = "left_out"  # in what a worker of pytest-xdist hands to its controller


class Tiers:
    """A plugin: leaves tests out, and tells of them at the end."""

    def __init__(self, *, everything: bool) -> None:
        """Has left nothing out yet."""
        self._everything = everything
        self._left_out: Counter[str] = Counter()  # what was not proven -> tests

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leaves the second tier out, or begins with it, so that nobody waits for its end alone."""
        if self._everything:
            items.sort(key=lambda item: item.get_closest_marker("long") is None)
            return
        kept, left = [], []
        for item in items:
            (left if item.get_closest_marker("long") else kept).append(item)
        items[:] = kept
        config.hook.pytest_deselected(items=left)
        self._left_out = Counter(item.get_closest_marker("long").args[0] for item in left)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hands over what this worker left out: each collects the same tests."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_LEFT_OUT] = dict(self._left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Takes what a worker left out."""
        self._left_out |= Counter(getattr(node, "workeroutput", {}).get(_LEFT_OUT, {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says what was left out."""
        tests = self._left_out.total()
        if not tests:
            terminalreporter.write_line("No test was left out.")
            return
        terminalreporter.write_line(
            f"{tests} {'test was' if tests == 1 else 'tests were'} left out, which only a long run "
            "can do; `scripts/test --all` runs them too:"
        )
        for proof, count in sorted(self._left_out.items()):
            terminalreporter.write_line(f"  {count}  {proof}")
