"""A session or an engine that a fork carries into a child process."""

import os
import traceback

import pytest
from faults.accounts import AFTER, Account, balances, transfer

from ropewalk import Session
from ropewalk.exc import IllegalStateChangeError


def in_child(work):
    """Do something in a forked process, which ends without finalizers; return whether it went well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return status == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_session_in_a_transaction_says_that_it_belongs_to_the_parent(bank):
    with Session(bank) as session:
        transfer(session)
        session.flush()

        def child():
            for call in (session.commit, session.rollback, session.close, session.flush, session.connection):
                with pytest.raises(IllegalStateChangeError, match="forked"):
                    call()
            with pytest.raises(IllegalStateChangeError, match="forked"):
                session.get(Account, 99)
            with pytest.raises(IllegalStateChangeError, match="forked"):
                session.add(Account(id=50, balance=0))

        assert in_child(child)
        session.commit()
    assert balances(bank) == AFTER


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_idle_session_and_its_engine_work_on_in_the_child_with_connections_of_their_own(bank):
    with Session(bank) as session:
        session.get(Account, 1)
        session.commit()
        before = bank.pool

        def child():
            assert bank.pool is not before
            transfer(session)
            session.commit()
            assert balances(bank) == AFTER

        assert in_child(child)
        assert session.get(Account, 1).balance == 70
    assert balances(bank) == AFTER
    assert bank.pool.checkedout() == 0
