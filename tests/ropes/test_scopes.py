"""Explicit scopes: tied(), roped, what they commit, how they propagate, and what becomes of errors."""

import asyncio
import gc
import warnings
import weakref

import pytest
from shop import Base, Customer
from sqlalchemy import event, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import ArgumentError, IntegrityError, InvalidRequestError, OperationalError

from ropewalk import Retries, Session, SessionJenny, select, sessionmaker

CUSTOMER = Customer.__table__


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    yield engine
    assert engine.pool.checkedout() == 0


@pytest.fixture
def jenny(database):
    made = SessionJenny(sessionmaker(database))
    yield made
    assert not made._open


def stored(engine):
    with engine.connect() as connection:
        return connection.scalars(core_select(CUSTOMER.c.id).order_by(CUSTOMER.c.id)).all()


def is_closed(session):
    return not session.in_transaction() and not list(session)


class TestTied:
    def test_the_session_is_the_jennys_until_the_end_of_the_block(self, jenny):
        def helper():
            return jenny.session

        with jenny.tied() as session:
            session.add(Customer(id=1, name="ed"))
            assert jenny.session is session
            assert helper() is session
            assert jenny() is session
            assert jenny.rope.session is session
            assert jenny.registry.has()
        assert is_closed(session)

    def test_a_helper_that_uses_the_jenny_first_does_not_close_it_under_its_caller(self, jenny):
        def helper():
            jenny.session.connection()

        with jenny.tied() as session:
            helper()
            assert session.in_transaction()

    def test_nothing_is_committed_unless_asked(self, jenny, database):
        with jenny.tied() as session:
            session.add(Customer(id=1, name="ed"))
            session.flush()
        assert stored(database) == []

    def test_commit(self, jenny, database):
        with jenny.tied(commit=True) as session:
            session.add(Customer(id=1, name="ed"))
        assert stored(database) == [1]
        assert is_closed(session)

    def test_an_error_commits_nothing_and_goes_on(self, jenny, database):
        with pytest.raises(LookupError), jenny.tied(commit=True) as session:
            session.add(Customer(id=1, name="ed"))
            session.flush()
            raise LookupError
        assert stored(database) == []

    def test_a_commit_that_fails_is_raised_and_the_session_closed(self, jenny, database):
        with jenny.tied(commit=True) as session:
            session.add(Customer(id=1, name="ed"))
        with pytest.raises(IntegrityError), jenny.tied(commit=True) as session:
            session.add(Customer(id=1, name="jack"))
        assert is_closed(session)

    def test_a_clean_up_that_fails_is_noted_on_the_error_under_way(self, database):
        class Failing(Session):
            def close(self):
                super().close()
                raise OSError("the cable")

        jenny = SessionJenny(sessionmaker(database, class_=Failing))
        with pytest.raises(LookupError) as caught, jenny.tied():
            raise LookupError
        assert "the cable" in caught.value.__notes__[0]
        with pytest.raises(OSError, match="the cable"), jenny.tied():
            pass
        assert not jenny._open

    def test_ends_in_reverse_order_and_once(self, jenny):
        order = []

        class Noting(Session):
            def close(self):
                order.append(self.info["name"])
                super().close()

        jenny.session_factory = Noting
        with jenny.tied() as outer, jenny.tied(propagation="requires_new") as inner:
            outer.info["name"], inner.info["name"] = "outer", "inner"
        scope = jenny.tied()
        scope.__enter__().info["name"] = "third"
        scope.__exit__(None, None, None)
        scope.__exit__(None, None, None)
        assert order == ["inner", "outer", "third"]

    def test_a_scope_can_be_used_again_but_not_twice_at_once(self, jenny):
        scope = jenny.tied()
        with scope as first, pytest.raises(InvalidRequestError, match="open already"), scope:
            pass
        with scope as second:
            assert second is not first

    def test_left_in_another_order_each_closes_its_own(self, jenny):
        one, two = jenny.tied(), jenny.tied(propagation="requires_new")
        first, second = one.__enter__(), two.__enter__()
        first.connection(), second.connection()
        one.__exit__(None, None, None)
        assert not first.in_transaction() and second.in_transaction()
        assert jenny.session is second
        two.__exit__(None, None, None)
        assert jenny.session not in (first, second)
        jenny.remove()

    def test_remove_inside_closes_the_session_and_the_scope_goes_on(self, jenny):
        with jenny.tied() as session:
            session.connection()
            jenny.remove()
            assert is_closed(session)
            assert jenny.session is not session
            jenny.session.connection()

    def test_a_scope_never_left_warns_with_the_line_and_closes(self, jenny, database):
        scope = jenny.tied()
        scope.__enter__().connection()
        with pytest.warns(ResourceWarning, match=r"test_scopes\.py:\d+"):
            del scope
            gc.collect()
        assert database.pool.checkedout() == 0

    def test_what_an_implicit_scope_began_an_explicit_one_joins(self, jenny):
        session = jenny.session
        session.connection()
        with jenny.tied() as inner:
            assert inner is session
        assert session.in_transaction()
        jenny.remove()

    def test_two_jennies_do_not_know_each_other(self, jenny, database):
        other = SessionJenny(sessionmaker(database))
        with jenny.tied() as mine, other.tied() as theirs:
            assert mine is not theirs
            assert jenny.session is mine and other.session is theirs

    def test_scopefunc_shares_a_session_which_goes_with_the_last_rope(self, database):
        tenant = ["a"]
        jenny = SessionJenny(sessionmaker(database), lambda: tenant[0])
        with jenny.tied() as first:
            with jenny.tied(propagation="requires_new") as second:
                assert second is first
            first.connection()
            tenant[0] = "b"
            with jenny.tied() as other:
                assert other is not first
            tenant[0] = "a"
            assert first.in_transaction()
        assert is_closed(first) and not jenny.registry.registry


class TestGenerators:
    def test_a_scope_in_a_generator_is_not_its_callers(self, jenny):
        def rows():
            with jenny.tied() as session:
                session.connection()
                assert jenny.session is session
                yield session
                assert jenny.session is session
                yield session

        iterator = rows()
        inner = next(iterator)
        assert jenny.session is not inner
        jenny.session.connection()
        list(iterator)
        assert is_closed(inner)
        assert jenny.session.in_transaction()
        jenny.remove()

    def test_a_generator_abandoned_half_way_closes(self, jenny, database):
        def rows():
            with jenny.tied() as session:
                session.connection()
                yield session

        iterator = rows()
        next(iterator)
        assert database.pool.checkedout() == 1
        del iterator
        assert database.pool.checkedout() == 0

    def test_a_context_manager_made_of_a_generator_is_meant_for_its_block(self, jenny):
        from contextlib import contextmanager

        @contextmanager
        def work():
            with jenny.tied(commit=True) as session:
                yield session

        with work() as session:
            assert jenny.session is session


class TestPropagation:
    def test_required_works_in_the_session_there_is_and_its_outermost_scope_commits(self, jenny, database):
        with jenny.tied(commit=True) as outer:
            with jenny.tied(commit=True, propagation="required") as inner:
                assert inner is outer
                inner.add(Customer(id=1, name="ed"))
            assert stored_in_another(database) == []
        assert stored(database) == [1]

    def test_a_scope_that_commits_inside_one_that_does_not_commits_itself(self, jenny, database):
        with jenny.tied():
            with jenny.tied(commit=True) as session:
                session.add(Customer(id=1, name="ed"))
            assert stored(database) == [1]

    def test_an_error_caught_between_them_lets_nothing_be_committed(self, jenny, database):
        with pytest.raises(InvalidRequestError, match="half of its work") as caught, jenny.tied(commit=True) as session:
            session.add(Customer(id=1, name="ed"))
            try:
                with jenny.tied(commit=True):
                    raise LookupError("half done")
            except LookupError:
                pass
        assert isinstance(caught.value.__cause__, LookupError)
        assert stored(database) == []

    def test_requires_new_is_a_session_of_its_own(self, jenny, database):
        with pytest.raises(LookupError), jenny.tied(commit=True) as outer:
            with jenny.tied(commit=True, propagation="requires_new") as inner:
                assert inner is not outer
                inner.add(Customer(id=1, name="ed"))
            assert jenny.session is outer
            raise LookupError
        assert stored(database) == [1]

    def test_nested_is_a_savepoint(self, jenny, database):
        with jenny.tied(commit=True) as outer:
            outer.add(Customer(id=1, name="ed"))
            with jenny.tied(propagation="nested") as inner:
                assert inner is outer
                inner.add(Customer(id=2, name="jack"))
            try:
                with jenny.tied(propagation="nested") as inner:
                    inner.add(Customer(id=3, name="wendy"))
                    inner.flush()
                    raise LookupError
            except LookupError:
                pass
        assert stored(database) == [1, 2]

    def test_nested_alone_is_as_required(self, jenny, database):
        with jenny.tied(propagation="nested", commit=True) as session:
            session.add(Customer(id=1, name="ed"))
        assert stored(database) == [1]

    def test_supports_joins_or_commits_nothing(self, jenny, database):
        with jenny.tied(commit=True) as outer, jenny.tied(propagation="supports") as inner:
            assert inner is outer
        with jenny.tied(propagation="supports", commit=True) as alone:
            alone.add(Customer(id=1, name="ed"))
            alone.flush()
        assert stored(database) == []

    def test_mandatory_needs_one(self, jenny):
        with pytest.raises(InvalidRequestError, match="mandatory"), jenny.tied(propagation="mandatory"):
            pass
        with jenny.tied() as outer, jenny.tied(propagation="mandatory") as inner:
            assert inner is outer

    def test_never_needs_none(self, jenny):
        with jenny.tied(propagation="never") as alone:
            assert jenny.session is alone
        with jenny.tied(), pytest.raises(InvalidRequestError, match=r"never.*test_scopes\.py"):
            with jenny.tied(propagation="never"):
                pass

    def test_there_are_no_others(self, jenny):
        with pytest.raises(ArgumentError, match="requires_new"):
            jenny.tied(propagation="sometimes")


def stored_in_another(engine):
    return stored(engine)


class TestRoped:
    def test_a_function(self, jenny, database):
        @jenny.roped(commit=True)
        def save(key, *, name):
            """Save."""
            jenny.session.add(Customer(id=key, name=name))
            return jenny.session

        assert is_closed(save(1, name="ed"))
        assert stored(database) == [1]
        assert save.__name__ == "save" and save.__doc__ == "Save."

    def test_without_arguments_and_without_a_session(self, jenny):
        made = []
        jenny.session_factory = lambda: made.append(1)

        @jenny.roped
        def nothing():
            return 5

        assert nothing() == 5
        assert made == []

    def test_methods(self, jenny):
        class Service:
            @jenny.roped
            def method(self):
                return self, jenny.session

            @jenny.roped
            @classmethod
            def of_class(cls):
                return cls, jenny.session

            @staticmethod
            @jenny.roped
            def static():
                return jenny.session

        service = Service()
        assert service.method()[0] is service
        assert Service.of_class()[0] is Service
        assert is_closed(Service.static())

    def test_a_generator(self, jenny, database):
        @jenny.roped(commit=True)
        def save(keys):
            got = []
            for key in keys:
                jenny.session.add(Customer(id=key, name="ed"))
                got.append((yield jenny.session))
            return got

        generator = save([1, 2])
        session = next(generator)
        assert jenny.session is not session
        generator.send("a")
        with pytest.raises(StopIteration) as stop:
            generator.send("b")
        assert stop.value.value == ["a", "b"]
        assert stored(database) == [1, 2]
        assert is_closed(session)
        jenny.remove()

    def test_a_generator_closed_half_way_commits_nothing(self, jenny, database):
        @jenny.roped(commit=True)
        def save():
            jenny.session.add(Customer(id=1, name="ed"))
            jenny.session.flush()
            yield

        generator = save()
        next(generator)
        generator.close()
        assert stored(database) == []

    def test_a_coroutine(self, jenny, database):
        @jenny.roped(commit=True)
        async def save(key):
            session = jenny.session
            session.add(Customer(id=key, name="ed"))
            await asyncio.sleep(0)
            assert jenny.session is session
            return session

        async def main():
            first = await save(1)
            second = await save(2)
            assert first is not second and is_closed(first) and is_closed(second)

        asyncio.run(main())
        assert stored(database) == [1, 2]

    def test_an_async_generator(self, jenny, database):
        @jenny.roped(commit=True)
        async def save(keys):
            for key in keys:
                jenny.session.add(Customer(id=key, name="ed"))
                try:
                    yield jenny.session
                except LookupError:
                    jenny.session.add(Customer(id=100, name="thrown"))
                    yield

        async def main():
            steps = save([1, 2])
            session = await anext(steps)
            assert jenny.session is not session
            assert await steps.athrow(LookupError) is None
            assert [one async for one in steps] == [session]
            assert is_closed(session)

            half = save([3, 4])
            session = await anext(half)
            session.flush()
            await half.aclose()
            assert is_closed(session)

        asyncio.run(main())
        assert stored(database) == [1, 2, 100]

    def test_it_propagates(self, jenny):
        @jenny.roped(propagation="mandatory")
        def inner():
            return jenny.session

        @jenny.roped(propagation="nested")
        def savepoint():
            assert jenny.session.in_nested_transaction()
            return jenny.session

        with pytest.raises(InvalidRequestError, match="mandatory"):
            inner()
        with jenny.tied() as session:
            assert inner() is session
            assert savepoint() is session

    def test_a_property_has_it_below(self, jenny):
        with pytest.raises(ArgumentError, match="below @property"):
            jenny.roped(property(lambda self: 1))

    def test_what_is_no_function_is_refused(self, jenny):
        with pytest.raises(ArgumentError, match="Customer"):
            jenny.roped(Customer)

    def test_arguments_live_no_longer_than_the_call(self, jenny):
        class Argument:
            pass

        @jenny.roped
        def function(argument):
            return weakref.ref(argument)

        gc.disable()
        try:
            left = function(Argument())
            assert left() is None
        finally:
            gc.enable()


class TestRetries:
    def transient(self, session):
        # What SQLite says when another connection holds its lock.
        import sqlite3

        original = sqlite3.OperationalError("database is locked")
        original.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise OperationalError("SELECT 1", {}, original)

    def test_the_work_is_done_again_in_a_new_session(self, jenny, database):
        sessions = []

        @jenny.roped(commit=True, retries=Retries(3, first=0))
        def save():
            jenny.session.add(Customer(id=len(sessions), name="ed"))
            jenny.session.flush()
            sessions.append(jenny.session)
            if len(sessions) < 3:
                self.transient(jenny.session)

        save()
        assert len({id(one) for one in sessions}) == 3
        assert stored(database) == [2]

    def test_so_it_is_in_a_coroutine(self, jenny, database):
        attempts = []

        @jenny.roped(commit=True, retries=Retries(3, first=0))
        async def save():
            attempts.append(1)
            jenny.session.add(Customer(id=len(attempts), name="ed"))
            if len(attempts) < 3:
                self.transient(jenny.session)

        asyncio.run(save())
        assert stored(database) == [3]

    def test_other_errors_are_not_retried_and_the_last_one_is_raised(self, jenny):
        attempts = []

        @jenny.roped(retries=Retries(2, first=0))
        def fails(error):
            attempts.append(1)
            if error is None:
                self.transient(jenny.session)
            raise error

        with pytest.raises(LookupError):
            fails(LookupError())
        assert len(attempts) == 1
        with pytest.raises(OperationalError):
            fails(None)
        assert len(attempts) == 4

    def test_inside_another_scope_only_that_could_be_run_again(self, jenny):
        attempts = []

        @jenny.roped(retries=Retries(2, first=0))
        def fails():
            attempts.append(1)
            self.transient(jenny.session)

        with pytest.raises(OperationalError), jenny.tied():
            fails()
        assert len(attempts) == 1

    def test_generators_cannot_be_run_again(self, jenny):
        def rows():
            yield

        with pytest.raises(ArgumentError, match="retries"):
            jenny.roped(retries=2)(rows)


class TestRequireScope:
    def test_no_session_outside(self, database):
        jenny = SessionJenny(sessionmaker(database), require_scope=True)
        for use in (lambda: jenny.session, lambda: jenny.rope, jenny.set_rope, lambda: jenny.add(1), jenny):
            with pytest.raises(InvalidRequestError, match="require_scope"):
                use()
        with jenny.tied() as session:
            assert jenny.session is session

        @jenny.roped
        def function():
            return jenny.session

        assert function() is not session


def test_every_committed_row_is_there_and_no_other(jenny, database):
    expected = []
    for key in range(20):
        try:
            with jenny.tied(commit=key % 2 == 0) as session:
                session.add(Customer(id=key, name="ed"))
                session.flush()
                if key % 5 == 0:
                    raise LookupError
            if key % 2 == 0:
                expected.append(key)
        except LookupError:
            pass
    assert stored(database) == expected


def test_statements_of_a_scope_go_through_one_connection(jenny, database):
    connections = set()
    event.listen(database, "before_cursor_execute", lambda connection, *_: connections.add(id(connection)))
    with jenny.tied() as session, warnings.catch_warnings():
        session.scalar(select(func.count()).select_from(Customer))
        jenny.session.scalar(select(func.count()).select_from(Customer))
    assert len(connections) == 1
