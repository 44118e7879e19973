"""``session.upsert()``: rows that may be there already, written without asking first."""

import datetime

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String, UniqueConstraint, event, func, insert, select

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, relationship
from ropewalk.exc import ArgumentError, InvalidRequestError


class Base(DeclarativeBase):
    pass


class Port(Base):
    __tablename__ = "port"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str | None] = mapped_column("port_name", String(40))
    depth: Mapped[int | None]
    kind: Mapped[str] = mapped_column(String(20), server_default="natural")
    made: Mapped[int] = mapped_column(default=lambda: 7)
    touched: Mapped[int | None] = mapped_column(onupdate=lambda: 9)
    note: Mapped[str | None] = mapped_column(String(40), deferred=True)


class Berth(Base):
    __tablename__ = "berth"
    __table_args__ = (UniqueConstraint("port_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    port_id: Mapped[int] = mapped_column(ForeignKey("port.id"))
    number: Mapped[int]
    taken: Mapped[bool] = mapped_column(default=False)
    port: Mapped[Port] = relationship()


class Level(Base):
    __tablename__ = "level"
    day: Mapped[datetime.date] = mapped_column(primary_key=True)
    port: Mapped[int] = mapped_column(primary_key=True)
    height: Mapped[int]


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def there(session, **values):
    table = Port.__table__
    session.connection().execute(insert(table), {"made": 1, **values})
    return session.connection().scalar(select(table.c.id).where(table.c.code == values["code"]))


def test_a_row_that_is_not_there_is_inserted(session):
    port = session.upsert(Port(code="HAM", name="Hamburg"), on=Port.code)
    assert port in session.new
    session.flush()
    assert inspect(port).persistent and port.id
    assert (port.kind, port.made, port.touched) == ("natural", 7, None)
    assert session.get(Port, port.id) is port


def test_a_row_that_is_there_is_updated_and_what_was_not_said_comes_back(session):
    known = there(session, code="HAM", port_name="Hammaburg", depth=12, kind="river", note="old")
    port = session.upsert(Port(code="HAM", name="Hamburg"), on="code")
    session.flush()
    assert (port.id, port.name, port.depth, port.kind) == (known, "Hamburg", 12, "river")
    assert (port.made, port.touched, port.note) == (1, 9, "old")
    session.commit()
    assert session.scalars(select(Port)).all() == [port]
    assert (port.name, port.made, port.touched) == ("Hamburg", 1, 9)


def test_only_what_is_to_be_updated_is(session):
    there(session, code="HAM", port_name="Hammaburg", depth=12)
    port = session.upsert(Port(code="HAM", name="Hamburg", depth=15), on=Port.code, update=[Port.depth])
    session.flush()
    assert (port.name, port.depth) == ("Hammaburg", 15)
    session.expunge_all()
    kept = session.upsert(Port(code="HAM", name="X", depth=1), on=Port.code, update=[])
    session.flush()
    assert (kept.name, kept.depth) == ("Hammaburg", 15)


def test_many_go_in_few_statements(session):
    ids = {code: there(session, code=code, depth=1) for code in ("P3", "P7", "P11")}
    ports = [Port(code=f"P{i}", name=f"n{i}") for i in range(100)]
    with count_statements(session.get_bind()) as counted:
        assert session.upsert_all(ports, on=Port.code) == ports
        session.flush()
    assert counted.count <= 4
    stored = {code: (id_, name) for id_, code, name in session.execute(select(Port.id, Port.code, Port.name))}
    assert {p.code: (p.id, p.name) for p in ports} == stored and len(stored) == 100
    assert all(stored[code][0] == id_ for code, id_ in ids.items())
    assert ports[3].depth == 1 and ports[4].depth is None


def test_the_session_keeps_one_object_for_a_row(session):
    there(session, code="HAM", depth=12)
    held = session.scalars(select(Port)).one()
    assert session.upsert(Port(code="HAM", depth=20), on=Port.code) is held
    assert held.depth == 20
    first = session.upsert(Port(code="BRE", name="one"), on=Port.code)
    assert session.upsert(Port(code="BRE", name="two"), on=Port.code) is first
    session.commit()
    assert (first.name, held.depth) == ("two", 20)
    assert session.scalar(select(func.count()).select_from(Port)) == 2


def test_by_primary_key_of_several_columns(session):
    day = datetime.date(2024, 2, 29)
    session.add(Level(day=day, port=1, height=5))
    session.commit()
    session.expunge_all()
    levels = session.upsert_all([Level(day=day, port=p, height=p * 10) for p in (1, 2)])
    session.commit()
    assert [(lv.port, lv.height) for lv in levels] == [(1, 10), (2, 20)]
    assert session.scalar(select(func.count()).select_from(Level)) == 2


def test_keys_of_parents_reach_it(session):
    for taken in (False, True):
        port = session.upsert(Port(code="HAM"), on=Port.code)
        berth = session.upsert(Berth(port=port, number=3, taken=taken), on=["port_id", "number"])
        session.commit()
        assert (berth.port, berth.taken) == (port, taken)
        session.expunge_all()
    assert session.scalar(select(func.count()).select_from(Berth)) == 1


def test_new_and_perhaps_new_objects_in_one_flush(session):
    known = there(session, code="B", port_name="old")
    a, b, c = Port(code="A"), Port(code="B", name=None), Port(code="C", name=func.upper("see"))
    session.add(a)
    session.upsert_all([b, c], on=Port.code)
    session.flush()
    assert b.id == known and b.name is None and c.name == "SEE"
    assert len({a.id, b.id, c.id}) == 3


def test_a_rollback_makes_it_new_again(session):
    there(session, code="HAM", depth=12)
    session.commit()
    port = session.upsert(Port(code="HAM", depth=1), on=Port.code)
    session.flush()
    session.rollback()
    assert inspect(port).transient
    assert session.scalars(select(Port.depth)).one() == 12


@pytest.mark.databases("mariadb")
def test_texts_that_fold_case_meet_their_rows(session):
    known = [there(session, code=code, depth=1) for code in ("ham", "bre")]
    ports = session.upsert_all([Port(code="HAM", depth=2), Port(code="BRE", depth=3)], on=Port.code)
    session.flush()
    assert [p.id for p in ports] == known and [p.depth for p in ports] == [2, 3]


def test_bad_input_is_named(session):
    with pytest.raises(ArgumentError, match="colour.*no column attribute of Port.*code"):
        session.upsert(Port(code="X"), on="colour")
    with pytest.raises(InvalidRequestError, match="no value"):
        session.upsert(Port(name="X"), on=Port.code)
    port = Port(code="X")
    session.add(port)
    session.commit()
    assert session.upsert(port, on=Port.code) is port
    session.expunge(port)
    with pytest.raises(InvalidRequestError, match="detached.*merge"):
        session.upsert(port, on=Port.code)


def test_the_driver_that_returns_nothing_is_asked_afterwards(sqlite_engine, monkeypatch):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        known = there(session, code="HAM", depth=12)
        monkeypatch.setattr(sqlite_engine.dialect, "insert_returning", False)
        monkeypatch.setattr(sqlite_engine.dialect, "insert_executemany_returning", False)
        ports = session.upsert_all([Port(code="HAM", name="h"), Port(code="BRE", name="b")], on=Port.code)
        session.flush()
        assert ports[0].id == known and ports[1].id != known
        assert [(p.name, p.depth) for p in ports] == [("h", 12), ("b", None)]


def test_listeners_are_told_of_inserts(session):
    there(session, code="HAM", port_name="Hammaburg")
    told, given = [], []

    def name(mapper, connection, target):
        told.append(("before", target.code))
        target.name = target.name.upper()

    listeners = [
        (Port, "before_insert", name),
        (Port, "after_insert", lambda mapper, connection, target: told.append(("after", target.id is not None))),
        (Port, "before_update", lambda mapper, connection, target: told.append("update")),
        (Port, "refresh_flush", lambda target, context, attrs: given.append(attrs)),
        (session, "pending_to_persistent", lambda session, target: told.append(("persistent", target.code))),
    ]
    for listener in listeners:
        event.listen(*listener)
    try:
        ports = session.upsert_all([Port(code="HAM", name="Hamburg"), Port(code="BRE", name="Bremen")], on="code")
        session.flush()
    finally:
        for listener in listeners:
            event.remove(*listener)
    assert told == [
        ("before", "HAM"),
        ("before", "BRE"),
        ("after", True),
        ("after", True),
        ("persistent", "HAM"),
        ("persistent", "BRE"),
    ]
    assert all(len(attrs) == len(set(attrs)) for attrs in given)
    session.commit()
    assert [port.name for port in ports] == ["HAMBURG", "BREMEN"]
