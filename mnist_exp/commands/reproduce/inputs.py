"""What the result of a run depends on, as it was recorded and as it is now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp import data
from mnist_exp.commands.program import PROGRAM
from mnist_exp.config import sources
from mnist_exp.core import hardware, numerics
from mnist_exp.runs import source_code
from mnist_exp.runs.environment import mapping, recorded_components, recorded_settings
from mnist_exp.tracking.names import (
    CALLBACKS_TAG,
    CODE_TAG,
    COMMIT_TAG,
    DATA_TAG,
    DIRTY_TAG,
    RESUMED_TAG,
)
from mnist_exp.tracking.read.evidence import Evidence

UNKNOWN = "not recorded"
_NO_COMMIT = "none"  # the tag of a run outside a checkout
_DIGEST_CHARACTERS = 12
_NAMED = 5  # files of the code, or flags; the others are counted


@dataclass(frozen=True)
class Input:
    """One thing that a result depends on."""

    name: str
    recorded: str
    present: str
    same: bool | None  # None where it was not recorded
    decides: bool = True  # whether a difference can change the result
    details: tuple[str, ...] = ()  # what differs, one line each

    @property
    def differs(self) -> bool:
        """Whether it is another one, and can change the result."""
        return self.decides and self.same is False

    @property
    def explanation(self) -> str:
        """What differs, in a few words."""
        found = self.details or (f"{self.recorded} then, {self.present} now",)
        return f"{self.name} ({'; '.join(found)})"


def code_inputs(evidence: Evidence, code: source_code.Code) -> Iterator[Input]:
    """Yields the code and its commit.

    Args:
        evidence: of the run.
        code: of now.
    """
    tags = evidence.run.tags
    recorded = tags.get(CODE_TAG, "")
    same = recorded == code.sha256 if recorded else None
    changed: tuple[str, ...] = () if same else tuple(_changes(evidence.files(), code.files))
    yield Input("code", _short(recorded), _short(code.sha256), same, details=changed)
    yield from _components(recorded_components(tags))
    if CALLBACKS_TAG in tags:
        names = ", ".join(mapping(tags[CALLBACKS_TAG])) or "unknown"
        yield Input(
            "callbacks", names, "none", same=False, details=(f"{names}, which the run had",)
        )
    if RESUMED_TAG in tags:
        went_on = f"cut off, went on with {tags[RESUMED_TAG]}"
        yield Input("parts of the run", went_on, "none", same=False, details=(went_on,))
    if tags.get(COMMIT_TAG) == _NO_COMMIT:
        then = _version(evidence.packages())
    else:
        then = _commit(tags.get(COMMIT_TAG), dirty=tags.get(DIRTY_TAG) == "true")
    if code.commit is None:
        now = _version(_versions(source_code.packages()))
    else:
        now = _commit(code.commit, dirty=bool(code.diff))
    yield _equal("commit", then, now)


def environment_inputs(
    evidence: Evidence, precision: str, threads: int, device: str
) -> Iterator[Input]:
    """Yields the packages and the machine.

    A package that the run did not have cannot explain its result, and decides nothing.

    Args:
        evidence: of the run.
        precision: that a rerun computes in.
        threads: that it has.
        device: that it has; see `core.devices`.
    """
    before, now = evidence.packages(), _versions(source_code.packages())
    changed = tuple(_package_changes(before, now)) if before else ()
    counts = (f"{len(before)} packages" if before else UNKNOWN, f"{len(now)} packages")
    yield Input("packages", *counts, not changed if before else None, details=changed)
    added = len(now.keys() - before.keys()) if before else 0
    if added:
        yield Input("packages added", "", str(added), same=False, decides=False)
    then, system = evidence.system(), hardware.system(device)
    yield _equal("python", then.get("python"), system["python"], decides=True)
    yield _processor(then, system)
    if "device" in then:  # runs of before do not say
        yield _equal("device", then["device"], system["device"], decides=True)
    for name in hardware.GPU_VERSIONS:
        if name in then and name in system:
            yield _equal(name, then[name], system[name], decides=True)
    yield _settings(recorded_settings(evidence.run.tags))
    yield _equal("cores", then.get("cores"), system["cores"])
    yield _equal("system", then.get("system"), system["system"])
    yield _equal("precision", then.get("precision"), precision, decides=True)
    yield _equal("threads", then.get("threads"), threads, decides=True)


def data_input(evidence: Evidence, section: Mapping[str, Any]) -> Input:
    """Reads the data and returns their digests.

    Args:
        evidence: of the run.
        section: `data`, for this machine.

    Raises:
        RequestError: the data are not to be had.
        ExperimentError: they are broken.
    """
    found = data.load_whole(**section)
    recorded = evidence.run.tags.get(DATA_TAG, "")
    same = recorded == found.digest if recorded else None
    return Input(f"data {found.name}", _short(recorded), _short(found.digest), same)


def _components(recorded: Mapping[str, str]) -> Iterator[Input]:
    """Yields each file and package of a user's own that the run had, as it is here."""
    present = {source.name: source.sha256 for source in sources.loaded()}
    for name, digest in recorded.items():
        now = present.get(name, "")
        yield Input(
            f"components {name}",
            _short(digest),
            _short(now) if now else "not loaded",
            same=digest == now,
        )


def _equal(name: str, recorded: Any, present: Any, *, decides: bool = False) -> Input:
    same = None if recorded in (None, UNKNOWN) else recorded == present
    known = UNKNOWN if recorded is None else str(recorded)
    return Input(name, known, str(present), same, decides)


def _processor(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> Input:
    """Compares processors by model and flags: kernels are chosen by the flags."""
    name = recorded.get("processor")
    if name is None:
        return Input("processor", UNKNOWN, str(present["processor"]), None)
    flags = recorded.get("processor_flags")
    then = set(map(str, flags)) if isinstance(flags, list) else set()
    lost = sorted(then ^ set(present["processor_flags"]))
    same = name == present["processor"] and not lost
    details = () if same or name != present["processor"] else (f"flags {', '.join(lost[:_NAMED])}",)
    return Input("processor", str(name), str(present["processor"]), same, details=details)


def _settings(recorded: Mapping[str, str]) -> Input:
    """Compares what TensorFlow and Keras took from outside, of which a rerun may adopt a part."""
    present = numerics.settings(ours=True)
    counts = (f"{len(recorded)} settings" if recorded else UNKNOWN, f"{len(present)} settings")
    changed = [name for name in {**recorded, **present} if recorded.get(name) != present.get(name)]
    if not recorded or not changed:
        return Input("settings", *counts, same=not changed if recorded else None)
    then, now = ([found.get(n, "not set") for n in changed] for found in (recorded, present))
    told = [", ".join(map("=".join, zip(changed, values, strict=True))) for values in (then, now)]
    words = [f"{n} {a} then, {b} now" for n, a, b in zip(changed, then, now, strict=True)]
    return Input("settings", told[0], told[1], same=False, details=_few(words))


def _commit(commit: str | None, *, dirty: bool) -> str:
    return f"{_short(commit)}{' and changes' if dirty else ''}" if commit else UNKNOWN


def _version(packages: Mapping[str, str]) -> str:
    """Returns what stands for the commit outside a checkout: the version of this package."""
    return f"{PROGRAM} {packages[PROGRAM]}" if PROGRAM in packages else "no checkout"


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the files that are others now; nothing where those of then are not known."""
    if not before:
        return ()
    words = [
        *(path for path in now if path in before and before[path] != now[path]),
        *(f"{path} is new" for path in now.keys() - before.keys()),
        *(f"{path} is gone" for path in before.keys() - now.keys()),
    ]
    return _few(sorted(words))


def _versions(lines: list[str]) -> dict[str, str]:
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def _package_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yields what became of the packages of then that are others now, or gone.

    Those that compute come first.
    """
    computing = [name for name in source_code.COMPUTING if name in before]
    for name in dict.fromkeys([*computing, *sorted(before)]):
        if before[name] != now.get(name):
            yield f"{name} {before[name]} -> {now.get(name, 'absent')}"


def _few(words: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    more = len(words) - _NAMED
    return (*words[:_NAMED], f"{more} more") if more > 0 else tuple(words)


def _short(digest: str | None) -> str:
    return digest[:_DIGEST_CHARACTERS] if digest else UNKNOWN
