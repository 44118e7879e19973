"""An insert sentinel tells the rows of one INSERT apart where their keys, which the database makes, do not."""

import uuid

import pytest
from sqlalchemy import String, event, insert, literal_column, select, text, update

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, orm_insert_sentinel

RANDOM_KEY = {
    "sqlite": "(lower(hex(randomblob(16))))",
    "postgresql": "gen_random_uuid()::text",
    "mysql": "(md5(concat(uuid(), rand())))",
}
VALUES = [f"v{i}" for i in range(7)]


def mapped(engine, **given):
    class Base(DeclarativeBase):
        pass

    class Reading(Base):
        __tablename__ = "sentinel_reading"
        id: Mapped[str] = mapped_column(String(36), primary_key=True, server_default=text(RANDOM_KEY[engine.name]))
        value: Mapped[str] = mapped_column(String(10))
        _sentinel: Mapped[int] = orm_insert_sentinel(**given)

    class Counted(Base):
        __tablename__ = "sentinel_counted"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[str] = mapped_column(String(10))
        _sentinel: Mapped[int] = orm_insert_sentinel(**given)

    Base.metadata.create_all(engine)
    return Reading, Counted


@pytest.fixture
def statements(engine):
    seen = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, many):
        seen.append(statement)

    yield seen
    event.remove(engine, "before_cursor_execute", note)


def by_key(engine, class_):
    with Session(engine) as other:
        return dict(other.execute(select(class_.id, class_.value)).all())


@pytest.mark.parametrize("given", [{}, {"type_": String(40), "default": lambda: str(uuid.uuid4())}])
def test_random_keys_reach_their_objects_by_one_statement(engine, statements, given):
    for class_ in mapped(engine, **given):
        with Session(engine) as session:
            objects = [class_(value=value) for value in VALUES]
            session.add_all(objects)
            del statements[:]
            session.commit()
            assert len([s for s in statements if s.startswith("INSERT")]) == 1
            assert by_key(engine, class_) == {o.id: o.value for o in objects}
            assert "_sentinel" not in vars(objects[0])


def test_keys_reach_their_objects_where_nobody_listens(engine):
    for class_ in mapped(engine):
        with Session(engine) as session:
            objects = [class_(value=value) for value in VALUES]
            session.add_all(objects)
            session.commit()
            assert by_key(engine, class_) == {o.id: o.value for o in objects}


def test_rows_with_keys_of_their_own_have_no_use_for_it(engine, statements):
    reading, _ = mapped(engine)
    with Session(engine) as session:
        session.add_all([reading(id=value, value=value) for value in VALUES])
        del statements[:]
        session.commit()
        assert statements
        assert not any("_sentinel" in s for s in statements)
        assert session.scalars(select(literal_column("_sentinel")).select_from(reading)).all() == [None] * len(VALUES)


def test_nothing_but_the_insert_mentions_it(engine, statements):
    for class_ in mapped(engine):
        with Session(engine) as session:
            session.add_all([class_(value=value) for value in VALUES])
            session.commit()
            del statements[:]
            found = session.scalars(select(class_).order_by(class_.value)).all()
            found[0].value = "new"
            session.commit()
            session.refresh(found[0])
            session.merge(class_(id=found[1].id, value="merged"))
            free = found[2].id
            session.delete(found[2])
            session.commit()
            session.execute(insert(class_), [{"id": free, "value": "x"}])
            session.execute(update(class_), [{"id": found[0].id, "value": "y"}])
            session.commit()
            assert len(statements) > 6
            assert not any("_sentinel" in s for s in statements)


def test_returning_in_the_order_of_the_parameters(engine, statements):
    for class_ in mapped(engine):
        with Session(engine) as session:
            statement = insert(class_).returning(class_, sort_by_parameter_order=True)
            del statements[:]
            found = session.scalars(statement, [{"value": value} for value in VALUES]).all()
            assert [o.value for o in found] == VALUES
            assert len(statements) == 1
            assert "_sentinel" not in vars(found[0])
            session.commit()
            assert by_key(engine, class_) == {o.id: o.value for o in found}


def test_one_that_is_not_left_out_is_loaded(engine):
    for class_ in mapped(engine, omit_from_statements=False):
        with Session(engine) as session:
            objects = [class_(value=value) for value in VALUES]
            session.add_all(objects)
            session.commit()
            assert sorted(session.scalars(select(class_._sentinel)).all()) == list(range(len(VALUES)))
            assert [o._sentinel for o in objects] == list(range(len(VALUES)))
