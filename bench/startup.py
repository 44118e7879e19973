"""How long a program waits before its first statement; the measure is Core without any ORM."""

import os
import subprocess
import sys

from .harness import DRIVER, Bar, Run, Work, expect

PROGRAM = """
import time
start = time.perf_counter()
from sqlalchemy import create_engine
{define}
with create_engine("sqlite://").connect():
    pass
print((time.perf_counter() - start) * 1000, ",".join(table.c.keys()))
"""

WITH_ORM = """
from {module} import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    x: Mapped[int]
    y: Mapped[float]

table = Item.__table__
"""

WITH_CORE = """
from sqlalchemy import Column, Float, Integer, MetaData, String, Table

table = Table(
    "item",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("x", Integer, nullable=False),
    Column("y", Float, nullable=False),
)
"""


def _start(run: Run, define: str) -> None:
    """Run a whole program in an interpreter of its own, and take the time it tells."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # as after an installation: every contender's bytecode is there
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(define=define)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    milliseconds, columns = done.stdout.split()
    expect(columns, "id,name,x,y", "columns")
    run.record(float(milliseconds))


def with_orm(run: Run) -> None:
    assert run.orm is not None
    _start(run, WITH_ORM.format(module=run.orm.module_name))


def with_core(run: Run) -> None:
    _start(run, WITH_CORE)


def works() -> list[Work]:
    return [
        Work(
            "startup",
            "import, model, connect (driver: Core alone)",
            with_orm,
            with_core,
            count=1,
            bars={"sqlite": Bar(1.15, at_most=True, against=DRIVER)},
            only_on="sqlite",
            unit="ms",
        )
    ]
