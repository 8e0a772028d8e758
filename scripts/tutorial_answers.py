"""What a page says that a command prints, beside what it printed: form exactly, figures nearly.

Training gives the same figures on the same kind of machine; another processor, or another number
of threads, adds in another order, and the last digits differ.
"""

import re
from collections.abc import Iterator
from functools import cache

LEFT_OUT = "..."
# An accuracy in percent may move by so many points, or by so much of what it lacks to 100.
POINTS, SHARE = 0.3, 0.25
_SMALL = 100  # whole numbers of the prose below it are not looked for
# Figures of the prose that no output has: what they are.
GIVEN = {
    "96.99": "the accuracy of the tutorial that this project grew from",
    "95": "the level of the intervals",
    "70,000": "the images of MNIST",
    "60,000": "those for training",
    "10,000": "those of the test",
    "5,000": "those held out for validation",
    "784": "the pixels of an image",
    "255": "the brightest pixel",
    "128": "the images of a batch",
    "100": "all of them, in percent",
}
_ADDRESS = re.compile(r"https?://\S+")
_RANDOM = (
    (re.compile(r"\b\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[a-z0-9]{6}\b"), "folder"),  # of a job
    (re.compile(r"\b(?:[0-9a-f]{12}|[0-9a-f]{32})\b"), "digest"),
    (re.compile(r"-[a-z0-9]{6}\b"), "-suffix"),
)
_DURATION = re.compile(r"(?<![\w.])(?:\d+:\d\d|\d[\d.,]* (?:s|min|h))\b")
_FIGURE = re.compile(r"[-+\u2212]?\d[\d.,]*")
_UNSIGNED = re.compile(r"\d+(?:[.,]\d+)*")
_RATE = re.compile(r"\d[\d,]* images/s")
_RANKED = re.compile(r"(?:^\d+  .*\n)+", re.MULTILINE)
_P = re.compile(r"\) +<?[\d.]*$")
# With how many seeds would tell, if any, over several lines.
_VERDICT = re.compile(r"not distinguishable;(?:.|\n(?! *\d+  |\n))*")
_ACCURACY = re.compile(r"(?:[5-9]\d|100)\.\d\d")


def without_random(text: str) -> str:
    """Returns a text in which digests, random ends of names, durations and p are alike."""
    for pattern, word in _RANDOM:
        text = pattern.sub(word, text)
    return _DURATION.sub("0 s", text).replace("p < ", "p = ")


def without_figures(text: str) -> str:
    """Returns a text in which all figures are alike, and white space and rules have one length."""
    text = re.sub("\u2500+", "\u2500", _FIGURE.sub("0", without_random(text)))
    return re.sub(r"\s+", " ", text).strip()


def as_pattern(text: str) -> str:
    """Returns what matches a text without its figures; where it has "..." may be anything."""
    parts = without_figures(text).split(LEFT_OUT)
    return " ?.*".join(re.escape(part.strip()) for part in parts)


def fitted(said: str, printed: str) -> list[str] | None:
    """Returns what was printed, shortened as what is said; None where it has another form."""
    wanted, found = said.splitlines(), printed.splitlines()
    forms = [without_figures(line) for line in found]

    @cache
    def fit(i: int, j: int) -> tuple[str, ...] | None:
        if i == len(wanted):
            return () if j == len(found) else None
        if wanted[i].strip() != LEFT_OUT:
            if j == len(found) or without_figures(wanted[i]) != forms[j]:
                return None
            rest = fit(i + 1, j + 1)
            return None if rest is None else (found[j], *rest)
        rests = (fit(i + 1, start) for start in range(j, len(found) + 1))
        rest = next((rest for rest in rests if rest is not None), None)
        return None if rest is None else (wanted[i], *rest)

    lines = fit(0, 0)
    return None if lines is None else list(lines)


def differences(said: str, printed: str) -> Iterator[str]:
    """Finds where what was printed is another thing than what is said.

    Args:
        said: by the page.
        printed: now.

    Yields:
        What differs: the form, an accuracy by more than it may, or another count.
    """
    said, printed = _settled(said), _settled(printed)
    lines = fitted(said, printed)
    if lines is None:
        yield f"Said:\n{said}\nPrinted:\n{printed}"
        return
    for before, now in zip(said.splitlines(), lines, strict=True):
        for one, other in zip(_compared(before), _compared(now), strict=True):
            if not _near(one, other):
                yield f"{one} became {other}: {now.strip()}"


def _settled(text: str) -> str:
    """Returns a text without what chance decides: which of configs that are as good is the first.

    The rows of a ranking are sorted, and the first has no p, as it is not compared with itself.
    """

    def rows(found: re.Match[str]) -> str:
        kept = [_P.sub(")", line) for line in found[0].splitlines()]
        return "".join(f"{line}\n" for line in sorted(kept, key=without_figures))

    return _RANKED.sub(rows, _VERDICT.sub("not distinguishable", text))


def _compared(line: str) -> list[str]:
    return _UNSIGNED.findall(_RATE.sub("", without_random(line)))


def _near(one: str, other: str) -> bool:
    """Whether two figures may stand for one another: accuracies and large counts alone count."""
    if _ACCURACY.fullmatch(one) and _ACCURACY.fullmatch(other):
        allowed = max(POINTS, SHARE * (100 - float(one)))
        return abs(float(one) - float(other)) <= allowed
    if "," in one:  # of images and parameters
        return one == other
    return True


def stray_figures(prose: str, outputs: str) -> Iterator[str]:
    """Finds the figures of a text that are in no output.

    Args:
        prose: figures of three digits or more, with a decimal point or in percent are looked at.
        outputs: one of which must have the figure, rounded or not.

    Yields:
        Each that is nowhere.
    """
    known = _UNSIGNED.findall(outputs)
    prose = _ADDRESS.sub("", prose)
    for figure, percent in re.findall(r"(?<![\w./-])(\d+(?:[.,]\d+)*)(?![\w/])( %)?", prose):
        small = not percent and figure.isdigit() and int(figure) < _SMALL
        if not small and figure not in GIVEN and not any(_rounds(one, figure) for one in known):
            yield f"{figure}{percent}"


def _rounds(exact: str, figure: str) -> bool:
    if exact == figure:
        return True
    if "," in exact + figure or exact.count(".") != 1 or figure.count(".") > 1:
        return False
    decimals = len(figure.partition(".")[2])
    return f"{float(exact):.{decimals}f}" == figure
