"""One query over several slow databases, which a session asks at the same time."""

import importlib
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from .harness import Bar, Run, Work, expect

SLOW = 0.1
"""Seconds that each database takes for its answer."""

ROWS = 50
"""Rows of each SQLite database."""


def _slow_sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def add_function(connection: Any, record: Any) -> None:
        connection.create_function("slow", 0, lambda: time.sleep(SLOW))

    return engine


def _sharded(run: Run) -> Any:
    """The module of sharded sessions that belongs to the ORM."""
    assert run.orm is not None
    package = run.orm.module_name.removesuffix(".orm")
    return importlib.import_module(f"{package}.ext.horizontal_shard")


def ask(run: Run, *, shards: int) -> None:
    """Ask so many databases for their first ten rows, merged by our side; connections are open already."""
    item, names = run.item, [str(i) for i in range(shards)]
    with tempfile.TemporaryDirectory() as folder:
        if run.database.name == "sqlite":
            engines = [_slow_sqlite(Path(folder) / f"{name}.db") for name in names]
            for engine in engines:
                item.metadata.create_all(engine)
                with engine.begin() as connection:
                    rows = [{"id": i, "name": "n", "x": i, "y": 0.5} for i in range(ROWS)]
                    connection.execute(item.__table__.insert(), rows)
            slow = "(SELECT slow()) IS NULL"
        else:
            engines = [run.database.engine() for _ in names]
            slow = f"(SELECT pg_sleep({SLOW})) IS NOT NULL"
        session = _sharded(run).ShardedSession(
            shards=dict(zip(names, engines, strict=True)),
            shard_chooser=lambda *args, **kw: "0",
            identity_chooser=lambda *args, **kw: names,
            execute_chooser=lambda context: names,
        )
        with session:
            statement = run.select(item).order_by(item.id).limit(10)
            session.execute(statement).all()
            with run.timed():
                found = session.scalars(statement.where(text(slow))).all()
        for engine in engines:
            engine.dispose()
    expect(len(found) >= 10, True, "rows")


def works() -> list[Work]:
    within = Bar(1.3, at_most=True, against="shard-1")
    return [
        Work("shard-1", "a slow database", partial(ask, shards=1), None, count=1, rows=ROWS, unit="ms", rounds=5),
        Work(
            "shards-4",
            "four slow databases at once",
            partial(ask, shards=4),
            None,
            count=1,
            rows=ROWS,
            unit="ms",
            rounds=5,
            bars={"sqlite": within, "postgresql": within},
        ),
    ]
