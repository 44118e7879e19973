"""Where a database takes "Eel" and "eel" for one text, so does what several shards answer together."""

from contextlib import ExitStack

import databases
import pytest
from sqlalchemy import String, create_engine, distinct, func, insert

from ropewalk import DeclarativeBase, Mapped, mapped_column, select
from ropewalk.ext.horizontal_shard import ShardedSession


class Base(DeclarativeBase):
    pass


class Fish(Base):
    __tablename__ = "fish"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None] = mapped_column(String(10).with_variant(String(10, collation="NOCASE"), "sqlite"))


@pytest.fixture
def session(engine, tmp_path):
    with ExitStack() as stack:
        if engine.dialect.name == "sqlite":
            other = databases.sqlite(f"sqlite:///{tmp_path / 'other.db'}")
        else:
            other = create_engine(stack.enter_context(databases.mariadb()).url)
        stack.callback(other.dispose)
        for each, kinds in ((engine, ["eel", "Cod", None]), (other, ["Eel", "bass", "EEL"])):
            Base.metadata.create_all(each)
            with each.begin() as connection:
                connection.execute(insert(Fish.__table__), [{"kind": kind} for kind in kinds])
        yield stack.enter_context(
            ShardedSession(shards={"one": engine, "other": other}, shard_chooser=lambda *args, **kw: "one")
        )


@pytest.mark.databases("sqlite", "mariadb")
def test_texts_that_the_database_takes_for_equal(session):
    kinds = session.scalars(select(Fish.kind).distinct().order_by(Fish.kind)).all()
    assert [kind and kind.lower() for kind in kinds] == [None, "bass", "cod", "eel"]
    assert session.scalar(select(func.count(distinct(Fish.kind)))) == 3
    groups = session.execute(select(Fish.kind, func.count()).group_by(Fish.kind).order_by(func.count().desc())).all()
    assert (groups[0].kind.lower(), groups[0][1]) == ("eel", 3)
    assert len(groups) == 4


@pytest.mark.databases("sqlite", "mariadb")
def test_the_least_and_the_greatest_text_are_the_databases(session):
    least, greatest = session.execute(select(func.min(Fish.kind), func.max(Fish.kind))).one()
    assert (least, greatest.lower()) == ("bass", "eel")  # to Python it would be "Cod" and "eel"
