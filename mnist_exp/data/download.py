"""Fetches files from mirrors: verified, whole or not at all, and once for processes that race.

Standard library but for the lock and the progress bar. A file gets its name only when its decoded
bytes are right, so that whatever lies under the name can be trusted to be complete.
"""

import contextlib
import hashlib
import http.client
import math
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.files import whole
from mnist_exp.core.locks import Lock
from mnist_exp.core.terminal import console, say
from mnist_exp.data import idx

_BACKOFF_SECONDS = 0.5  # before the second attempt; doubled before each further one
_CHUNK_BYTES = 1 << 16
_LARGEST_BYTES = 100_000_000  # a mirror that sends more is not sending MNIST
_SLOWEST_BYTES_PER_SECOND = 1024  # a mirror that trickles is as good as silent
_REMEDY = (
    "Set MNIST_EXP_DATA to a folder that holds the four MNIST files, "
    "or use data=digits, which needs no network."
)


class _MirrorError(Exception):
    """A mirror did not deliver; another attempt or mirror may."""


def fetch(
    folder: Path,
    digests: Mapping[str, str],
    *,
    mirrors: Sequence[str],
    attempts: int,
    timeout_seconds: float,
) -> None:
    """Downloads `<name>.gz` for every name that the folder lacks.

    Processes that call this at the same time wait for the first and then find its files.

    Args:
        folder: Where the files go; made if absent.
        digests: File name without .gz -> SHA-256 in hex of its decoded bytes.
        mirrors: Addresses (http or https) of folders, tried in turn.
        attempts: Tries of each mirror.
        timeout_seconds: How long a mirror may be silent.

    Raises:
        ExperimentError: If the folder cannot be written, or no mirror has a file.
    """
    mirrors = list(mirrors)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_process(folder):
            for name, digest in digests.items():
                if not (folder / f"{name}.gz").exists():
                    served = _fetch_one(
                        folder / f"{name}.gz", digest, mirrors, attempts, timeout_seconds
                    )
                    # The next file need not wait for the mirrors that failed this one.
                    mirrors.sort(key=lambda mirror: mirror != served)
    except OSError as error:
        raise ExperimentError(
            f"Expected to write MNIST to {folder}. Received: {error.strerror or error}. {_REMEDY}"
        ) from error


@contextlib.contextmanager
def _only_process(folder: Path) -> Iterator[None]:
    file = folder / ".download.lock"
    lock = Lock.take(file)
    if lock is None:
        say(f"Waiting for another process that downloads MNIST to {folder}.", error=True)
        lock = Lock.take(file, wait_seconds=math.inf)
        assert lock is not None
    with lock:
        yield


def _fetch_one(
    path: Path, digest: str, mirrors: Sequence[str], attempts: int, timeout_seconds: float
) -> str:
    """Downloads one file and returns the mirror that had it."""
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{path.name}"
        for attempt in range(attempts):
            if attempt:
                time.sleep(_BACKOFF_SECONDS * 2 ** (attempt - 1))
            try:
                _attempt(url, path, digest, timeout_seconds)
            except _MirrorError as error:
                failure = f"{url}: {error}"
            else:
                return mirror
        failures.append(failure)
    raise ExperimentError(
        f"Expected to download {path.name} from one of {len(mirrors)} mirrors. "
        f"Received: {'; '.join(failures) or 'no mirrors'}. {_REMEDY}"
    )


def _attempt(url: str, path: Path, digest: str, timeout_seconds: float) -> None:
    with whole(path) as partial:  # under the lock
        with partial.open("wb") as file:
            for chunk in _body(url, timeout_seconds):
                file.write(chunk)
        _verify(partial, digest)


def _verify(path: Path, digest: str) -> None:
    try:
        decoded = idx.decode(path, idx.KNOWN_BYTES)
    except idx.FormatError as error:
        raise _MirrorError(error.received) from error
    received = hashlib.sha256(decoded).hexdigest()
    if received != digest:
        raise _MirrorError(
            f"sent other content of {path.stat().st_size:,} bytes (decoded SHA-256 {received} "
            f"instead of {digest})"
        )


def _body(url: str, timeout_seconds: float) -> Iterator[bytes]:
    """Yields what the mirror sends; only its own failures become a _MirrorError."""
    with _mirror_failures():
        response = _opener().open(url, timeout=timeout_seconds)
    with response, _progress(url, response.length) as advance:
        promised, received, started = response.length, 0, time.monotonic()
        while True:
            with _mirror_failures():
                chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                break
            received += len(chunk)
            if received > _LARGEST_BYTES:
                raise _MirrorError(f"sent more than {_LARGEST_BYTES:,} bytes")
            elapsed = time.monotonic() - started
            if elapsed > timeout_seconds and received < elapsed * _SLOWEST_BYTES_PER_SECOND:
                raise _MirrorError(f"sent only {received:,} bytes in {elapsed:.0f} seconds")
            advance(len(chunk))
            yield chunk
    if promised is not None and received != promised:
        raise _MirrorError(f"sent {received:,} of {promised:,} bytes")


@contextlib.contextmanager
def _mirror_failures() -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _MirrorError(str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _MirrorError(str(error) or type(error).__name__) from error


def _opener() -> urllib.request.OpenerDirector:
    """Returns an opener of http and https alone: a mirror can name no file of this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "mnist-exp")]
    return opener


@contextlib.contextmanager
def _progress(url: str, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """Shows a bar on a terminal and one line elsewhere; yields what counts the bytes."""
    if not sys.stderr.isatty():
        size = "" if size_bytes is None else f" ({size_bytes / 1e6:.1f} MB)"
        say(f"Downloading {url}{size}", error=True)
        yield lambda _: None
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task(url.rpartition("/")[2], total=size_bytes)
        yield lambda count: bar.advance(task, count)
