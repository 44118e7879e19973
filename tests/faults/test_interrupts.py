"""An exception from outside, at any line of a flush or a commit: all or nothing, in the database and in memory."""

import gc
import os
import sys

import pytest
from faults.accounts import AFTER, BEFORE, Account, assert_nothing_is_left, assert_usable, balances, fill, transfer

import ropewalk
from ropewalk import Session, inspect
from ropewalk import select as entities
from ropewalk.exc import StatementError

PACKAGE = ropewalk.__path__[0]


class Interrupter:
    """Raises an exception at the n-th line of the package that is executed inside the ``with`` block."""

    def __init__(self, error, line):
        self.error = error
        self.left = line
        self.raised = False

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *args):
        sys.settrace(self._before)

    def _called(self, frame, kind, argument):
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) and not self.raised else None

    def _line(self, frame, kind, argument):
        if kind == "line" and not self.raised:
            self.left -= 1
            if self.left < 0:
                self.raised = True
                raise self.error
        return self._line


@pytest.fixture
def bank(sqlite_engine):
    fill(sqlite_engine)
    return sqlite_engine


def lines_of(engine, act):
    """How many lines an act takes."""
    with Session(engine) as session:
        work(session)
        with Interrupter(KeyboardInterrupt, sys.maxsize) as counter:
            act(session)
        session.rollback()
    reset(engine)
    return sys.maxsize - counter.left


def work(session):
    one, _ = transfer(session)
    session.delete(session.get_one(Account, 4))
    return one


def reset(engine):
    with engine.begin() as connection:
        connection.execute(Account.__table__.delete())
        connection.execute(
            Account.__table__.insert(),
            [{"id": 1, "balance": 100}, {"id": 2, "balance": 100}, {"id": 4, "balance": 1}],
        )


EARLIER = {**BEFORE, 4: 1}


@pytest.mark.usefixtures("quick_collector")
@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, MemoryError])
@pytest.mark.parametrize("what", ["flush", "commit", "rollback"])
def test_interrupted_at_any_line(bank, what, error):
    reset(bank)
    total = lines_of(bank, lambda session: getattr(session, what)())
    assert total > 20
    step = 1 if os.environ.get("ROPEWALK_SOAK") else max(1, total // 20)
    for line in range(0, total, step):
        assert_all_or_nothing(bank, what, error, line)


@pytest.mark.usefixtures("quick_collector")
def test_interrupted_at_any_line_once_the_database_has_committed(bank):
    reset(bank)
    total = lines_of(bank, lambda session: session.commit())
    for line in range(total - 1, 0, -1):
        if assert_all_or_nothing(bank, "commit", KeyboardInterrupt, line) == EARLIER:
            break
    assert 10 < total - line < total / 2


def assert_all_or_nothing(bank, what, error, line):
    """Interrupt ``what`` at a line; return what the database has then."""
    reset(bank)
    session = Session(bank)
    work(session)
    held = list(session)
    try:
        with Interrupter(error("at a line"), line) as trap:
            getattr(session, what)()
    except (error, StatementError):  # Core makes one of the other of what is raised by a conversion
        assert trap.raised
    del trap
    gc.collect()
    session.rollback()
    found = balances(bank)
    assert found in (EARLIER, AFTER), f"line {line}"
    if what != "commit":
        assert found == EARLIER
    assert bank.pool.checkedout() == 0, f"line {line}"
    assert not session.new, f"line {line}"
    assert not session.dirty, f"line {line}"
    assert not session.deleted, f"line {line}"
    assert {a.id: a.balance for a in session.scalars(entities(Account))} == found, f"line {line}"
    for account in held:
        if account in session:
            assert session.get(Account, inspect(account).identity[0]) is account, f"line {line}"
        else:
            assert inspect(account).session is None, f"line {line}"
    session.rollback()
    if found == EARLIER:
        work(session)
        session.commit()
    assert balances(bank) == AFTER
    session.close()
    assert bank.pool.checkedout() == 0
    return found


@pytest.mark.usefixtures("quick_collector")
def test_garbage_collection_inside_a_flush_takes_nothing_that_is_to_be_written(bank):
    with Session(bank) as session:
        for number in range(50):
            session.add(Account(id=100 + number, balance=number))
            account = session.get(Account, 1)
            account.balance += 1
        del account
        before = gc.get_threshold()
        gc.set_threshold(1, 1, 1)
        try:
            with Interrupter(KeyboardInterrupt, sys.maxsize) as tracer:
                collect_at_each_line(tracer)
                session.flush()
        finally:
            gc.set_threshold(*before)
        session.commit()
    found = balances(bank)
    assert found[1] == 150
    assert [found[100 + number] for number in range(50)] == list(range(50))


def collect_at_each_line(tracer):
    count = [0]

    def line(frame, kind, argument):
        count[0] += 1
        if count[0] % 20 == 0:
            gc.collect()
        return line

    tracer._line = line


def test_a_generator_that_is_closed_inside_its_transaction_rolls_back(bank):
    def generator():
        with Session(bank) as session, session.begin():
            transfer(session)
            session.flush()
            yield
            session.get(Account, 1).balance = -1

    running = generator()
    next(running)
    running.close()
    assert balances(bank) == BEFORE
    assert bank.pool.checkedout() == 0


def test_a_generator_that_is_dropped_inside_its_transaction_rolls_back(bank):
    def generator():
        with Session(bank) as session, session.begin():
            transfer(session)
            session.flush()
            yield

    running = generator()
    next(running)
    del running
    gc.collect()
    assert balances(bank) == BEFORE
    assert bank.pool.checkedout() == 0


def test_a_session_that_is_dropped_in_a_transaction_rolls_back(bank):
    session = Session(bank)
    transfer(session)
    session.flush()
    del session
    gc.collect()
    assert balances(bank) == BEFORE
    assert bank.pool.checkedout() == 0


def test_the_session_is_usable_after_an_interrupt(bank):
    with Session(bank) as session:
        transfer(session)
        with pytest.raises(KeyboardInterrupt), Interrupter(KeyboardInterrupt, 100):
            session.commit()
        assert_nothing_is_left(bank, session)
        assert_usable(bank, session)
