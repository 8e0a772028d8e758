"""The same sweep, from two folders or by two people at once: one command is at it."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest
from servers import MlflowServer
from waiting import until

from mnist_exp.core.errors import RequestError
from mnist_exp.sweeps.execute import claim
from mnist_exp.sweeps.execute.claim import Claim, Owner, hold
from mnist_exp.tracking.journal.events import now
from mnist_exp.tracking.mlflow.experiment_tags import ExperimentTags
from mnist_exp.tracking.names import CLAIM_TAG, KEY_TAG
from mnist_exp.tracking.read.experiment import Experiment

COMMAND = ["train", "-m", "data=digits", "training=smoke", "training.epochs=10",
           "model=mlp,seed_mlp", "seed=1,2", "sweep.name=x"]  # fmt: skip
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
    return ExperimentTags(experiment.store.client, experiment.uri, experiment.name)


def test_two_folders_on_a_server_and_one_is_killed(server, new_folder):
    folders = [new_folder(name, server.uri) for name in ("anna", "ben")]
    processes = [folder.start(*COMMAND) for folder in folders]
    refused = until(lambda: [n for n in (0, 1) if processes[n].poll() is not None])
    (late,) = refused
    first, second = folders[1 - late], folders[late]
    said = second.end(processes[late], 2)
    assert said.stdout == ""
    assert "Expected a sweep that no other command runs. Received: x, which one on" in said.stderr
    assert f"in {first.path}, is at since" in said.stderr
    assert second.job_folders() == set()

    until(lambda: any(run.outcome == "finished" for run in first.runs()))
    os.kill(processes[1 - late].pid, signal.SIGKILL)
    processes[1 - late].communicate()
    assert first.is_left_alone()
    on = second.train(*COMMAND[1:])  # the dead one's machine is this one: there is no waiting
    assert "of 4 done, " in on.stderr
    assert "sign of life" not in on.stderr
    done = [run.tags[KEY_TAG] for run in second.runs() if run.outcome == "finished"]
    assert len(done) == len(set(done)) == 4
    assert second.parent().outcome == "finished"
    assert "all 4 jobs are done" in first.train(*COMMAND[1:]).stderr
    for folder in folders:
        assert not folder.clear()


def test_of_many_at_once_one_goes_on(experiment, tags, tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "_POLL_SECONDS", 0.02)
    commands, barrier = 6, Barrier(6)

    def command(number: int) -> ExitStack | str:
        barrier.wait()
        try:
            return hold("x", tmp_path / str(number), experiment)
        except RequestError as refused:
            return str(refused)

    with ThreadPoolExecutor(commands) as pool:
        for _ in range(4):
            came = list(pool.map(command, range(commands)))
            (held,) = (one for one in came if isinstance(one, ExitStack))
            assert sum("that no other command runs" in str(one) for one in came) == commands - 1
            assert len(tags.read(CLAIM_TAG)) == 1
            held.close()
            assert tags.read(CLAIM_TAG) == {}


def elsewhere(beat: int, **changes: object) -> Owner:
    """Returns the owner of a claim on another machine."""
    values = {"id": "1", "sweep": "x", "host": "far", "folder": "/home/anna", "lock": "/x.lock",
              "device": 1, "inode": 2, "since": 0, "beat": beat, "at_work": True}  # fmt: skip
    return Owner(**(values | changes))


def write(tags: ExperimentTags, owner: Owner) -> None:
    tags.write(CLAIM_TAG + owner.id, owner.model_dump_json())


def test_what_was_killed_in_this_folder_keeps_nobody_out(experiment, tags, tmp_path):
    with hold("x", tmp_path, experiment):
        ((name, text),) = tags.read(CLAIM_TAG).items()
    tags.write(name, text)
    with hold("x", tmp_path, experiment):
        assert name not in tags.read(CLAIM_TAG)


def test_what_lives_elsewhere_is_told_of(experiment, tags, tmp_path):
    write(tags, elsewhere(now()))
    with pytest.raises(RequestError, match="x, which one on far, in /home/anna, is at since 1970"):
        hold("x", tmp_path, experiment)
    assert list(tags.read(CLAIM_TAG)) == [f"{CLAIM_TAG}1"]
    hold("another", tmp_path, experiment).close()


def test_what_died_elsewhere_is_known_by_its_silence(
    experiment, tags, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(claim, "SILENT_SECONDS", 0.0)
    write(tags, elsewhere(now()))
    with hold("x", tmp_path, experiment):
        assert f"{CLAIM_TAG}1" not in tags.read(CLAIM_TAG)
    said = capsys.readouterr().err
    assert said.startswith("Of sweep x, one on far, in /home/anna, is at since 1970")
    assert said.endswith("without a sign of life. Waiting 0 s for one.\n")


def test_a_claim_gives_signs_of_life_until_its_end(experiment, tags, tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "_BEAT_SECONDS", 0.01)

    def owner() -> Owner:
        (text,) = tags.read(CLAIM_TAG).values()
        return Owner.model_validate_json(text)

    with hold("x", tmp_path, experiment):
        first = owner()
        until(lambda: owner().beat > first.beat)
        assert owner().at_work
    assert tags.read(CLAIM_TAG) == {}


def test_a_clock_that_is_wrong_makes_nobody_dead(experiment, tags, tmp_path):
    class Beating(ExperimentTags):
        """Another machine gives a sign of life before each look, by its own clock."""

        beat = now() - HOUR

        def read(self, prefix: str) -> dict[str, str]:
            self.beat += 500
            write(self, elsewhere(self.beat))
            return super().read(prefix)

    beating = Beating(experiment.store.client, experiment.uri, experiment.name)
    lock = tmp_path / "x.lock"
    lock.touch()
    with pytest.raises(RequestError, match="that no other command runs"):
        Claim(beating, "x", lock).take()


NOBODYS = ["[]", '{"id": 1}', elsewhere(0, since=10**30).model_dump_json()]


@pytest.mark.parametrize("text", NOBODYS, ids=["list", "few", "late"])
def test_a_claim_that_nobody_made_is_passed_over(experiment, tags, tmp_path, text):
    tags.write(f"{CLAIM_TAG}1", text)
    hold("x", tmp_path, experiment).close()


@pytest.mark.parametrize("first", ["here", "elsewhere"])
def test_folders_that_share_a_file(first, tmp_path, sealed_environment):
    experiment = Experiment(f"sqlite:///{sealed_environment}/mlflow.db", "mnist")
    folders = [Path("outputs"), tmp_path / "elsewhere" / "outputs"]
    if first == "elsewhere":
        folders.reverse()
    with hold("x", folders[0], experiment):
        with pytest.raises(RequestError, match="that no other process runs"):
            hold("x", folders[1], experiment)
        hold("y", folders[1], experiment).close()
    hold("x", folders[1], experiment).close()
