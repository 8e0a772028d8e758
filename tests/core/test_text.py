"""Text safe to print and to record."""

import pytest

from mnist_exp.config.compose import compose
from mnist_exp.config.record import flatten
from mnist_exp.core.text import shortened, without_password


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


def test_params_hold_no_password():
    config = compose(["tracking.uri=http://me:secret@host"]).config
    assert flatten(config)["tracking.uri"] == "http://me@host"
    assert config.tracking.uri == "http://me:secret@host"
