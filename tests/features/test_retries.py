"""Session.run and @retried: a unit of work is done again when the database asks for it, and only then."""

import threading

import pytest
from sqlalchemy import create_engine, event, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Retries,
    Session,
    inspect,
    mapped_column,
    retried,
    sessionmaker,
    transient_reason,
)
from ropewalk.exc import ArgumentError, CommitOutcomeUnknown, InvalidRequestError, StaleDataError

AT_ONCE = Retries(3, first=0)


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]


@pytest.fixture
def bank(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Account.__table__.insert(), [{"id": i, "balance": 100} for i in (1, 2)])
    return engine


def balances(engine):
    with engine.connect() as connection:
        return connection.scalars(select(Account.__table__.c.balance).order_by(Account.__table__.c.id)).all()


def transfer(session, source, target, amount):
    session.get_one(Account, source).balance -= amount
    session.get_one(Account, target).balance += amount
    return session.get_one(Account, source)


class Failing:
    """Raises some errors, one at each attempt, and then does a transfer."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.sessions = []

    def __call__(self, session, *args):
        result = transfer(session, *args)
        session.flush()
        self.sessions.append(session)
        if self.errors:
            raise self.errors.pop(0)
        return result


class Serialization(Exception):
    sqlstate = "40001"


class Deadlock(Exception):
    sqlstate = "40P01"


class Ambiguous(Exception):
    sqlstate = "40003"


class Busy(Exception):
    sqlite_errorcode = 5 | (2 << 8)


def refused(orig):
    return DBAPIError("UPDATE ...", None, orig)


def test_the_work_is_committed_and_its_result_returned(bank):
    with Session(bank) as session:
        account = session.run(transfer, 1, 2, 30)
        assert account.balance == 70
        assert account in session
    assert balances(bank) == [70, 130]
    assert bank.pool.checkedout() == 0


@pytest.mark.parametrize("orig", [Serialization(), Deadlock(), Busy()], ids=lambda e: type(e).__name__)
def test_a_transient_error_has_the_work_done_again_from_its_start(bank, orig):
    work = Failing(refused(orig), refused(orig))
    with Session(bank) as session:
        session.run(work, 1, 2, 30, retries=AT_ONCE)
    assert len(work.sessions) == 3
    assert balances(bank) == [70, 130]


def test_each_attempt_has_fresh_state(bank):
    seen = []

    def work(session):
        seen.append(session.get(Account, 1))
        assert seen[-1].balance == 100
        seen[-1].balance = 0
        session.add(Account(id=3, balance=7))
        if len(seen) < 3:
            raise refused(Deadlock())

    with Session(bank) as session:
        before = session.get(Account, 1)
        session.commit()
        session.run(work, retries=AT_ONCE)
        assert len({id(account) for account in [before, *seen]}) == 4
        assert inspect(before).detached
    assert balances(bank) == [0, 100, 7]


def test_the_last_error_is_raised_when_all_attempts_have_failed(bank):
    errors = [refused(Deadlock()) for _ in range(5)]
    work = Failing(*errors)
    with Session(bank) as session, pytest.raises(DBAPIError) as caught:
        session.run(work, 1, 2, 30, retries=Retries(2, first=0))
    assert caught.value is errors[2]
    assert "attempt 3 of 3" in caught.value.__notes__[0]
    assert balances(bank) == [100, 100]
    assert bank.pool.checkedout() == 0


def test_another_error_is_raised_at_once(bank):
    work = Failing(ZeroDivisionError())
    with Session(bank) as session, pytest.raises(ZeroDivisionError):
        session.run(work, 1, 2, 30, retries=AT_ONCE)
    assert len(work.sessions) == 1
    assert balances(bank) == [100, 100]


def test_a_constraint_is_no_reason_to_try_again(bank):
    calls = []

    def work(session):
        calls.append(1)
        session.add(Account(id=1, balance=0))

    with Session(bank) as session, pytest.raises(IntegrityError):
        session.run(work, retries=AT_ONCE)
    assert calls == [1]


def test_no_retries(bank):
    work = Failing(refused(Deadlock()))
    with Session(bank) as session, pytest.raises(DBAPIError):
        session.run(work, 1, 2, 30, retries=0)
    assert len(work.sessions) == 1


def test_a_program_adds_errors_and_codes_of_its_own(bank):
    class Odd(Exception):
        sqlstate = "XX777"

    work = Failing(StaleDataError("stale"), refused(Odd()))
    with Session(bank) as session:
        session.run(work, 1, 2, 30, retries=Retries(2, first=0, on=(StaleDataError,), codes={"XX777"}))
    assert balances(bank) == [70, 130]


def test_an_error_that_the_work_has_caught_counts_when_the_session_asks_for_rollback(bank):
    calls = []

    def work(session):
        calls.append(1)
        session.get(Account, 1).balance = 5
        if len(calls) == 1:
            event.listen(session.connection(), "before_cursor_execute", fail)
            with pytest.raises(DBAPIError):
                session.flush()

    def fail(*args):
        raise refused(Serialization())

    with Session(bank) as session:
        session.run(work, retries=AT_ONCE)
    assert len(calls) == 2
    assert balances(bank) == [5, 100]


@pytest.mark.parametrize("state", ["in a transaction", "with a new object"])
def test_run_is_refused_where_more_than_the_work_would_have_to_be_done_again(bank, state):
    with Session(bank) as session:
        if state == "in a transaction":
            session.get(Account, 1)
        else:
            session.add(Account(id=9, balance=1))
        with pytest.raises(InvalidRequestError, match="commit"):
            session.run(transfer, 1, 2, 30)


def test_session_without_transactions_runs_work_in_one(bank):
    session = Session(bank, transactional=False)
    session.run(Failing(refused(Deadlock())), 1, 2, 30, retries=AT_ONCE)
    assert balances(bank) == [70, 130]
    assert bank.pool.checkedout() == 0


@pytest.mark.parametrize("where", ["callback", "listener"])
def test_an_error_after_the_commit_does_not_have_the_work_done_twice(bank, where):
    calls = []

    def fail(*args):
        raise refused(Deadlock())

    def work(session):
        calls.append(1)
        session.get(Account, 1).balance -= 30
        if where == "callback":
            session.on_commit(fail)

    with Session(bank) as session:
        if where == "listener":
            event.listen(session, "after_commit", fail)
        with pytest.raises(DBAPIError) as caught:
            session.run(work, retries=AT_ONCE)
    assert calls == [1]
    assert transient_reason(caught.value) is None
    assert balances(bank) == [70, 100]
    assert bank.pool.checkedout() == 0


@pytest.mark.parametrize("how", ["run", "retried"])
def test_work_that_has_committed_by_itself_is_not_done_twice(bank, how):
    calls = []

    def work(session):
        calls.append(1)
        session.get(Account, 1).balance -= 30
        session.commit()
        raise refused(Deadlock())

    with Session(bank) as session, pytest.raises(DBAPIError):
        if how == "run":
            session.run(work, retries=AT_ONCE)
        else:
            retried(lambda: session, AT_ONCE)(work)()
    assert calls == [1]
    assert balances(bank) == [70, 100]


def test_what_is_no_work_or_makes_no_session_is_refused(bank):
    with Session(bank) as session, pytest.raises(ArgumentError, match=r"called as transfer\(session, \.\.\.\)"):
        session.run(transfer(session, 1, 2, 30))
    with pytest.raises(ArgumentError, match=r"retried\(\).*sessionmaker"):
        retried(bank)


# The decorator


def test_a_retried_function_gets_a_new_session_each_time(bank):
    work = Failing(refused(Deadlock()))
    function = retried(sessionmaker(bank), retries=AT_ONCE)(work.__call__)
    function(1, 2, 30)
    assert len({id(session) for session in work.sessions}) == 2
    assert balances(bank) == [70, 130]
    assert bank.pool.checkedout() == 0


def test_a_retried_function_keeps_its_name_and_its_arguments(bank):
    @retried(sessionmaker(bank))
    def pay(session, source, *, amount):
        """Pay."""
        session.get_one(Account, source).balance -= amount
        return amount

    assert pay(1, amount=10) == 10
    assert (pay.__name__, pay.__doc__) == ("pay", "Pay.")
    assert balances(bank) == [90, 100]


# Real conflicts


@pytest.mark.databases("postgresql")
def test_a_serialization_failure_is_tried_again(bank):
    serializable = bank.execution_options(isolation_level="SERIALIZABLE")
    barrier = threading.Barrier(2, timeout=20)
    attempts = []

    def withdraw(session, who):
        attempts.append(who)
        total = sum(session.scalars(select(Account.balance)))
        if attempts.count(who) == 1:
            barrier.wait()
        session.get(Account, who).balance -= total - 100  # both may not do it

    run_both(lambda who: retried(sessionmaker(serializable), Retries(5, first=0.01))(withdraw)(who))
    assert sum(balances(bank)) == 100
    assert len(attempts) >= 3  # more, where the second comes back before the first has committed


@pytest.mark.databases("postgresql", "mariadb")
def test_a_deadlock_is_tried_again(bank):
    barrier = threading.Barrier(2, timeout=20)
    attempts = []

    @retried(sessionmaker(bank), retries=Retries(5, first=0.01))
    def cross(session, first):
        attempts.append(first)
        session.get(Account, first, with_for_update=True).balance += 1
        if attempts.count(first) == 1:
            session.flush()
            barrier.wait()
        session.get(Account, 3 - first, with_for_update=True).balance += 10

    run_both(cross)
    assert balances(bank) == [111, 111]
    assert len(attempts) == 3
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("sqlite")
@pytest.mark.lasting
def test_a_locked_database_is_tried_again(bank):
    quick = create_engine(bank.url, connect_args={"timeout": 0})
    attempts = []
    with bank.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")

        def work(session):
            attempts.append(1)
            if len(attempts) == 2:
                other.rollback()
            transfer(session, 1, 2, 30)

        with Session(quick) as session:
            session.run(work, retries=AT_ONCE)
    assert len(attempts) == 2
    assert balances(bank) == [70, 130]
    quick.dispose()


@pytest.mark.databases("postgresql", "mariadb")
def test_a_connection_lost_before_the_commit_is_tried_again(bank):
    killed = []

    def work(session):
        transfer(session, 1, 2, 30)
        session.flush()
        if not killed:
            killed.append(kill(bank, session.connection()))

    with Session(bank) as session:
        session.run(lambda session: (work(session), session.get(Account, 1, populate_existing=True)), retries=AT_ONCE)
    assert len(killed) == 1
    assert balances(bank) == [70, 130]
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("postgresql", "mariadb")
def test_a_connection_lost_in_the_commit_leaves_the_outcome_unknown_and_is_never_tried_again(bank):
    attempts = []

    def work(session):
        attempts.append(1)
        transfer(session, 1, 2, 30)
        session.flush()
        connection = session.connection()
        event.listen(bank, "commit", lambda _: kill(bank, connection), once=True)

    with Session(bank) as session, pytest.raises(CommitOutcomeUnknown) as caught:
        session.run(work, retries=AT_ONCE)
    error = caught.value
    assert attempts == [1]
    assert error.unknown == (bank,)
    assert error.committed == error.undone == ()
    assert isinstance(error, OperationalError)
    assert isinstance(error.__cause__, DBAPIError)
    assert error.__cause__.orig is error.orig
    assert "in doubt" in str(error)
    assert transient_reason(error) is None
    assert bank.pool.checkedout() == 0
    assert sum(balances(bank)) == 200


def test_an_ambiguous_answer_to_a_commit_is_never_tried_again(bank):
    attempts = []

    def fail(connection):
        raise refused(Ambiguous())

    def work(session):
        attempts.append(1)
        transfer(session, 1, 2, 30)
        session.flush()
        event.listen(bank, "commit", fail, once=True)

    with Session(bank) as session, pytest.raises(CommitOutcomeUnknown):
        session.run(work, retries=AT_ONCE)
    assert attempts == [1]
    assert bank.pool.checkedout() == 0


def kill(engine, connection):
    """Have the server end a connection."""
    with engine.connect() as other:
        if engine.dialect.name == "postgresql":
            pid = connection.connection.driver_connection.info.backend_pid
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 10000)")
        else:
            other.exec_driver_sql(f"KILL CONNECTION {connection.connection.driver_connection.thread_id()}")
    return True


def run_both(work):
    errors = []

    def run(argument):
        try:
            work(argument)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(argument,)) for argument in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors


# The policy


def test_pauses_grow_up_to_a_bound_and_have_full_jitter():
    retries = Retries(10, first=1, longest=5)
    error = refused(Deadlock())
    pauses = {n: [retries.delay_after(error, n) for _ in range(200)] for n in (1, 2, 3, 8)}
    for n, bound in ((1, 1), (2, 2), (3, 4), (8, 5)):
        assert all(0 <= pause <= bound for pause in pauses[n])
        assert max(pauses[n]) > bound * 0.8
        assert min(pauses[n]) < bound * 0.2


def test_a_number_is_a_policy():
    assert Retries.of(4).count == 4
    assert Retries.of(None).count == 0
    assert Retries.of(AT_ONCE) is AT_ONCE


@pytest.mark.parametrize("wrong", ["3", True, 1.5, -1])
def test_what_is_no_policy_is_refused(wrong):
    with pytest.raises(ArgumentError, match="Retries"):
        Retries.of(wrong)


@pytest.mark.parametrize(
    ("module", "orig_args", "attributes", "reason"),
    [
        ("psycopg.errors", ("x",), {"sqlstate": "40001"}, "serialization failure"),
        ("psycopg2.errors", ("x",), {"pgcode": "40P01"}, "deadlock"),
        ("psycopg.errors", ("x",), {"sqlstate": "57P01"}, "connection lost"),
        ("psycopg.errors", ("x",), {"sqlstate": "23505"}, None),
        ("psycopg.errors", ("x",), {"sqlstate": "08007"}, None),
        ("pymysql.err", (1213, "x"), {}, "deadlock"),
        ("pymysql.err", (1205, "x"), {}, "lock not available"),
        ("pymysql.err", (1205, "x"), {"sqlstate": "HY000"}, "lock not available"),  # as of PyMySQL 1.2
        ("MySQLdb", (1047, "WSREP has not yet prepared node"), {}, "cluster conflict"),
        ("pymysql.err", (1062, "x"), {}, None),
        ("sqlite3", ("x",), {"sqlite_errorcode": 5}, "lock not available"),
        ("sqlite3", ("x",), {"sqlite_errorcode": 19}, None),
        ("elsewhere", (1213, "x"), {}, None),
    ],
)
def test_the_table_of_codes(module, orig_args, attributes, reason):
    orig = type("Error", (Exception,), {"__module__": module, **attributes})(*orig_args)
    assert transient_reason(refused(orig)) == reason


def test_a_server_that_cannot_be_reached_is_a_lost_connection():
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
    with Session(engine) as session, pytest.raises(OperationalError) as caught:
        session.execute(select(1))
    assert transient_reason(caught.value) == "connection lost"
    with pytest.raises(OperationalError) as again, Session(engine) as session:
        session.run(lambda session: session.execute(select(1)), retries=Retries(1, first=0))
    assert "attempt 2 of 2" in again.value.__notes__[0]
