"""Several jobs at once on this machine, and workers that need other threads."""

import os
import shlex
import signal
from contextlib import closing
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import waiting
from projects import SMOKE

from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.execute.engines.processes import Processes
from mnist_exp.sweeps.results.records import JOB_PARAM

SMALL = ["data=digits", *SMOKE, "model=seed_mlp"]


def test_two_at_once_survive_the_death_of_a_worker(folder):
    sweep = [*SMALL, "hydra/launcher=parallel", "hydra.launcher.n_jobs=2", "sweep.retries=1",
             "model.hidden_units=[8],[16],[24],[32]", "training.epochs=12"]  # fmt: skip
    process = folder.start("train", "-m", *sweep)
    job_dir = folder.wait_for('"step": 2', process=process)
    os.kill(folder.worker_of(job_dir), signal.SIGKILL)
    folder.end(process, 0)
    assert list(folder.finished()) == [0, 1, 2, 3]
    jobs = folder.jobs().values()
    listed = folder.train("-m", *(text for text in sweep if "launcher" not in text))
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert {run.params["training.threads"] for run in jobs} == {str(threads)}
    assert any(first.start_time < second.start_time < first.end_time
               or second.start_time < first.start_time < second.end_time
               for first, second in combinations(jobs, 2))  # fmt: skip
    check_the_winner_again(folder, listed.stdout)
    assert folder.is_left_alone()


def test_a_worker_that_dies_without_a_job_is_replaced(monkeypatch):
    monkeypatch.setattr(worker, "work", id)
    task = SimpleNamespace(
        config=SimpleNamespace(training=SimpleNamespace(threads=1, device="auto"))
    )
    with closing(Processes(1)) as started:
        first = started.submit(task)
        first.result()
        (process,) = started._workers[0]._executor._processes.values()
        process.kill()
        process.join()
        waiting.until(lambda: started._workers[0]._executor._broken)
        assert started.submit(task).result()


def test_jobs_with_other_threads_get_workers_of_their_own(folder):
    options = folder.path / "options" / "experiment"
    options.mkdir(parents=True)
    for threads in (1, 2):
        text = f"# @package _global_\nseed: {threads}\ntraining:\n  threads: {threads}\n"
        Path(options, f"threads{threads}.yaml").write_text(text)
    swept = folder.train("--config-dir", "options", "-m", *SMALL, "experiment=threads2,threads1")
    jobs = folder.jobs()
    assert [run.params["training.threads"] for run in jobs.values()] == ["2", "1"]
    assert [run.params["seed"] for run in jobs.values()] == ["2", "1"]
    assert list(folder.finished()) == [0, 1]
    assert "`mnist-exp train -m --config-dir=options data" in note(folder.parent())
    assert "`mnist-exp train --config-dir=options data" in note(jobs[0])
    check_the_winner_again(folder, swept.stdout)


def note(run):
    """Returns what the page of a run says."""
    return run.tags["mlflow.note.content"]


def check_the_winner_again(folder, shown):
    """Gives the command that a sweep ends with."""
    before = [folder.results(run) for run in folder.runs()]
    _, verb, *arguments = shlex.split(shown.splitlines()[-1])
    assert verb == "train"
    folder.train(*arguments)
    [again] = [run for run in folder.runs() if run.params[JOB_PARAM] == "null"]
    assert folder.results(again) in before
    assert f"`{shown.splitlines()[-1].strip()}`" in note(again)
