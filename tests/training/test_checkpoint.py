"""A checkpoint is what was saved, or it is known to be damaged, and the one before is used."""

import dataclasses
import hashlib
import json
import os
import random
import signal

import numpy as np
import pytest

from mnist_exp.core.errors import ExperimentError
from mnist_exp.training import checkpoint

CASES = 1000


def state_of(epoch: int) -> checkpoint.State:
    """A state like a training's, of some kilobytes."""
    numbers = np.random.default_rng(epoch)
    weights = [numbers.normal(size=shape).astype(np.float32) for shape in ((3, 3, 4), (20, 10))]
    return checkpoint.State(
        epoch=epoch,
        seconds=1.5 * epoch,
        weights=weights,
        optimizer=[np.array(epoch * 20, np.int64), *weights],
        evaluation_weights=weights,
        best_weights=weights,
        best_epoch=1,
        history={
            "train/loss": [0.5, 0.25, 0.2][:epoch],
            "val/accuracy": [0.7, float("nan"), 0.8][:epoch],
        },
    )


def content(state: checkpoint.State) -> str:
    """Everything in a state, to be compared."""
    arrays = [[(a.dtype.str, a.tolist()) for a in getattr(state, n)] for n in checkpoint._ARRAYS]
    return repr((arrays, {k: v for k, v in vars(state).items() if k not in checkpoint._ARRAYS}))


def damaged(data: bytes, numbers: random.Random) -> bytes:
    """Flips a bit, or takes a part out."""
    at = numbers.randrange(len(data))
    if numbers.random() < 0.7:
        return data[:at] + bytes([data[at] ^ 1 << numbers.randrange(8)]) + data[at + 1 :]
    return data[:at] + data[numbers.randint(at + 1, len(data)) :]


@pytest.fixture
def two(tmp_path):
    """Checkpoints of two epochs."""
    file = tmp_path / "checkpoints" / "last.npz"
    for epoch in (1, 2):
        checkpoint.save(file, state_of(epoch))
    return file


def test_whatever_happens_to_the_newest_the_one_before_is_used_and_that_is_said(two):
    whole, numbers = two.read_bytes(), random.Random(0)
    for _ in range(CASES):
        two.write_bytes(damaged(whole, numbers))
        state, damage = checkpoint.load(two)
        assert content(state) == content(state_of(1))
        assert f"{two} (its SHA-256 is not that of what was written) is damaged" in damage
        assert "the one before it is used, of epoch 1." in damage


def test_without_damage_the_newest_is_used_and_nothing_said(two):
    checkpoint.previous(two).write_bytes(b"damaged")
    state, damage = checkpoint.load(two)
    assert (content(state), damage) == (content(state_of(2)), "")


def test_two_damaged_ones_are_an_error_that_names_both(two):
    for file in (two, checkpoint.previous(two)):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ExperimentError) as error:
        checkpoint.load(two)
    for words in (str(two), str(checkpoint.previous(two)), f"Delete {two.parent};"):
        assert words in str(error.value)


def test_a_crash_between_two_renames_costs_an_epoch_and_is_no_damage(two):
    two.unlink()
    state, damage = checkpoint.load(two)
    assert (state.epoch, damage) == (1, "")


def test_a_training_without_a_checkpoint_has_no_epochs(tmp_path):
    loaded = checkpoint.load(tmp_path / "last.npz")
    assert (loaded.state, loaded.damage, loaded.epochs) == (None, "", {})


def test_the_metrics_of_each_epoch_are_in_it(two):
    state = dataclasses.replace(state_of(2), history={"loss": [0.5, 0.25], "rate": [9.0, 8.0]})
    assert checkpoint.Loaded(state).epochs == {
        1: {"loss": 0.5, "rate": 9.0},
        2: {"loss": 0.25, "rate": 8.0},
    }


def test_the_two_newest_are_kept(two):
    checkpoint.save(two, state_of(3))
    assert checkpoint.load(two).state.epoch == 3
    assert checkpoint.load(checkpoint.previous(two)).state.epoch == 2
    assert sorted(path.name for path in two.parent.iterdir()) == ["last.npz", "previous.npz"]


def test_the_two_newest_are_kept_without_links_too(two, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")  # what FAT answers

    monkeypatch.setattr(os, "link", link)
    test_the_two_newest_are_kept(two)


def test_a_checkpoint_stays_in_its_place_until_the_next_is_there(two, monkeypatch):
    move = type(two).replace

    def replace(file, place):
        if place == two:
            raise KeyboardInterrupt  # a crash before the last step
        return move(file, place)

    with monkeypatch.context() as patch:
        patch.setattr(type(two), "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(two, dataclasses.replace(state_of(2), epoch=3))
    assert two.exists()
    assert checkpoint.load(two).state.epoch == 2


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    file = tmp_path / "last.npz"
    plain = {"epoch": 1, "best_epoch": 0, "history": {}}
    objects = np.array([{"any": "object"}])
    np.savez(file, state=np.array(json.dumps(plain)), **{"weights.0": objects})
    data = file.read_bytes()
    file.write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(ExperimentError, match="Object arrays cannot be loaded"):
        checkpoint.load(file)


def test_a_checkpoint_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match=r"Received: (Not a directory|File exists)\."):
        checkpoint.save(tmp_path / "file" / "last.npz", checkpoint.State())


def test_a_checkpoint_has_the_weights_of_the_last_epoch_and_of_the_best():
    last, best = [np.array(3.0)], [np.array(2.0)]
    state = checkpoint.State(epoch=3, evaluation_weights=last)
    assert state.seconds == 0
    assert state.chosen(best=True) == state.chosen(best=False) == (3, last)  # none was validated
    state = dataclasses.replace(state, best_epoch=2, best_weights=best)
    assert state.chosen(best=True) == (2, best)
    assert state.chosen(best=False) == (3, last)


def test_a_signal_while_a_checkpoint_is_written_waits_until_it_is_in_its_place(
    tmp_path, monkeypatch
):
    file, sync = tmp_path / "last.npz", os.fsync

    def interrupt(descriptor):
        os.kill(os.getpid(), signal.SIGINT)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(file, checkpoint.State(epoch=3))
    assert checkpoint.load(file).state.epoch == 3


def test_a_folder_that_vanishes_while_a_checkpoint_is_written_is_told(tmp_path, monkeypatch):
    file = tmp_path / "job" / "last.npz"
    written = np.savez

    def move_away(*arguments: object, **arrays: object) -> None:
        written(*arguments, **arrays)
        file.parent.rename(tmp_path / "away")

    monkeypatch.setattr(np, "savez", move_away)
    with pytest.raises(ExperimentError, match="Its folder was deleted or moved; put it back"):
        checkpoint.save(file, checkpoint.State())
