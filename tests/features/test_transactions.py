"""Begin, commit, rollback: where a transaction starts, what its end does to objects."""

import pytest
from databases import count_statements
from sqlalchemy import String, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import IntegrityError, InvalidRequestError, PendingRollbackError

from ropewalk import DeclarativeBase, Mapped, Session, create_session, inspect, mapped_column, select
from ropewalk.exc import DetachedInstanceError


class Base(DeclarativeBase):
    pass


class Coin(Base):
    __tablename__ = "coin"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    value: Mapped[int | None]


def fill(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            Coin.__table__.insert(),
            [{"id": 1, "name": "penny", "value": 1}, {"id": 2, "name": "dime", "value": 10}],
        )


@pytest.fixture
def database(sqlite_engine):
    fill(sqlite_engine)
    return sqlite_engine


@pytest.fixture
def every_database(engine):
    fill(engine)
    return engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def names(engine):
    with engine.connect() as connection:
        return connection.scalars(core_select(Coin.__table__.c.name).order_by(Coin.__table__.c.id)).all()


# Begin


def test_no_transaction_before_first_use(session, database):
    assert not session.in_transaction()
    assert session.get_transaction() is None
    assert database.pool.checkedout() == 0


def test_first_query_begins(session, database):
    session.get(Coin, 1)
    assert session.in_transaction()
    assert database.pool.checkedout() == 1


def test_first_flush_begins(session, database):
    session.add(Coin(name="cent"))
    assert database.pool.checkedout() == 0
    session.flush()
    assert database.pool.checkedout() == 1


def test_commit_ends_and_the_next_use_begins_again(session, database):
    session.get(Coin, 1)
    session.commit()
    assert not session.in_transaction()
    assert database.pool.checkedout() == 0
    session.get(Coin, 2)
    assert session.in_transaction()


def test_rollback_gives_the_connection_back(session, database):
    session.get(Coin, 1)
    session.rollback()
    assert not session.in_transaction()
    assert database.pool.checkedout() == 0


def test_begin_inside_a_transaction_is_refused(session):
    session.begin()
    with pytest.raises(InvalidRequestError):
        session.begin()


def test_autobegin_false_asks_for_begin(database):
    with Session(database, autobegin=False) as session:
        with pytest.raises(InvalidRequestError, match="begin"):
            session.get(Coin, 1)
        with session.begin():
            assert session.get(Coin, 1).name == "penny"


def test_begin_as_context_manager_commits(session, database):
    with session.begin():
        session.add(Coin(name="cent"))
    assert "cent" in names(database)
    assert not session.in_transaction()


def test_begin_as_context_manager_rolls_back_on_error(session, database):
    with pytest.raises(ZeroDivisionError), session.begin():
        coin = Coin(name="cent")
        session.add(coin)
        session.flush()
        raise ZeroDivisionError
    assert "cent" not in names(database)
    assert inspect(coin).transient


def test_session_and_begin_as_context_managers_together(database):
    with Session(database) as session, session.begin():
        session.add(Coin(name="cent"))
    assert "cent" in names(database)
    assert database.pool.checkedout() == 0


def test_commit_inside_begin_block_ends_the_block_quietly(session, database):
    with session.begin():
        session.add(Coin(name="cent"))
        session.commit()
    assert "cent" in names(database)


# Commit


def test_commit_flushes(every_database):
    with Session(every_database) as session:
        session.add(Coin(id=3, name="cent"))
        session.get(Coin, 1).name = "pence"
        session.delete(session.get(Coin, 2))
        session.commit()
    assert names(every_database) == ["pence", "cent"]


def test_commit_with_nothing_to_do_is_no_error(session):
    session.commit()
    session.commit()


def test_commit_expires(session, database):
    coin = session.get(Coin, 1)
    session.commit()
    with database.begin() as connection:
        connection.execute(Coin.__table__.update().where(Coin.__table__.c.id == 1), {"name": "pence"})
    assert coin.name == "pence"


def test_expire_on_commit_false_keeps_values(database):
    with Session(database, expire_on_commit=False) as session:
        coin = session.get(Coin, 1)
        session.commit()
        with count_statements(database) as sent:
            assert coin.name == "penny"
        assert sent.count == 0


def test_expired_by_commit_and_then_detached_cannot_be_read(session):
    coin = session.get(Coin, 1)
    session.commit()
    session.close()
    with pytest.raises(DetachedInstanceError, match="Coin"):
        coin.name  # noqa: B018


def test_failed_commit_rolls_back(session, database):
    session.add(Coin(name="cent"))
    session.add(Coin(name="penny"))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    assert names(database) == ["penny", "dime"]
    assert session.scalars(select(Coin.name).order_by(Coin.id)).all() == ["penny", "dime"]


# Rollback, and what the objects are afterwards


def test_rollback_makes_new_objects_transient(every_database):
    with Session(every_database) as session:
        coin = Coin(id=3, name="cent", value=1)
        session.add(coin)
        session.flush()
        session.rollback()
        assert inspect(coin).transient
        assert coin not in session
        assert (coin.name, coin.value) == ("cent", 1)
    assert names(every_database) == ["penny", "dime"]


def test_rollback_leaves_new_objects_with_their_values_generated_key_included(session):
    coin = Coin(name="cent")
    session.add(coin)
    session.flush()
    key = coin.id
    session.rollback()
    assert (coin.id, coin.name) == (key, "cent")
    assert key is not None


def test_rollback_keeps_a_key_that_was_given(session):
    coin = Coin(id=77, name="cent")
    session.add(coin)
    session.flush()
    session.rollback()
    assert coin.id == 77


def test_rollback_brings_deleted_objects_back(every_database):
    with Session(every_database) as session:
        coin = session.get(Coin, 1)
        session.delete(coin)
        session.flush()
        assert session.get(Coin, 1) is None
        session.rollback()
        assert session.get(Coin, 1) is coin
        assert coin.name == "penny"


def test_rollback_undoes_flushed_changes(every_database):
    with Session(every_database) as session:
        coin = session.get(Coin, 1)
        coin.name = "pence"
        session.flush()
        session.rollback()
        assert coin.name == "penny"
        assert coin not in session.dirty


def test_rollback_undoes_changes_not_yet_flushed(session):
    coin = session.get(Coin, 1)
    coin.name = "pence"
    session.rollback()
    assert coin.name == "penny"
    assert not session.dirty


def test_rollback_undoes_a_changed_primary_key(session):
    coin = session.get(Coin, 1)
    coin.id = 100
    session.flush()
    session.rollback()
    assert coin.id == 1
    assert session.get(Coin, 1) is coin
    assert session.get(Coin, 100) is None


def test_rollback_undoes_a_chain_of_changes(session):
    coin = session.get(Coin, 1)
    for name in ("one", "two", "three"):
        coin.name = name
        session.flush()
    session.rollback()
    assert coin.name == "penny"


def test_rollback_reads_what_others_have_changed_meanwhile(session, database):
    coin = session.get(Coin, 1)
    session.rollback()
    with database.begin() as connection:
        connection.execute(Coin.__table__.update().where(Coin.__table__.c.id == 1), {"name": "pence"})
    assert coin.name == "pence"


def test_rollback_of_an_object_deleted_after_a_change(session):
    coin = session.get(Coin, 1)
    coin.name = "pence"
    session.flush()
    session.delete(coin)
    session.flush()
    session.rollback()
    assert coin.name == "penny"
    assert coin in session


def test_rollback_only_reaches_back_to_the_last_commit(session, database):
    coin = Coin(name="cent")
    session.add(coin)
    session.commit()
    coin.name = "centime"
    session.flush()
    session.rollback()
    assert inspect(coin).persistent
    assert coin.name == "cent"


def test_rollback_before_any_use_is_no_error(session):
    session.rollback()


def test_rollback_expels_pending_objects(session):
    session.add(Coin(name="cent"))
    session.rollback()
    assert not session.new
    session.commit()
    assert session.scalar(select(func.count()).select_from(Coin)) == 2


def test_deleted_then_replaced_row_is_the_old_object_after_rollback(session):
    old = session.get(Coin, 1)
    session.delete(old)
    session.flush()
    new = Coin(id=1, name="new")
    session.add(new)
    session.flush()
    assert session.get(Coin, 1) is new
    session.rollback()
    assert session.get(Coin, 1) is old
    assert inspect(new).transient


# After a failed flush


def test_failed_flush_rolls_back_the_database(session, database):
    session.add(Coin(name="cent"))
    session.flush()
    session.add(Coin(name="penny"))
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert session.scalars(select(Coin.name).order_by(Coin.id)).all() == ["penny", "dime"]


def test_after_a_failed_flush_the_session_asks_for_rollback(session):
    session.add(Coin(name="penny"))
    with pytest.raises(IntegrityError):
        session.flush()
    with pytest.raises(PendingRollbackError, match="rollback"):
        session.scalars(select(Coin)).all()


def test_the_request_for_rollback_names_the_first_cause(session):
    session.add(Coin(name="penny"))
    with pytest.raises(IntegrityError) as first:
        session.flush()
    with pytest.raises(PendingRollbackError) as then:
        session.commit()
    assert str(first.value.orig) in str(then.value)


def test_after_rollback_a_session_with_a_failed_flush_is_usable(every_database):
    with Session(every_database) as session:
        session.add(Coin(name="penny"))
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        session.add(Coin(id=3, name="cent"))
        session.commit()
    assert names(every_database) == ["penny", "dime", "cent"]


def test_objects_of_a_failed_flush_are_usable_after_rollback(session, database):
    coin = Coin(name="penny")
    session.add(coin)
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert inspect(coin).transient
    coin.name = "cent"
    session.add(coin)
    session.commit()
    assert names(database) == ["penny", "dime", "cent"]


def test_close_after_a_failed_flush_gives_the_connection_back(session, database):
    session.add(Coin(name="penny"))
    with pytest.raises(IntegrityError):
        session.flush()
    session.close()
    assert database.pool.checkedout() == 0


# Savepoints


def test_begin_nested_commits_inside_the_transaction(every_database):
    with Session(every_database) as session:
        with session.begin_nested():
            session.add(Coin(id=3, name="cent"))
        session.commit()
    assert names(every_database) == ["penny", "dime", "cent"]


def test_begin_nested_rolls_back_to_the_savepoint(every_database):
    with Session(every_database) as session:
        kept = Coin(id=3, name="cent")
        session.add(kept)
        with pytest.raises(IntegrityError), session.begin_nested():
            session.add(Coin(id=4, name="penny"))
            session.flush()
        session.commit()
        assert inspect(kept).persistent
    assert names(every_database) == ["penny", "dime", "cent"]


# Without transactions


def test_flush_of_a_session_without_transactions_is_its_own_transaction(every_database):
    session = create_session(every_database)
    session.add(Coin(id=3, name="cent"))
    session.flush()
    assert names(every_database) == ["penny", "dime", "cent"]
    session.close()


def test_failed_flush_without_transactions_leaves_nothing_behind(database):
    session = create_session(database)
    session.add_all([Coin(name="cent"), Coin(name="penny")])
    with pytest.raises(IntegrityError):
        session.flush()
    assert names(database) == ["penny", "dime"]
    assert database.pool.checkedout() == 0


def test_earlier_flushes_stay_when_a_later_one_fails(database):
    session = create_session(database)
    session.add(Coin(name="cent"))
    session.flush()
    session.add(Coin(name="penny"))
    with pytest.raises(IntegrityError):
        session.flush()
    assert names(database) == ["penny", "dime", "cent"]


def test_objects_keep_their_values_after_a_flush_without_transactions(database):
    session = create_session(database)
    coin = session.get(Coin, 1)
    coin.value = 2
    session.flush()
    with count_statements(database) as sent:
        assert (coin.name, coin.value) == ("penny", 2)
    assert sent.count == 0


def test_connections_are_returned_between_statements_without_transactions(database):
    session = create_session(database)
    coin = session.get(Coin, 1)
    session.expire(coin)
    assert coin.name == "penny"
    assert database.pool.checkedout() == 0


def test_begin_starts_a_transaction_in_a_session_without_transactions(database):
    session = create_session(database)
    session.begin()
    session.add(Coin(name="cent"))
    session.flush()
    session.rollback()
    assert names(database) == ["penny", "dime"]
    session.close()


def test_begin_block_in_a_session_without_transactions_commits(database):
    session = create_session(database)
    with session.begin():
        session.add(Coin(name="cent"))
        session.add(Coin(name="franc"))
    assert names(database) == ["penny", "dime", "cent", "franc"]
    assert database.pool.checkedout() == 0
    session.close()
