"""What importing the package does to a process, each time seen in a new one."""

from __future__ import annotations

import subprocess
import sys

import pytest

# One class on each side; both registries are in use afterwards.
ROPEWALK_MODEL = """
import ropewalk

class Ours(ropewalk.DeclarativeBase): ...

class Rope(Ours):
    __tablename__ = "rope"
    id: ropewalk.Mapped[int] = ropewalk.mapped_column(primary_key=True)

"""

SQLALCHEMY_MODEL = """
import sqlalchemy.orm

class Theirs(sqlalchemy.orm.DeclarativeBase): ...

class Cable(Theirs):
    __tablename__ = "cable"
    id: sqlalchemy.orm.Mapped[int] = sqlalchemy.orm.mapped_column(primary_key=True)

"""

USE_BOTH = """
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

engine = create_engine("sqlite://", poolclass=StaticPool)
for base, session_class, class_ in (
    (Ours, ropewalk.Session, Rope),
    (Theirs, sqlalchemy.orm.Session, Cable),
):
    base.metadata.create_all(engine)
    with session_class(engine) as session:
        session.add(class_(id=1))
        session.commit()
        assert session.get(class_, 1).id == 1
        assert session.scalars(sqlalchemy.select(class_)).one().id == 1
"""


def run(source: str) -> str:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_orm_of_sqlalchemy_stays_out() -> None:
    # Mapping and querying too: a lazy import inside a function would show only then.
    use = ROPEWALK_MODEL + (
        "from sqlalchemy import create_engine\n"
        "engine = create_engine('sqlite://')\n"
        "with ropewalk.Session(engine) as session:\n"
        "    Ours.metadata.create_all(session.connection())\n"
        "    session.add(Rope(id=1))\n"
        "    session.flush()\n"
        "    session.scalars(ropewalk.select(Rope)).one()\n"
    )
    look = "import sys; print(sorted(name for name in sys.modules if name.startswith('sqlalchemy.orm')))"
    assert run("import ropewalk\n" + look) == "[]"
    assert run(use + look) == "[]"


@pytest.mark.parametrize(
    "models",
    [ROPEWALK_MODEL + SQLALCHEMY_MODEL, SQLALCHEMY_MODEL + ROPEWALK_MODEL],
    ids=["before SQLAlchemy's", "after SQLAlchemy's"],
)
def test_both_orms_live_in_one_process(models: str) -> None:
    run(models + USE_BOTH)


ASYNC_MODEL = """
import asyncio
from ropewalk.ext.asyncio import AsyncSession, create_async_engine

async def use_async(class_):
    engine = create_async_engine("sqlite+aiosqlite://")
    async with AsyncSession(engine) as session:
        await (await session.connection()).run_sync(class_.metadata.create_all)
        session.add(class_(id=1))
        await session.commit()
        assert (await session.get(class_, 1)).id == 1
    await engine.dispose()

asyncio.run(use_async(Rope))
"""


@pytest.mark.parametrize(
    "models",
    [ROPEWALK_MODEL + ASYNC_MODEL + SQLALCHEMY_MODEL, SQLALCHEMY_MODEL + ROPEWALK_MODEL + ASYNC_MODEL],
    ids=["before SQLAlchemy's", "after SQLAlchemy's"],
)
def test_async_sessions_live_beside_the_orm_of_sqlalchemy(models: str) -> None:
    # Core's asyncio package imports that ORM, so that it comes in here in either case.
    run(models + USE_BOTH)


def test_only_the_async_names_import_cores_asyncio() -> None:
    look = "import sys; print('sqlalchemy.ext.asyncio' in sys.modules)"
    assert run("import ropewalk, ropewalk.ext.associationproxy, ropewalk.aio\n" + look) == "False"
    assert run("import ropewalk.ext.asyncio\n" + look) == "True"


def test_no_database_is_imported_before_it_is_used() -> None:
    look = "import sys; print([name for name in sys.modules if name.startswith('sqlalchemy.dialects.')])"
    assert run("import ropewalk\n" + look) == run("import sqlalchemy\n" + look)


USE_EVENTS_OF_BOTH = """
from sqlalchemy import event

told = []
classes = {}

class Mixin: ...

@event.listens_for(Mixin, "init", propagate=True)
def init(target, args, kwargs):
    told.append(type(target).__name__)

@event.listens_for(Mixin, "before_insert", propagate=True)
def before_insert(mapper, connection, target):
    told.append("insert " + type(target).__name__)

for base, orm in ((Ours, ropewalk), (Theirs, sqlalchemy.orm)):
    class Both(Mixin, base):
        __tablename__ = "both"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str]
    Both.__name__ += orm.__name__
    classes[base] = Both

    event.listen(Both, "init", init, propagate=True)
    event.listen(base, "load", lambda target, context: told.append("load"), propagate=True)
    event.listen(Both.name, "set", lambda target, value, old, initiator: told.append(value))
    event.listen(orm.Session, "before_flush", lambda *_: told.append("flush"))
    event.listen(orm.Mapper, "before_configured", lambda: None)

from sqlalchemy import create_engine, select
from sqlalchemy.pool import StaticPool

for base, orm in ((Ours, ropewalk), (Theirs, sqlalchemy.orm)):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    base.metadata.create_all(engine)
    class_ = classes[base]
    with orm.Session(engine) as session:
        session.add(class_(id=1, name="x"))
        session.commit()
        session.expunge_all()
        session.scalars(select(class_)).one()
    name = class_.__name__
    assert told == [name, name, "x", "flush", f"insert {name}", "load"], told
    told.clear()

event.remove(Mixin, "init", init)
event.remove(Mixin, "before_insert", before_insert)
assert not event.contains(Mixin, "init", init)
"""


@pytest.mark.parametrize(
    "models",
    [ROPEWALK_MODEL + SQLALCHEMY_MODEL, SQLALCHEMY_MODEL + ROPEWALK_MODEL],
    ids=["before SQLAlchemy's", "after SQLAlchemy's"],
)
def test_listeners_hear_the_orm_that_they_are_for(models: str) -> None:
    """A listener to a mixin hears the classes of both; nobody hears twice."""
    run(models + USE_EVENTS_OF_BOTH)
