"""What others may have written, made by hypothesis, and a watch over whatever reads it.

`@cases(N)` tries N of every 100,000 cases; `MNIST_EXP_FUZZ`, which `scripts/fuzz` sets, is how many
cases there are in all. The suite tries few, and the same each time.
"""

import collections
import dataclasses
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import mnist_exp
from mnist_exp.config.hydra import config_folder

_WHOLE = 100_000
_ASKED = os.environ.get("MNIST_EXP_FUZZ")
_ALL = int(_ASKED or 600)
_FEWEST = 10
_MEBIBYTES = 256  # of memory that a case may take beyond what the process has
BEYOND = bytes((_MEBIBYTES + 44) * 2**20)  # what unpacks to more
_CPU_SECONDS = 10.0  # of a case; the largest photo takes one
# What may be read beside the folder of a case: whatever can be imported, the package, its conf/.
_LIBRARIES = tuple(
    os.path.realpath(folder)
    for folder in (
        *filter(None, sys.path), sys.prefix, sys.base_prefix, Path(mnist_exp.__file__).parent,
        config_folder(), "/proc", "/sys",
    )
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/urandom")
_FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "pty.", "pickle.find_class", "ctypes.dlopen", "urllib.", "ftplib.", "smtplib.", "webbrowser.",
)  # fmt: skip
_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.chmod",
            "os.truncate", "shutil.", "sqlite3.connect")  # fmt: skip
# What executes text of its own: the methods of classes that an import defines.
_MAKERS = (dataclasses.__file__, collections.__file__)
_LOOKS = ("os.listdir", "os.scandir")


def cases(of_100_000: int) -> Callable[[Any], Any]:
    """Returns the decorator of a test that tries so many of 100,000 cases."""
    return settings(
        max_examples=max(_FEWEST, round(_ALL * of_100_000 / _WHOLE)),
        derandomize=_ASKED is None,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


class Broken(BaseException):
    """What was read did something that no reading does; nothing may catch it."""


_watched: str = ""  # the folder of the case at work
_seen: list[str] = []


@contextmanager
def watched(
    folder: Path, *documented: type[Exception], mebibytes: int = _MEBIBYTES
) -> Iterator[None]:
    """Lets the block read something hostile.

    It may raise what is documented. It runs and imports nothing, opens nothing outside `folder`
    but libraries, and takes neither more memory than is allowed nor longer than ten seconds.

    Args:
        folder: of the case.
        *documented: errors that the block may raise.
        mebibytes: of memory that it may take beyond what the process has.
    """
    global _watched  # noqa: PLW0603 - an audit hook is for ever, and is one a process
    _seen.clear()
    before = signal.signal(signal.SIGVTALRM, _late)
    signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + mebibytes * 2**20, limits[1]))
    _watched = os.path.realpath(folder)
    try:
        yield
    except documented as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError):
                raise Broken(f"more than {mebibytes} MiB") from error
            cause = cause.__cause__ or cause.__context__
    finally:
        _watched = ""
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    if _seen:
        raise Broken(_seen[0])


def _address_space() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - a hundred thousand times
        return int(file.read().split()[0]) * resource.getpagesize()


def _late(*_: object) -> None:
    raise Broken(f"more than {_CPU_SECONDS:.0f} seconds")


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and not _is_allowed(event, arguments):
        _seen.append(f"{event} {arguments!r}"[:500])
        raise Broken(_seen[-1])


def _is_allowed(event: str, arguments: tuple[Any, ...]) -> bool:
    """Tells whether an event of the interpreter is one of reading."""
    allowed = not event.startswith(_FORBIDDEN)
    if event == "import":
        allowed = arguments[0].partition(".")[0] in sys.modules
    elif event == "exec":
        file = arguments[0].co_filename
        made = file == "<string>" and sys._getframe(2).f_code.co_filename in _MAKERS
        allowed = made or _is_below(file, _LIBRARIES)
    elif event == "open":
        path, _, flags = arguments
        allowed = _is_own(path, reads=not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    elif event.startswith(_LOOKS):
        allowed = _is_own(arguments[0], reads=True)
    elif event.startswith(_CHANGES):
        paths = [each for each in arguments if isinstance(each, str | bytes | os.PathLike)]
        allowed = all(_is_own(path, reads=False) for path in paths)
    return allowed


def _is_own(path: Any, *, reads: bool) -> bool:
    if path is None or isinstance(path, int):  # the working folder, or what is open already
        return True
    real = os.path.realpath(os.fsdecode(path))
    return _is_below(real, (_watched, *_LIBRARIES) if reads else (_watched,)) or real in _DEVICES


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}{os.sep}") for folder in folders)


sys.addaudithook(_hook)

# What has meant something to somebody: to YAML, OmegaConf, a shell, a path, a number.
HOSTILE = (
    "", " ", "null", "~", "-1", "0", "1e999", "nan", "-inf", "9" * 400, "9" * 5000, "٣", "1_000",
    "true", "\x00", "\x1b[2J", "\u202e", "a\nb", "${oc.env:HOME}", "${a}", "$(touch pwned)",
    "`touch pwned`", "; touch pwned", "../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd",
    "%2e%2e%2f", "~root", "http://127.0.0.1:9/", "[" * 2000, "{" * 2000, "(" * 300, "\\" * 100,
    "!!python/object/apply:os.system ['touch pwned']", "_target_", "&a [*a]", "<<", "x" * 70_000,
)  # fmt: skip
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=30)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400])
    | st.floats()
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
_EDITS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2**24), st.binary(min_size=1, max_size=16)),
    min_size=1,
    max_size=6,
)


def mutated(*originals: bytes) -> st.SearchStrategy[bytes]:
    """Makes bytes like those of real files: some changed, cut off, repeated, taken out, put in."""
    return st.builds(_edited, st.sampled_from(originals), _EDITS)


def _edited(original: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    data = bytearray(original)
    for kind, number, new in edits:
        at = number % (len(data) + 1)
        if kind == 0:
            data[at : at + len(new)] = new
        elif kind == 1 and at < len(data):
            data[at] ^= 1 << number % 8
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[at : at + 4 * len(new)]
        elif kind == 4:
            del data[at : at + 4 * len(new)]
        else:
            data[at:at] = new
    return bytes(data)


def altered(original: Any, values: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[Any]:
    """Makes nested values like real ones, with up to three of them replaced, added or left out."""
    change = st.tuples(st.integers(0, 2**16), st.sampled_from(["replace", "add", "drop"]), values)
    return st.builds(_altered, st.just(original), st.lists(change, min_size=1, max_size=3))


def _altered(node: Any, changes: list[tuple[int, str, Any]]) -> Any:
    for number, kind, value in changes:
        places = list(_places(node))
        if not places:
            return value
        node = _with(node, places[number % len(places)], kind, value)
    return node


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else ()
    items = enumerate(node) if isinstance(node, list) else items
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _with(node: Any, path: tuple[Any, ...], kind: str, value: Any) -> Any:
    key, *rest = path
    copy = node.copy()
    if rest:
        copy[key] = _with(node[key], tuple(rest), kind, value)
    elif kind == "drop":
        del copy[key]
    elif kind == "add" and isinstance(copy, dict):
        copy[f"{key}.more"] = value
    else:
        copy[key] = value
    return copy
