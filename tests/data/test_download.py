"""Downloads from a real server on the loopback interface, in this process and in fresh ones."""

import signal
import socket
import sys
from pathlib import Path

import pexpect
import pytest
import waiting
from invoke import LIMIT_SECONDS, start_python

from mnist_exp.core.errors import ExperimentError
from mnist_exp.data import mnist

NAMES = [f"{name}.gz" for name in mnist.DIGESTS]
LOAD = (
    "import sys; from mnist_exp.data import mnist; "
    "mnist.load(root=sys.argv[1], mirrors=sys.argv[2:], attempts=1, timeout_seconds=60)"
)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


def load(root, *mirrors, attempts=1, timeout_seconds=30.0):
    return mnist.load(
        root=str(root), mirrors=mirrors, attempts=attempts, timeout_seconds=timeout_seconds
    )


def patience(behaviour):
    return 1.5 if behaviour in {"silent", "stalling", "trickling"} else 30.0


def files_in(folder):
    """Returns the names in a folder but for the lock's."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_download_leaves_the_four_files_and_is_not_repeated(root, mirror, mnist_folder, capsys):
    official = load(root, mirror.url("good"))
    assert len(official.train) == 60_000
    assert files_in(root / "mnist") == sorted(NAMES)
    for name in NAMES:
        assert (root / "mnist" / name).read_bytes() == (mnist_folder / name).read_bytes()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == f"Downloading {mirror.url('good')}{NAMES[0]} (9.6 MB)"
    load(root)
    assert mirror.requests.total() == 4


def test_the_default_root_is_the_users_cache(mirror, tmp_path):
    mnist.load(root=None, mirrors=[mirror.url("good")], attempts=1, timeout_seconds=30.0)
    folder = tmp_path / "home" / ".cache" / "mnist_exp" / "datasets" / "mnist"
    assert files_in(folder) == sorted(NAMES)
    assert mnist.find(None) == folder


def test_only_what_is_missing_is_fetched(root, mirror):
    load(root, mirror.url("good"))
    (root / "mnist" / NAMES[3]).unlink()
    load(root, mirror.url("good"))
    assert mirror.requests[f"/good/{NAMES[3]}"] == 2
    assert mirror.requests.total() == 5


def test_a_server_that_unpacks_the_files_will_do(root, mirror):
    load(root, mirror.url("unpacked"))
    assert len(load(root).test) == 10_000


@pytest.mark.parametrize(
    "behaviour",
    [
        "missing",
        "flaky",
        "short",
        "truncated",
        "altered",
        "html",
        "silent",
        "stalling",
        "trickling",
        "endless",
    ],
)
def test_a_bad_mirror_is_passed_over(root, mirror, behaviour):
    load(root, mirror.url(behaviour), mirror.url("good"), timeout_seconds=patience(behaviour))
    assert files_in(root / "mnist") == sorted(NAMES)
    # The mirror that failed the first file is not asked for the others.
    assert mirror.requests[f"/{behaviour}/{NAMES[0]}"] == 1
    assert mirror.requests.total() == 5


def test_a_second_attempt_can_do(root, mirror):
    load(root, mirror.url("flaky"), attempts=2)
    assert mirror.requests.total() == 8


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "HTTP 404 Not Found"),
        ("short", "sent 4,815,305 of 9,630,610 bytes"),
        ("truncated", "ends early"),
        ("altered", "instead of ba891046e650"),
        ("html", "sent other content of 53 bytes"),
        ("silent", "timed out"),
        ("trickling", "sent only "),
        ("endless", "sent more than 100,000,000 bytes"),
    ],
)
def test_when_every_mirror_fails_the_reasons_and_remedies_are_named(
    root, mirror, behaviour, reason
):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ExperimentError) as caught:
            load(
                root,
                mirror.url(behaviour),
                closed,
                "no-address",
                timeout_seconds=patience(behaviour),
            )
    message = str(caught.value)
    assert "\n" not in message
    assert f"{mirror.url(behaviour)}{NAMES[0]}: " in message
    assert reason in message
    assert f"{closed}/{NAMES[0]}: [Errno" in message
    assert "refused" in message
    assert "from one of 3 mirrors" in message
    assert "MNIST_EXP_DATA" in message
    assert "data=digits" in message
    assert files_in(root / "mnist") == []


def test_a_mirror_cannot_name_a_file_of_this_machine(root, mnist_folder):
    with pytest.raises(ExperimentError, match="unknown url type: file"):
        load(root, mnist_folder.as_uri())


def test_a_folder_that_cannot_be_written_is_named(root, mirror):
    (root / "mnist").write_text("a file where the folder would be")
    with pytest.raises(ExperimentError, match=r"Expected to write MNIST to .*File exists.*digits"):
        load(root, mirror.url("good"))


def test_ten_processes_at_once_download_once(root, mirror):
    processes = [start_python(LOAD, root, mirror.url("good")) for _ in range(10)]
    outputs = [process.communicate(timeout=LIMIT_SECONDS)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, outputs
    assert dict(mirror.requests) == {f"/good/{name}": 1 for name in NAMES}
    assert sum("Downloading" in output for output in outputs) == 1
    assert files_in(root / "mnist") == sorted(NAMES)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_download_leaves_nothing_under_the_final_name(root, mirror, number):
    with start_python(LOAD, root, mirror.url("stalling"), fresh=True) as process:
        partial = root / "mnist" / f".{NAMES[0]}.part"
        waiting.until(lambda: partial.exists() and partial.stat().st_size > 0, process=process)
        process.send_signal(number)
        assert process.wait(timeout=LIMIT_SECONDS) != 0
    left = files_in(root / "mnist")
    assert left == ([] if number == signal.SIGINT else [partial.name])
    load(root, mirror.url("good"))
    assert files_in(root / "mnist") == sorted(NAMES)


def test_a_terminal_gets_a_progress_bar(root, mirror):
    command = [sys.executable, "-c", LOAD, str(root), mirror.url("good")]
    child = pexpect.spawn(command[0], command[1:], encoding="utf-8", dimensions=(24, 120))
    output = child.read()
    child.close()
    assert child.exitstatus == 0
    for name in NAMES:
        assert name in output
    assert "9.6/9.6 MB" in output


def test_paths_are_absolute_in_the_record(root, mirror):
    assert load(root, mirror.url("good")).source == (Path(root) / "mnist").as_uri()
