"""Text safe to print and to record."""

import pytest

from mnist_exp.config.compose import compose
from mnist_exp.config.record import flatten
from mnist_exp.core.text import in_csv, in_markdown, p_value, shortened, without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/a", "http://me:***@host:5000/a"),
        ("tracking.uri=postgresql+psycopg://u:s3:cret@db/runs", None),
        ("http://me:s@cret@host", "http://me:***@host"),
        ('["http://host:5000", "a@b"]', '["http://host:5000", "a@b"]'),
        ("at http://a:b@c and http://d:e@f", "at http://a:***@c and http://d:***@f"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:////tmp/a:b@c.db", "sqlite:////tmp/a:b@c.db"),
        ("https://token@host", "https://token@host"),
    ],
)
def test_addresses_are_shown_without_their_password(text, shown):
    expected = shown or "tracking.uri=postgresql+psycopg://u:***@db/runs"
    assert without_password(text) == expected


@pytest.mark.parametrize(
    ("value", "shown"), [("0.0123456", "0.01235"), ("12", "12"), ("1234e567", "1234e567")]
)
def test_a_digest_is_no_number(value, shown):
    assert shortened(value) == shown


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0526, "0.053"),
        (0.0499, "0.0499"),
        (0.04996, "0.04996"),
        (0.05, "0.05"),
        (0.06, "0.06"),
        (0.2, "0.20"),
    ],
)
def test_p_is_on_its_side_of_the_level(p, text):
    assert p_value(p) == text


def test_markdown_shows_references_and_formulas_as_they_are():
    assert in_markdown("a&lt;b $x$") == r"a\&lt;b \$x\$"


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("-1e-3", "-1e-3"), ("-x", "'-x"), ("cnn", "cnn"), (2, 2)],
)
def test_a_spreadsheet_calculates_nothing(value, cell):
    assert in_csv(value) == cell


def test_params_hold_no_password():
    config = compose(["tracking.uri=http://me:secret@host"]).config
    assert flatten(config)["tracking.uri"] == "http://me@host"
    assert config.tracking.uri == "http://me:secret@host"
