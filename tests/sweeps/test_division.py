"""What one of several commands at a sweep learns of the others."""

from types import SimpleNamespace

import pytest

from mnist_exp.sweeps.execute import division
from mnist_exp.sweeps.execute.division import Division
from mnist_exp.sweeps.plan import PlannedJob


class Search:
    """A search whose second trial can be chosen once the run of the first is known."""

    def __init__(self):
        """Has asked nothing, of a store that answers, in which there is no run yet."""
        self.asked, self.answers, self.is_begun = 0, True, False
        self.is_known = False
        self.released = []

    def refresh(self, _key=None):
        self.asked += 1
        self.is_known = self.is_begun and self.answers
        return self.answers

    def next(self, _results, busy):
        return PlannedJob(1, SimpleNamespace(key="1")) if self.is_known and 1 not in busy else None

    def found(self):
        return {}

    def made(self, _job):
        return None

    def begin(self, _job):
        """Takes no note of it."""


@pytest.fixture
def search():
    return Search()


@pytest.fixture
def share(search, monkeypatch):
    """The share of a command beside another, which is at the first trial."""
    monkeypatch.setattr(division, "_LOOK_SECONDS", 0.0)
    claims = SimpleNamespace(
        others=lambda: [SimpleNamespace(holds=("0",))],
        take=lambda _: True,
        release=search.released.append,
        answers=True,
    )
    pending = SimpleNamespace(is_at_work=lambda _: False, placed=lambda job: job)
    return Division(claims, search, pending, search, results={}, learned=lambda _: None)


def test_a_trial_elsewhere_is_known_when_its_run_has_come(search, share):
    assert share.next() is None
    search.is_begun = True
    assert share.next().number == 1


def test_a_look_at_a_store_that_is_away_is_taken_again(search, share):
    search.answers = False
    share.look()
    assert share.elsewhere == set()
    search.answers = True
    share.look()
    assert share.elsewhere == {0}
    share.look()  # nothing has changed, and nothing waits
    assert search.asked == 2


def test_what_another_may_have_run_is_let_go_where_the_store_cannot_tell(search, share):
    search.is_begun = True
    share.look()
    search.answers = False
    share.look = lambda: None  # a moment ago the store answered
    search.refresh = lambda _: False
    assert share.next() is None
    assert search.released == ["1"]
