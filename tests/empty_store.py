"""What MLflow makes of an empty database: kept, since its migrations take a second and more."""

import contextlib
import functools
import sqlite3
import tempfile
from collections.abc import Callable
from typing import Any


def remember() -> None:
    """Has this process copy the first store that MLflow makes, instead of making others.

    Which version its tables have is read once as well, from two hundred files of MLflow's.
    """
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
    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)


def _made(initialize: Callable[[Any], None]) -> bytes:
    from mlflow.store.db import utils

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/mlflow.db"
        engine = utils.create_sqlalchemy_engine(f"sqlite:///{file}")
        initialize(engine)
        engine.dispose()
        with contextlib.closing(sqlite3.connect(file)) as made:
            return made.serialize()
