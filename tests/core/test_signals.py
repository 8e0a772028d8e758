"""A signal waits while a block must not be cut in two; a second one does not."""

import os
import signal
import sys
import time

import pytest

from mnist_exp.core import signals
from mnist_exp.core.errors import ExperimentError, Terminated


def interrupt(steps: list[str], times: int, message: str = "") -> None:
    with signals.held(message):
        for number in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            steps.append(f"after signal {number + 1}")


def test_the_first_signal_waits_for_the_end_of_the_block(capfd):
    steps = []
    with pytest.raises(KeyboardInterrupt):
        interrupt(steps, 1, "ending")
    assert steps == ["after signal 1"]
    assert capfd.readouterr().err == "ending\n"
    with pytest.raises(KeyboardInterrupt):  # and what was there before is back
        os.kill(os.getpid(), signal.SIGINT)


def test_what_says_that_the_time_of_a_batch_job_is_up_waits_too():
    steps = []
    before = signal.signal(signal.SIGUSR2, lambda *_: steps.append("told"))
    try:
        with signals.held():
            os.kill(os.getpid(), signal.SIGUSR2)
            steps.append("block")
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert steps == ["block", "told"]


def test_what_nohup_ignores_is_ignored_in_the_block_too(capfd):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.held("ending"):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGHUP)
        assert signals.is_ignored(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capfd.readouterr().err == ""


def test_the_second_signal_stops_at_once():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        interrupt(steps, 3)
    assert steps == ["after signal 1"]


def test_nothing_happens_without_a_signal():
    before = signal.getsignal(signal.SIGINT)
    with signals.held():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Terminated])
@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_a_signal_within_c_code_is_a_stop(kind, link):
    """The interpreter makes a SystemError of it, and TensorFlow drops the cause of that."""
    made_of_it = SystemError("returned a result with an exception set")
    setattr(made_of_it, link, kind())
    with pytest.raises(kind), signals.unwrapped():
        raise made_of_it


def test_a_signal_that_a_library_swallows_is_a_stop(monkeypatch):
    """Keras goes on without what was cut off, into an error."""
    monkeypatch.setattr(signals, "_stopped_by", None)
    with pytest.raises(Terminated):
        signals.stop(Terminated)
    with pytest.raises(Terminated), signals.unwrapped():
        raise TypeError("(None, 784)")
    with pytest.raises(ExperimentError, match="of its own"), signals.unwrapped(ExperimentError):
        raise ExperimentError("words of its own")


def test_an_error_of_the_interpreter_stays_one():
    with pytest.raises(SystemError, match="another"), signals.unwrapped():
        raise SystemError("another")


def test_a_signal_in_a_finalizer_is_not_lost(monkeypatch, capfd):
    """Python prints what is raised there, and goes on."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    signals.insist()

    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    def finalize() -> None:
        Dying()
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        finalize()
    assert capfd.readouterr().err == ""

    class Broken:
        def __del__(self) -> None:
            raise ValueError("told as ever")

    Broken()
    assert "told as ever" in capfd.readouterr().err
