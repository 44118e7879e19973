"""The program itself is killed, as by kill -9: what it had not committed is as if it had never been."""

import os
import signal

import pytest
from faults.accounts import AFTER, BEFORE, Account, assert_usable, balances, transfer
from sqlalchemy import create_engine, event

from ropewalk import PreparedTransactions, Session

pytestmark = [pytest.mark.lasting, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]


def killed(url, arrange, twophase=False):
    """Make a transfer in a process of its own, which is to kill itself at a moment that ``arrange`` chooses."""
    pid = os.fork()
    if pid == 0:
        try:
            engine = create_engine(url)
            with Session(engine, twophase=twophase) as session:
                arrange(engine, session)
                transfer(session)
                session.commit()
        finally:
            os._exit(1)  # it has survived, or failed before
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def before(text):
    def arrange(engine, session):
        event.listen(engine, "before_cursor_execute", lambda *arguments: die() if text in arguments[2] else None)

    return arrange


def at_engine(name):
    return lambda engine, session: event.listen(engine, name, die)


def at_session(name):
    return lambda engine, session: event.listen(session, name, die)


MOMENTS = {
    "before the first statement of the flush": (before("UPDATE"), BEFORE),
    "between its statements": (before("INSERT"), BEFORE),
    "after its last statement": (at_session("after_flush"), BEFORE),
    "before the commit": (at_engine("commit"), BEFORE),
    "after the commit": (at_session("after_commit"), AFTER),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_program_killed(bank, moment):
    arrange, found = MOMENTS[moment]
    assert killed(bank.url, arrange)
    assert balances(bank) == found
    with Session(bank) as session:
        assert_usable(bank, session)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_program_killed_between_prepare_and_commit(mortal_engine, end):
    """What it has prepared outlives it, with its locks, and is ended by whoever comes after it."""
    assert killed(mortal_engine.url, at_engine("commit_twophase"), twophase=True)
    waiting = PreparedTransactions(mortal_engine)
    (xid,) = waiting
    assert balances(mortal_engine) == BEFORE
    getattr(waiting, end)(xid)
    assert list(waiting) == []
    assert balances(mortal_engine) == (AFTER if end == "commit" else BEFORE)
    with Session(mortal_engine) as session:
        assert session.get(Account, 1) is not None
        session.rollback()
        assert_usable(mortal_engine, session)
