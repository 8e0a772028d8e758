"""What others wrote, as a terminal gets it: one line, with nothing in it to obey or to hide."""

import pytest
from rich.table import Table

from mnist_exp.core import terminal
from mnist_exp.core.errors import RequestError
from mnist_exp.core.terminal import printable, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x07\x9b", r"\x1b[2J\x07\x9b"),
        ("\u202egnp.exe\u2066\u200f", r"\u202egnp.exe\u2066\u200f"),
        ("a\u2028b\u2029\x85", r"a\u2028b\u2029\x85"),
        ("zero\u200bwidth\ufeff\u00ad", r"zero\u200bwidth\ufeff\xad"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("half\udce9", r"half\udce9"),
    ],
)
def test_what_commands_or_hides_is_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Zoë-ß",
        "手書き\u3000数字",
        "👩\u200d👧 🇩🇪 ☺\ufe0f",
        "a\u00a0b",
        "न\u200cम",
        "[red]:cat:",
    ],
)
def test_what_people_write_stays(text):
    assert printable(text) == text


def test_a_line_a_table_and_an_error_show_no_markup_and_make_no_line(capsys):
    hostile = "a\nb[red]:cat:\x1b[31m"
    shown = r"a\nb[red]:cat:\x1b[31m"
    say(hostile, error=True)
    table = Table(title=hostile)
    table.add_column(hostile)
    table.add_row(hostile)
    terminal.table_console().print(hostile, table)
    said = capsys.readouterr()
    assert said.err == f"{shown}\n"
    assert said.out.count(shown) == 4
    assert "\x1b" not in said.out
    assert str(RequestError("First.", hostile)) == f"First.\n{shown}"
