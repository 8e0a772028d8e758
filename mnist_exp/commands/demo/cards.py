"""What was read, as HTML: the text, and for each digit what the model saw and ten bars.

Everything that comes from outside, such as the name of a run or a file, is escaped.
"""

import html
from collections.abc import Sequence
from typing import NamedTuple

from mnist_exp.commands.demo.data_urls import png_url
from mnist_exp.inference import Digit, Reading

MOST_CARDS = 20
NOBODY = "no other"  # what stands for a run where none reads beside
NOTHING = "Nothing drawn: no ink stands out from the ground."


class Answer(NamedTuple):
    """What one run reads in a picture."""

    run: str
    reading: Reading


class Shown(NamedTuple):
    """What runs read, as HTML."""

    texts: str  # which a screen reader speaks
    cards: str


def cards(answers: Sequence[Answer]) -> Shown:
    """Returns what runs read in one picture.

    Args:
        answers: of one run, or of several on the same picture, which find the same digits in it.
    """
    digits = list(zip(*(answer.reading.digits for answer in answers), strict=True))
    if not digits:
        return Shown(f"<p class='quiet'>{NOTHING}</p>", "")
    names = [answer.run for answer in answers]
    shown = "".join(_card(names, of_runs) for of_runs in digits[:MOST_CARDS])
    left = len(digits) - MOST_CARDS
    more = f"<p class='quiet'>and {left} more digits</p>" if left > 0 else ""
    return Shown("".join(map(_text, answers)), shown + more)


def _text(answer: Answer) -> str:
    digits = answer.reading.digits
    unsure = [digit for digit in digits if not digit.sure]
    words = ""
    if unsure:
        which = "Unsure" if len(digits) == 1 else f"Unsure of {len(unsure)}, shown as ?"
        likely = f": {digits[0].likely}" if len(digits) == 1 else ""
        words = f"<span class='unsure'>{which}{likely}</span>"
    return (
        f"<p class='text'><span class='run'>{html.escape(answer.run)} reads</span>"
        f"<strong>{answer.reading.text}</strong>{words}</p>"
    )


def _card(names: Sequence[str], of_runs: Sequence[Digit]) -> str:
    several = len(names) > 1
    columns = "".join(
        _bars(digit, name if several else "") for name, digit in zip(names, of_runs, strict=True)
    )
    return (
        "<figure class='card'><div class='seen'>"
        f"<img src='{png_url(of_runs[0].pixels)}' alt='The digit as the model saw it'>"
        f"<figcaption>28 x 28 pixels, as the model saw them</figcaption></div>{columns}</figure>"
    )


def _bars(digit: Digit, name: str) -> str:
    rows = "".join(
        f"<li class='{_kind(digit, i)}'><b>{i}</b><span class='bar'>"
        f"<span style='width:{100 * share:.1f}%'></span></span><i>{_percent(share)}</i></li>"
        for i, share in enumerate(digit.probabilities)
    )
    title = f"<p class='run'>{html.escape(name)}</p>" if name else ""
    return f"<div class='bars'>{title}<ol>{rows}</ol></div>"


def _kind(digit: Digit, i: int) -> str:
    if i != digit.value:
        return ""
    return "answer" if digit.sure else "answer unsure"


def _percent(share: float) -> str:
    return f"{share:.1%}"
