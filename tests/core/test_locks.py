"""A lock is held by one process at a time, also where its last holder has removed the file."""

import fcntl

from mnist_exp.core.locks import Lock


def test_a_lock_has_one_holder(tmp_path):
    first = Lock.take(tmp_path / "lock")
    assert first is not None
    assert Lock.take(tmp_path / "lock") is None
    first.release()
    with Lock.take(tmp_path / "lock") as again:
        assert again is not None
        assert Lock.take(tmp_path / "lock", wait_seconds=0.1) is None


def test_a_file_that_its_holder_removes_after_it_was_opened_is_no_lock(tmp_path, monkeypatch):
    file, take = tmp_path / "lock", fcntl.flock
    holder = Lock.take(file)

    def removed_before(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", take)
        file.unlink()
        holder.release()
        take(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    taken = Lock.take(file)
    assert taken is not None
    assert Lock.take(file) is None  # what is locked is the file that is there
