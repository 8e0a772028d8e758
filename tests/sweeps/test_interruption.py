"""Sweeps that are cut off, and the same command again: nothing is lost, nothing runs twice."""

import contextlib
import os
import random
import signal
import time

import pytest
from projects import MLP
from waiting import for_line

# A job that takes some seconds and leaves checkpoints, then short ones.
LONG = [*MLP, "training.epochs=25,1,2"]


# When a sweep is killed: at a job's end, at once, amid another job, and amid the end of the last.
EVENTS = [('"event": "end"',), (), ('"sweep.job": "1"', '"step": 2'), ('"sweep.job": "3"', "test/")]


@pytest.mark.xdist_group("grid")
def test_kills_at_chosen_moments_change_nothing(folder, grid):
    def until(process, number):
        if EVENTS[number]:
            folder.wait_for(*EVENTS[number], process=process)

    check_kills(folder, grid, len(EVENTS), until)


@pytest.mark.long("a sweep killed thrice at random moments, four times over")
@pytest.mark.xdist_group("grid")
@pytest.mark.parametrize("seed", range(4))
def test_three_kills_at_random_moments_change_nothing(seed, folder, grid):
    moments = random.Random(seed)

    def until(process, number):
        if number == 0:  # one job at least is to finish
            folder.wait_for('"event": "end"', process=process)
        time.sleep(moments.uniform(0, 9))

    check_kills(folder, grid, 3, until)


def check_kills(folder, grid, kills, until):
    """Kills a sweep at some moments, and compares what it comes to with one in peace."""
    numbers: dict[str, int] = {}
    for number in range(kills):
        process = folder.start("train", "-m", *grid.overrides)
        for_line(process, "Sweep ")
        until(process, number)
        with contextlib.suppress(ProcessLookupError):  # it may have come to its end
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        numbers |= folder.numbers()
    done = [run for run in folder.jobs().values() if run.outcome == "finished"]
    ended = folder.train("-m", *grid.overrides)
    assert done
    assert "of 4 done, " in ended.stderr or "all 4 jobs are done" in ended.stderr
    assert folder.finished() == grid.finished
    assert numbers.items() <= folder.numbers().items()
    assert folder.numbers() == grid.numbers
    assert folder.parent().outcome == "finished"
    assert folder.is_left_alone()


def test_signals(folder, new_folder):
    """One sweep is stopped in each way, and goes on after each to what a run in peace reaches."""
    stop_twice(folder)
    terminate(folder)
    stop_once(folder)
    again = folder.train("-m", *LONG)
    assert "1 of 3 done, 2 to do" in again.stderr
    finished = folder.finished()
    assert list(finished) == [0, 1, 2]
    assert folder.parent().outcome == "finished"
    alone = new_folder("alone")
    alone.train(*LONG[:-1], "training.epochs=25")
    assert finished[0] == folder.results(*alone.runs())


def stop_twice(folder):
    process = folder.start("train", "-m", *LONG)
    job_dir = folder.wait_for('"step": 3', process=process)
    os.killpg(process.pid, signal.SIGINT)
    for_line(process, "Ctrl-C again stops them now")
    os.killpg(process.pid, signal.SIGINT)
    folder.end(process, 130)
    check_killed(folder, job_dir)


def terminate(folder):
    process = folder.start("train", "-m", *LONG)
    job_dir = folder.wait_for('"step": 6', process=process)
    os.kill(process.pid, signal.SIGTERM)
    folder.end(process, 143)
    check_killed(folder, job_dir)


def check_killed(folder, job_dir):
    ((number, run),) = folder.jobs().items()
    assert (number, run.job_id) == (0, job_dir.name)
    assert (run.status, run.outcome) == ("KILLED", "killed")
    assert (job_dir / "checkpoints" / "last.npz").exists()
    assert (folder.parent().status, folder.parent().outcome) == ("KILLED", "killed")
    assert folder.processes() == {}
    sweep = folder.parent()
    refused = folder.end(folder.start("resume", f"outputs/{sweep.job_id}"), 2)
    assert f"that of the sweep {sweep.name}. The same `mnist-exp train -m`" in refused.stderr
    assert folder.parent() == sweep


def stop_once(folder):
    process = folder.start("train", "-m", *LONG)
    job_dir = folder.wait_for('"step": 9', process=process)
    os.killpg(process.pid, signal.SIGINT)
    folder.end(process, 130)
    ((number, run),) = folder.jobs().items()
    assert (number, run.outcome) == (0, "finished")
    assert list(folder.history(run, "val/accuracy")) == list(range(1, 26))
    assert folder.first_epochs(job_dir) == 1  # it went on from its checkpoints
    assert (folder.parent().status, folder.parent().outcome) == ("KILLED", "killed")
    assert folder.processes() == {}
