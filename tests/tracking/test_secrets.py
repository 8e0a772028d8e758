"""The password of a tracking server reaches the server, and no file."""

from pathlib import Path

import pytest
from invoke import here
from projects import SMALL

from mnist_exp.tracking.mlflow.location import of_record, recorded

PASSWORD = "Gehe1m:und@lang"
SERVER = f"https://bob:{PASSWORD}@runs.example.org:5000"


def holders(folder: Path) -> list[Path]:
    """Returns the files in which the password stands."""
    return [f for f in folder.rglob("*") if f.is_file() and PASSWORD.encode() in f.read_bytes()]


def test_a_password_is_written_nowhere(shared_server, sealed_environment, monkeypatch):
    uri = shared_server.uri.replace("://", f"://bob:{PASSWORD}@")
    typed = f"tracking.uri='{uri}'"
    here("train", *SMALL, typed, check=True)
    here("train", "-m", *SMALL, typed, "seed=1,2", "hydra/launcher=parallel", check=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    here("train", *SMALL, check=True)
    assert holders(sealed_environment) == []
    assert holders(shared_server.folder) == []
    assert here("runs", "--json", check=True).stdout.count('"run_id"') == 4


def test_what_is_sent_later_takes_the_password_from_the_environment(monkeypatch):
    kept = recorded(SERVER, Path("/p/outputs/a"), Path("/p"))
    assert kept == "https://bob@runs.example.org:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    assert of_record(kept, Path("/p/outputs/a")) == SERVER
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://bob:secret@elsewhere.example.org:5000")
    assert of_record(kept, Path("/p/outputs/a")) == kept  # one server's is not another's


@pytest.mark.parametrize(
    ("uri", "kept", "moved"),
    [
        ("sqlite:////p/mlflow.db", "sqlite:///../../mlflow.db", "sqlite:////q/mlflow.db"),
        (
            "sqlite:////p/a%3Fb?mode=rw",
            "sqlite:///../../a%3Fb?mode=rw",
            "sqlite:////q/a%3Fb?mode=rw",
        ),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("postgresql://bob@h/db", "postgresql://bob@h/db", "postgresql://bob@h/db"),
    ],
)
def test_a_store_of_the_project_moves_with_it(uri, kept, moved):
    assert recorded(uri, Path("/p/outputs/a"), Path("/p")) == kept
    assert of_record(kept, Path("/p/outputs/a")) == uri
    assert of_record(kept, Path("/q/outputs/a")) == moved
