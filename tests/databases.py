"""PostgreSQL for the tests of stores: a server of their own on a loopback port."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import waiting
from servers import free_port

_DEBIAN = "/usr/lib/postgresql"  # where Debian keeps what is not on the PATH
_USER = "postgres"  # Debian's, for PostgreSQL does not run as root
# Nothing in it outlives the tests.
_SETTINGS = ("fsync=off", "full_page_writes=off", "unix_socket_directories=")


class PostgreSQL:
    """A running server."""

    def __init__(self, port: int) -> None:
        """Knows where it listens, and starts nothing.

        Args:
            port: on 127.0.0.1.
        """
        self._address = f"127.0.0.1:{port}"

    def database(self, name: str) -> str:
        """Makes an empty database; returns its URI, with a user and a password."""
        import psycopg

        with psycopg.connect(self._uri("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._uri(name)

    def _uri(self, database: str) -> str:
        return f"postgresql://{_USER}:secret@{self._address}/{database}"


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Runs a server with no database yet while the block lasts."""
    initdb, postgres = _program("initdb"), _program("postgres")
    with tempfile.TemporaryDirectory(prefix="postgresql") as folder:
        options: dict[str, Any] = {"cwd": folder}
        if os.getuid() == 0:
            shutil.chown(folder, _USER, _USER)
            options |= {"user": _USER, "group": _USER, "extra_groups": []}
        password, data, log = (Path(folder, name) for name in ("password", "data", "log"))
        password.write_text("secret")
        made = [initdb, "--no-sync", "--auth=scram-sha-256", "-U", _USER, "-D", str(data)]
        subprocess.run(
            [*made, f"--pwfile={password}"], check=True, stdout=subprocess.DEVNULL, **options
        )
        port = free_port()
        settings = [argument for text in _SETTINGS for argument in ("-c", text)]
        command = [postgres, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), *settings]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, **options)
        try:
            ready = "ready to accept connections"
            waiting.until(lambda: ready in log.read_text(), process=process, what=log.read_text)
            yield PostgreSQL(port)
        finally:
            process.send_signal(signal.SIGINT)  # without waiting for who is connected
            process.wait()


def _program(name: str) -> str:
    versions = sorted(Path(_DEBIAN).glob(f"*/bin/{name}"), reverse=True)
    program = shutil.which(name) or next(map(str, versions), None)
    if program is None:
        pytest.fail("needs PostgreSQL: apt-get install postgresql")
    return program
