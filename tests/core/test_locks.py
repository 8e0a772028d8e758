"""A lock is held by one process at a time, also where its last holder has removed the file."""

import threading
import time

from mnist_exp.core.locks import Lock


def test_a_lock_has_one_holder(tmp_path):
    first = Lock.take(tmp_path / "lock")
    assert first is not None
    assert Lock.take(tmp_path / "lock") is None
    first.release()
    with Lock.take(tmp_path / "lock") as again:
        assert again is not None
        assert Lock.take(tmp_path / "lock", wait_seconds=0.1) is None


def test_a_file_that_its_holder_removed_is_made_again(tmp_path):
    file = tmp_path / "lock"
    holder = Lock.take(file)
    found = []
    waiting = threading.Thread(target=lambda: found.append(Lock.take(file, wait_seconds=60)))
    waiting.start()
    time.sleep(0.1)  # it has opened the file
    file.unlink()
    holder.release()
    waiting.join()
    [taken] = found
    assert taken is not None
    assert file.exists()
    assert Lock.take(file) is None
