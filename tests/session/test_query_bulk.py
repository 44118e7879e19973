"""query.update() and query.delete(): the rows, and the objects that stand for them."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String, func, select

import ropewalk
from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, synonym
from ropewalk.exc import ArgumentError, InvalidRequestError


class Base(DeclarativeBase):
    pass


class Cask(Base):
    __tablename__ = "cask"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column("label_text", String(50))
    litres: Mapped[int]
    stamp: Mapped[int | None] = mapped_column(onupdate=7)
    volume = synonym("litres")


class Berth(Base):
    __tablename__ = "berth"
    dock: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    cask_id: Mapped[int | None] = mapped_column(ForeignKey("cask.id"))


SYNCHRONIZE = pytest.mark.parametrize("synchronize", ["auto", "evaluate", "fetch"])


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            Cask.__table__.insert(),
            [{"id": i, "label_text": f"no {i}", "litres": 10 * i, "stamp": 1} for i in range(1, 5)],
        )
        connection.execute(Berth.__table__.insert(), [{"dock": 1, "number": n, "cask_id": 4} for n in (1, 2)])
    with Session(engine) as session:
        yield session


def litres(session):
    return list(session.scalars(select(Cask.__table__.c.litres).order_by(Cask.__table__.c.id)))


@SYNCHRONIZE
def test_objects_whose_rows_changed_read_the_new_values(session, synchronize):
    casks = session.query(Cask).order_by(Cask.id).all()
    changed = session.query(Cask).filter(Cask.litres > 20).update({"litres": 1}, synchronize_session=synchronize)
    assert changed == 2
    assert [cask.litres for cask in casks] == [10, 20, 1, 1]
    assert [cask.stamp for cask in casks] == [1, 1, 7, 7]


def test_objects_whose_rows_did_not_change_stay_as_they_are(session):
    first, second = session.query(Cask).filter(Cask.id < 3).order_by(Cask.id)
    session.query(Cask).filter_by(id=2).update({"litres": 1})
    with count_statements(session.get_bind()) as sent:
        assert (first.litres, first.label, second.label) == (10, "no 1", "no 2")
    assert sent.count == 0


def test_without_synchronization_objects_stay_as_they_are(session):
    cask = session.get(Cask, 1)
    session.query(Cask).update({"litres": 1}, synchronize_session=False)
    assert cask.litres == 10
    session.refresh(cask)
    assert cask.litres == 1


def test_values_may_be_given_by_name_attribute_column_and_synonym(session):
    table = Cask.__table__
    session.query(Cask).filter_by(id=1).update({"label": "a", Cask.litres: Cask.litres + 1})
    session.query(Cask).filter_by(id=2).update({table.c.label_text: "b", "volume": 5})
    session.query(Cask).filter_by(id=3).update(
        [(Cask.litres, func.abs(-3))], update_args={"preserve_parameter_order": True}
    )
    assert litres(session) == [11, 5, 3, 40]
    assert session.get(Cask, 2).label == "b"


def test_what_is_pending_is_written_first(session):
    session.add(Cask(id=9, label="new", litres=90))
    assert session.query(Cask).filter(Cask.litres == 90).update({"litres": 91}) == 1
    assert session.get(Cask, 9).litres == 91


def test_no_key_is_asked_for_where_no_object_is_held(session):
    with count_statements(session.get_bind()) as sent:
        session.query(Cask).filter_by(id=1).update({"litres": 1})
    assert sent.count == 1


@SYNCHRONIZE
def test_deleted_rows_objects_are_deleted(session, synchronize):
    one, two = session.query(Cask).filter(Cask.id < 3).order_by(Cask.id)
    assert session.query(Cask).filter_by(id=1).delete(synchronize_session=synchronize) == 1
    assert one not in session
    assert two in session
    assert ropewalk.inspect(one).deleted
    session.commit()
    assert ropewalk.inspect(one).detached


def test_a_rollback_brings_deleted_objects_back(session):
    one = session.get(Cask, 1)
    session.query(Cask).filter_by(id=1).delete()
    session.rollback()
    assert one in session
    assert one.litres == 10


def test_deleting_what_is_to_be_deleted_anyway(session):
    one = session.get(Cask, 1)
    session.delete(one)
    assert session.query(Cask).filter_by(id=1).autoflush(False).delete() == 1
    session.commit()
    assert ropewalk.inspect(one).detached


def test_composite_keys(session):
    berth = session.get(Berth, (1, 2))
    session.query(Berth).filter_by(number=2).update({"cask_id": None})
    assert berth.cask_id is None
    session.query(Berth).delete()
    assert berth not in session


def test_criteria_with_subqueries_and_parameters(session):
    biggest = session.query(func.max(Cask.litres)).scalar_subquery()
    assert session.query(Cask).filter(Cask.litres == biggest).update({"litres": 0}) == 1
    assert litres(session) == [10, 20, 30, 0]


def test_without_a_transaction_it_is_one_of_its_own(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine, transactional=False) as session:
        session.add(Cask(id=1, label="x", litres=1))
        session.flush()
        assert session.query(Cask).update({"litres": 2}) == 1
        with sqlite_engine.connect() as connection:
            assert connection.scalar(select(Cask.__table__.c.litres)) == 2


def test_what_cannot_be_is_refused_before_anything_is_sent(session):
    with count_statements(session.get_bind()) as sent:
        with pytest.raises(InvalidRequestError, match=r"'liters'.*'litres'"):
            session.query(Cask).update({"liters": 1})
        with pytest.raises(InvalidRequestError, match=r"limit\(\)"):
            session.query(Cask).limit(1).update({"litres": 1})
        with pytest.raises(InvalidRequestError, match=r"join\(\)"):
            session.query(Cask).join(Berth).delete()
        with pytest.raises(ArgumentError, match="'perhaps'"):
            session.query(Cask).delete(synchronize_session="perhaps")
    assert sent.count == 0
