"""The same sweep from several terminals, folders or machines: each job is run by one of them."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from projects import SMOKE
from servers import MlflowServer
from waiting import until

from mnist_exp.core.errors import RequestError
from mnist_exp.sweeps.execute import claims as module
from mnist_exp.sweeps.execute import owner
from mnist_exp.sweeps.execute.claims import RECORD, Claims, join
from mnist_exp.sweeps.execute.owner import Owner
from mnist_exp.tracking.journal.events import now
from mnist_exp.tracking.mlflow.experiment_tags import ExperimentTags
from mnist_exp.tracking.names import CLAIM_TAG
from mnist_exp.tracking.read.experiment import Experiment

COMMAND = ["train", "-m", "data=digits", *SMOKE, "training.epochs=15",
           "model=seed_mlp", "seed=1,2,3,4,5", "sweep.name=x"]  # fmt: skip
HOUR = 3_600_000  # milliseconds

pytestmark = pytest.mark.xdist_group("claims")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[MlflowServer]:
    """A server on a store of its own."""
    folder = tmp_path_factory.mktemp("server")
    server = MlflowServer(f"sqlite:///{folder}/server.db", folder)
    server.up()
    yield server
    server.down()


@pytest.fixture
def experiment(server, request) -> Experiment:
    """An experiment of this test's."""
    return Experiment(server.uri, request.node.name)


@pytest.fixture
def tags(experiment) -> ExperimentTags:
    """The tags of the experiment."""
    return ExperimentTags(experiment.store.client, experiment.uri, experiment.name, CLAIM_TAG)


@pytest.fixture(params=["server", "file"])
def store(request, tmp_path) -> Experiment:
    """An experiment on a server, and one in a file."""
    if request.param == "server":
        experiment: Experiment = request.getfixturevalue("experiment")
        return experiment
    return Experiment(f"sqlite:///{tmp_path}/mlflow.db", "mnist")


def test_a_second_folder_joins_and_goes_on_alone_when_the_first_dies(server, new_folder):
    first, second = (new_folder(name, server.uri) for name in ("anna", "ben"))
    killed = first.start(*COMMAND)
    until(lambda: any(run.outcome == "finished" for run in first.runs()))
    joined = second.start(*COMMAND)
    until(second.job_folders)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    said = second.end(joined, 0)
    assert f"Shared with another command at it: one on {os.uname().nodename}" in said.stderr
    assert f", in {first.path}, since 2" in said.stderr
    assert said.stderr.count("elsewhere") <= 4
    assert said.stderr.count("\njob ") >= 4
    assert said.stdout.startswith("#")
    done = Counter(run.params["seed"] for run in second.runs() if run.outcome == "finished")
    assert done == dict.fromkeys("12345", 1)
    assert second.parent().outcome == "finished"
    assert "all 5 jobs are done" in first.train(*COMMAND[1:]).stderr
    for folder in (first, second):
        assert not folder.clear()


@pytest.mark.parametrize(
    "search",
    [
        pytest.param((), id="grid"),
        pytest.param(
            ("search=random", "search.trials=5"),
            id="random",
            marks=pytest.mark.long("a search shared by two terminals, as a grid is"),
        ),
    ],
)
def test_two_terminals_share_the_jobs_and_both_show_all(search, folder):
    swept = ["optimizer.learning_rate=interval(0.001, 0.1)"] if search else [COMMAND[-2]]
    command = [*COMMAND[:-2], *swept, *search, "sweep.name=x"]
    parallel = ["hydra/launcher=parallel", "hydra.launcher.n_jobs=2"]
    processes = [folder.start(*command, *options) for options in ((), parallel)]
    ended = [folder.end(process, 0) for process in processes]
    folder.finished()  # once each, under one parent that is finished
    assert folder.parent().outcome == "finished"
    assert len(folder.jobs()) == 5
    own = [done.stderr.count("\njob ") - done.stderr.count("elsewhere") for done in ended]
    assert sum(own) == 5  # on a busy machine one may have begun when all were taken
    tables = [done.stdout for done in ended]
    assert tables[0] == tables[1]
    assert folder.parent().metrics["sweep/jobs"] == 5
    assert not list(folder.path.glob("outputs/.sweeps/*"))


def test_who_stops_leaves_the_rest_to_the_other(folder):
    stopped = folder.start(*COMMAND)
    until(folder.job_folders)
    other = folder.start(*COMMAND)
    until(lambda: len(folder.job_folders()) > 2)
    stopped.send_signal(signal.SIGINT)
    folder.end(stopped, 130)
    folder.end(other, 0)
    folder.finished()
    assert len(folder.jobs()) == 5
    assert folder.parent().outcome == "finished"


def test_other_jobs_cannot_be_joined(folder):
    first = folder.start(*COMMAND)
    until(folder.job_folders)
    refused = folder.train(*COMMAND[1:], "training.epochs=9", code=2)
    assert refused.stderr.startswith(
        "Expected the same jobs, by the same code, as the command that is at"
    )
    assert f"in {folder.path}, since 2" in refused.stderr
    again = folder.train(*COMMAND[1:], "sweep.rerun=all")
    folder.end(first, 0)
    assert "Shared with" in again.stderr
    folder.finished()  # once each: what the first did meanwhile is not run again
    assert len(folder.jobs()) == 5


def test_of_many_at_once_each_part_is_taken_by_one(store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.02)
    commands, parts, barrier = 5, [RECORD, *map(str, range(12))], Barrier(5)

    def command(number: int) -> tuple[Claims, list[str]]:
        barrier.wait()
        claims = join("x", "plan", tmp_path / str(number), store)
        barrier.wait()
        return claims, [part for part in parts if part in claims.own.holds or claims.take(part)]

    with ThreadPoolExecutor(commands) as pool:
        came = list(pool.map(command, range(commands)))
    assert Counter(part for _, taken in came for part in taken) == dict.fromkeys(parts, 1)
    assert [claims.leads for claims, _ in came].count(True) == 1
    # One that was fast may have all.
    holder, part = next((claims, taken[-1]) for claims, taken in came if taken)
    first, second, *_ = (claims for claims, _ in came if claims is not holder)
    assert not first.take(part)
    holder.release(part)
    assert first.take(part)
    assert not second.take(part)
    for claims, _ in came:
        claims.close()
    with closing(join("x", "another", tmp_path / "later", store)) as later:
        assert not later.others()


def elsewhere(beat: int, **changes: object) -> Owner:
    """Returns the owner of a claim on another machine."""
    values = {"id": "1", "sweep": "x", "plan": "p", "host": "far", "folder": "/home/anna",
              "lock": "/1.lock", "since": 0, "beat": beat, "holds": (RECORD, "7")}  # fmt: skip
    return Owner(**(values | changes))


def write(tags: ExperimentTags, other: Owner) -> None:
    tags.write(other.id, other.model_dump_json())


def test_what_was_killed_on_this_machine_keeps_nobody_out(experiment, tags, tmp_path):
    with closing(join("x", "p", tmp_path, experiment)) as killed:
        ((name, text),) = tags.read().items()
        assert killed.leads
    tags.write(name, text)
    Path(killed.own.lock).touch()
    with closing(join("x", "another plan", tmp_path, experiment)) as claims:
        assert claims.leads
        assert name not in tags.read()
    assert not list(tmp_path.glob(".sweeps/*"))


def test_what_lives_elsewhere_keeps_what_it_has(experiment, tags, tmp_path):
    write(tags, elsewhere(now()))
    with pytest.raises(RequestError, match="sweep x: one on far, in /home/anna, since 1970"):
        join("x", "another plan", tmp_path, experiment)
    assert list(tags.read()) == ["1"]
    with closing(join("x", "p", tmp_path, experiment)) as claims:
        assert not claims.leads
        assert not claims.take("7")
        assert claims.take("8")
        assert claims.own.since == 0
    join("another", "another plan", tmp_path, experiment).close()


def test_what_died_elsewhere_is_known_by_its_silence(
    experiment, tags, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(owner, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.0)
    write(tags, elsewhere(now() - HOUR))
    with closing(join("x", "p", tmp_path, experiment)) as claims:
        assert "1" not in tags.read()
        assert claims.leads
    said = capsys.readouterr().err
    assert said.startswith("Another command is at sweep x, one on far, in /home/anna, since 1970")
    assert said.endswith(", or has died: waiting 0 s for a sign of life.\n")


def test_what_was_stopped_on_this_machine_keeps_what_it_has(
    experiment, tags, tmp_path, monkeypatch
):
    """Ctrl-Z: it gives no sign of life, but its lock is held."""
    monkeypatch.setattr(owner, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(module, "_BEAT_SECONDS", HOUR)
    with closing(join("x", "p", tmp_path, experiment)) as stopped:
        assert stopped.take("7")
        with closing(join("x", "p", tmp_path, experiment)) as claims:
            claims.settle()
            for _ in range(2):
                assert claims.others() == [stopped.own]
            assert not claims.take("7")
            assert not claims.leads


def test_what_died_a_moment_ago_leaves_its_part_at_the_end(experiment, tags, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.5)
    write(tags, elsewhere(now(), holds=(RECORD, "7")))
    with closing(join("x", "p", tmp_path, experiment)) as claims:
        assert not claims.leads
        claims.settle()
        assert claims.others() == []
        assert claims.take(RECORD)


def test_a_claim_gives_signs_of_life_until_its_end(experiment, tags, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BEAT_SECONDS", 0.01)

    def beat() -> int:
        (text,) = tags.read().values()
        return Owner.model_validate_json(text).beat

    with closing(join("x", "p", tmp_path, experiment)):
        first = beat()
        until(lambda: beat() > first)
    assert tags.read() == {}


def test_a_clock_that_is_wrong_makes_nobody_dead(experiment, tags, tmp_path, monkeypatch):
    class Beating(ExperimentTags):
        """Another machine gives a sign of life before each look, by its own clock."""

        beat = now() - HOUR

        def read(self) -> dict[str, str]:
            Beating.beat += 500
            write(self, elsewhere(Beating.beat))
            return super().read()

    monkeypatch.setattr(module, "ExperimentTags", Beating)
    with closing(join("x", "p", tmp_path, experiment)) as claims:
        assert not claims.take("7")


def test_while_the_store_is_away_nothing_is_taken_that_others_may_have(
    experiment, tags, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_BEAT_SECONDS", 0.2)

    class Away(ExperimentTags):
        is_away = False
        last = ""  # words after which nothing is written

        def write(self, name: str, text: str) -> None:
            if self.last and self.last in text:
                raise ConnectionError
            super().write(name, text)

        def read(self) -> dict[str, str]:
            if self.is_away:
                raise ConnectionError
            return super().read()

    def away(*, is_away: bool, claims: Claims) -> None:
        monkeypatch.setattr(Away, "is_away", is_away)
        until(lambda: claims.answers is not is_away)

    monkeypatch.setattr(module, "ExperimentTags", Away)
    with closing(join("x", "p", tmp_path, experiment)) as claims:
        away(is_away=True, claims=claims)
        assert claims.take("5")  # alone
        away(is_away=False, claims=claims)
        until(lambda: any('"5"' in text for text in tags.read().values()))
        write(tags, elsewhere(now(), holds=("7",)))
        until(claims.others)
        away(is_away=True, claims=claims)
        assert not claims.take("8")
        away(is_away=False, claims=claims)
        monkeypatch.setattr(Away, "last", '"8"]')
        assert claims.take("8")  # it was free, which nobody could be told
        monkeypatch.setattr(Away, "last", "")
        until(lambda: any('"8"]' in text for text in tags.read().values()))
        assert claims.own.holds.count("8") == 1


NOBODYS = [
    "[]",
    '{"id": 1}',
    elsewhere(0, since=10**30).model_dump_json(),
    elsewhere(0).model_dump_json().replace('"7"', f'"{"7" * 5000}"'),
]


@pytest.mark.parametrize("text", NOBODYS, ids=["list", "few", "late", "long"])
def test_a_claim_that_nobody_made_is_passed_over(experiment, tags, tmp_path, text):
    tags.write("1", text)
    with closing(join("x", "p", tmp_path, experiment)) as claims:
        assert claims.leads


def test_a_claim_removes_no_file_but_the_lock_of_a_command(tmp_path):
    kept = tmp_path / "precious.lock"
    kept.touch()
    assert elsewhere(0, id="precious", lock=str(kept)).lives("far") is None
    assert kept.exists()


def test_folders_that_share_a_file(tmp_path, sealed_environment):
    experiment = Experiment(f"sqlite:///{sealed_environment}/mlflow.db", "mnist")
    with closing(join("x", "p", Path("outputs"), experiment)) as first:
        with closing(join("x", "p", tmp_path / "elsewhere" / "outputs", experiment)) as second:
            assert first.leads
            assert not second.leads
        with closing(join("y", "q", tmp_path / "elsewhere" / "outputs", experiment)) as other:
            assert other.leads
