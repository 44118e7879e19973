"""Session, sessionmaker, create_session: how a session is made, and what it is bound to."""

import pytest
from databases import count_statements
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import UnboundExecutionError

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    close_all_sessions,
    create_session,
    inspect,
    mapped_column,
    registry,
    select,
    sessionmaker,
)


class Base(DeclarativeBase):
    pass


class Ship(Base):
    __tablename__ = "ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Port(Base):
    __tablename__ = "port"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    return sqlite_engine


@pytest.fixture
def second(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'second.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def count(engine, class_=Ship):
    with engine.connect() as connection:
        return connection.scalar(core_select(func.count()).select_from(class_.__table__))


# Options


def test_defaults_of_a_session(database):
    session = Session(database)
    assert session.autoflush is True
    assert session.expire_on_commit is True
    assert session.bind is database


def test_bind_is_the_first_argument_of_all_three(database):
    for made in (Session(database), sessionmaker(database)(), create_session(database)):
        assert made.bind is database


def test_info_belongs_to_each_session(database):
    factory = sessionmaker(database, info={"who": "factory"})
    one, other = factory(), factory(info={"why": "test"})
    assert one.info == {"who": "factory"}
    assert other.info == {"who": "factory", "why": "test"}
    one.info["who"] = "one"
    assert factory().info == {"who": "factory"}


def test_unknown_option_is_refused(database):
    with pytest.raises(TypeError, match="colour"):
        Session(database, colour="blue")


def test_class_attributes_of_a_session_subclass_remain(database):
    class Special(Session):
        answer = 42

    factory = sessionmaker(database, class_=Special, expire_on_commit=False)
    assert isinstance(factory(), Special)
    assert factory().answer == 42


def test_factory_begin_commits_and_closes(database):
    factory = sessionmaker(database)
    with factory.begin() as session:
        session.add(Ship(name="Argo"))
    assert count(database) == 1
    assert database.pool.checkedout() == 0


def test_factory_begin_rolls_back_on_error(database):
    factory = sessionmaker(database)
    with pytest.raises(ZeroDivisionError), factory.begin() as session:
        session.add(Ship(name="Argo"))
        session.flush()
        raise ZeroDivisionError
    assert count(database) == 0
    assert database.pool.checkedout() == 0


def test_begin_of_a_session_of_a_factory_is_still_its_own_begin(database):
    session = sessionmaker(database)()
    with session.begin():
        session.add(Ship(name="Argo"))
    assert count(database) == 1
    assert not session.in_transaction()


def test_session_as_context_manager_closes_and_does_not_commit(database):
    with Session(database) as session:
        ship = Ship(name="Argo")
        session.add(ship)
        session.flush()
    assert count(database) == 0
    assert inspect(ship).session is None
    assert database.pool.checkedout() == 0


def test_session_as_context_manager_lets_the_error_out(database):
    with pytest.raises(ZeroDivisionError), Session(database) as session:
        session.add(Ship(name="Argo"))
        session.flush()
        raise ZeroDivisionError
    assert count(database) == 0


def test_closed_session_can_be_used_again(database):
    session = Session(database)
    session.close()
    session.add(Ship(name="Argo"))
    session.commit()
    assert count(database) == 1
    session.close()


def test_close_resets_only_false_ends_a_session_for_good(database):
    session = Session(database, close_resets_only=False)
    session.close()
    with pytest.raises(Exception, match="closed"):
        session.get(Ship, 1)


def test_reset_makes_even_such_a_session_usable_again(database):
    session = Session(database, close_resets_only=False)
    session.get(Ship, 1)
    session.reset()
    assert session.get(Ship, 1) is None
    session.close()


def test_close_all_sessions_closes_them(database):
    one, other = Session(database), Session(database)
    one.add(Ship(name="Argo"))
    other.add(Ship(name="Beagle"))
    close_all_sessions()
    assert not one.new
    assert not other.new


# Binds


def test_session_without_bind_works_as_far_as_no_sql_is_needed():
    session = Session()
    ship = Ship(name="Argo")
    session.add(ship)
    assert ship in session.new
    with pytest.raises(UnboundExecutionError):
        session.flush()


def test_bind_can_be_set_on_the_instance_later(database):
    session = Session()
    session.bind = database
    session.add(Ship(name="Argo"))
    session.commit()
    assert count(database) == 1
    session.close()


def test_binds_by_class(database, second):
    with Session(binds={Ship: database, Port: second}) as session:
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.commit()
        assert session.scalars(select(Port)).one().name == "Iolcos"
    assert (count(database, Ship), count(database, Port)) == (1, 0)
    assert (count(second, Ship), count(second, Port)) == (0, 1)


def test_binds_by_table(database, second):
    with Session(binds={Ship.__table__: database, Port.__table__: second}) as session:
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.commit()
    assert count(database, Ship) == 1
    assert count(second, Port) == 1


def test_binds_by_base_class(database):
    with Session(binds={Base: database}) as session:
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.commit()
    assert count(database, Ship) == count(database, Port) == 1


def test_binds_and_a_general_bind(database, second):
    with Session(bind=database, binds={Port: second}) as session:
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.commit()
    assert count(database, Ship) == 1
    assert count(second, Port) == 1


def test_bind_mapper_and_bind_table(database, second):
    with Session() as session:
        session.bind_mapper(Ship, database)
        session.bind_table(Port.__table__, second)
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.commit()
    assert count(database, Ship) == 1
    assert count(second, Port) == 1


def test_get_bind_tells_which_engine_a_class_goes_to(database, second):
    session = Session(bind=database, binds={Port: second})
    assert session.get_bind(Ship) is database
    assert session.get_bind(Port) is second
    assert session.get_bind() is database


def test_get_bind_can_be_overridden(database, second):
    class Routing(Session):
        def get_bind(self, mapper=None, **kw):
            return second if mapper is not None and mapper.class_ is Port else database

    with Routing() as session:
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.commit()
        assert session.scalars(select(Port.name)).all() == ["Iolcos"]
    assert count(second, Port) == 1


def test_rollback_goes_to_every_engine(database, second):
    with Session(binds={Ship: database, Port: second}) as session:
        session.add_all([Ship(name="Argo"), Port(name="Iolcos")])
        session.flush()
        session.rollback()
    assert count(database, Ship) == 0
    assert count(second, Port) == 0


def test_plain_table_statement_goes_to_the_bind_of_its_class(database, second):
    with Session(binds={Ship: database, Port: second}) as session:
        session.execute(Port.__table__.insert(), {"name": "Iolcos"})
        session.commit()
    assert count(second, Port) == 1


def test_connection_of_the_session_is_its_transaction(database):
    with Session(database) as session:
        session.add(Ship(name="Argo"))
        session.flush()
        names = session.connection().scalars(core_select(Ship.__table__.c.name)).all()
        assert names == ["Argo"]


@pytest.mark.databases("postgresql", "mariadb")  # sqlite3 opens no transaction for a savepoint
def test_connection_with_a_transaction_makes_tests_that_undo_everything(engine):
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            session.add(Ship(name="Argo"))
            session.commit()
            session.add(Ship(name="Beagle"))
            session.flush()
            session.rollback()
            assert session.scalars(select(Ship.name)).all() == ["Argo"]
        outer.rollback()
    assert count(engine) == 0


def test_connection_without_a_transaction_is_committed_by_the_session(database):
    with database.connect() as connection:
        with Session(bind=connection) as session:
            session.add(Ship(name="Argo"))
            session.commit()
    assert count(database) == 1


# create_session


def test_create_session_defaults(database):
    session = create_session(database)
    assert session.autoflush is False
    session.add(Ship(name="Argo"))
    session.flush()
    assert count(database) == 1
    session.close()


def test_create_session_refuses_unknown_options():
    with pytest.raises(TypeError, match="colour"):
        create_session(colour="blue")


# Resources


def test_a_session_that_was_never_used_asks_nothing_of_the_engine(database):
    with count_statements(database) as sent:
        with Session(database) as session:
            session.add(Ship(name="Argo"))
            session.rollback()
        assert database.pool.checkedout() == 0
    assert sent.count == 0


def test_imperatively_mapped_classes_are_bound_alike(second):
    boats = Table(
        "boat",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", String(20)),
    )

    class Boat:
        pass

    registry().map_imperatively(Boat, boats)
    boats.create(second)
    with Session(binds={Boat: second}) as session:
        boat = Boat()
        boat.name = "Nutshell"
        session.add(boat)
        session.commit()
        assert session.scalars(select(Boat)).one() is boat
