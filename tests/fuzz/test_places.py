"""Addresses that records and journals name: of artifacts, and of stores."""

import posixpath
from urllib.parse import unquote, urlsplit

from fuzzing import TEXTS, cases, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.artifact_root import require

PARTS = st.sampled_from(
    ["..", ".", "", "mlruns", "1", "/", "//", "file:", "file://", "%2e%2e", "%2F", "s3://bucket",
     "http://host", "mlflow-artifacts:/", "~", "\x00", "\\", "?", "#", "[", "]", "@", ":"]
)  # fmt: skip
ADDRESSES = st.lists(PARTS | TEXTS, max_size=8).map("/".join) | st.lists(PARTS, max_size=8).map(
    "".join
)


@cases(8_000)
@given(ADDRESSES, st.booleans())
@example("../mlruns/../../etc", True)
def test_artifacts_lie_where_the_store_keeps_them(sealed_environment, place, below):
    root = sealed_environment / "mlruns"
    named = f"{root}/{place}" if below else place
    with watched(sealed_environment, RequestError):
        require(named, f"sqlite:///{sealed_environment}/mlflow.db")
        path = unquote(urlsplit(named).path) if named.startswith("file:") else named
        assert f"{posixpath.normpath(path)}/".startswith(f"{root}/")


@cases(4_000)
@given(ADDRESSES)
@example("../other")
@example("a/../../other")
def test_artifacts_of_a_server_lie_where_it_keeps_them(sealed_environment, place):
    root = "s3://bucket/mlruns"
    with watched(sealed_environment, RequestError):
        require(f"{root}/{place}", "http://host", root)
        path = posixpath.normpath(urlsplit(f"{root}/{place}").path)
        assert f"{path}/".startswith("/mlruns/")


@cases(4_000)
@given(ADDRESSES, st.sampled_from(["", "sqlite:", "sqlite:///", "http://", "file://"]))
@example("", "sqlite:///")
def test_stores(sealed_environment, address, scheme):
    job_dir = sealed_environment / "outputs" / "job"
    with watched(sealed_environment, RequestError):
        uri = location.resolve(scheme + address)
        location.sqlite_path(uri)
        text = location.recorded(uri, job_dir, sealed_environment)
        if "@" not in uri:
            assert location.of_record(text, job_dir) == uri
    with watched(sealed_environment, RequestError):
        location.of_record(scheme + address, job_dir)
