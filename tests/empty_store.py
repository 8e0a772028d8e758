"""What MLflow makes of an empty database: kept, since its migrations take a second and more."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from typing import Any


def remember() -> None:
    """Has this process copy the first store that MLflow makes, instead of making others."""
    from mlflow.store.db import utils

    kept: list[bytes] = []
    initialize = utils._initialize_tables

    def copy(engine: Any) -> None:
        if engine.dialect.name != "sqlite":
            initialize(engine)
            return
        if not kept:
            kept.append(_made(initialize))
        with (
            contextlib.closing(sqlite3.connect(":memory:")) as store,
            contextlib.closing(engine.raw_connection()) as connection,
        ):
            store.deserialize(kept[0])
            store.backup(connection.driver_connection)

    utils._initialize_tables = copy


def _made(initialize: Callable[[Any], None]) -> bytes:
    from mlflow.store.db import utils

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/mlflow.db"
        engine = utils.create_sqlalchemy_engine(f"sqlite:///{file}")
        initialize(engine)
        engine.dispose()
        with contextlib.closing(sqlite3.connect(file)) as made:
            return made.serialize()
