"""Small programs over a jenny, each right or wrong: run with the installed ``sqlalchemy_rope`` as a script.

They use nothing that SQLAlchemy-Rope 0.1.0 does not have, and SQLAlchemy's own sessions, so that both can be asked.
Prints a JSON object of name → "" where right, else what was wrong.
"""

import asyncio
import gc
import json
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import QueuePool

from sqlalchemy_rope import SessionJenny

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def make():
    engine = create_engine(
        "sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False}, pool_size=50, max_overflow=0
    )
    return SessionJenny(sessionmaker(engine)), engine


def use(session):
    session.execute(text("SELECT 1"))
    return session


def in_thread(work, *args):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *args).result()


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


@scenario
def gathered_coroutines():
    jenny, engine = make()

    async def work():
        session = use(jenny.session)
        await asyncio.sleep(0)
        expect(jenny.session is session, "another session after an await")
        return session

    async def main():
        return await asyncio.gather(work(), work(), work())

    expect(len({id(one) for one in asyncio.run(main())}) == 3, "coroutines share a session")
    expect(engine.pool.checkedout() == 0, "a connection was left behind")


@scenario
def tasks_beside_the_script_that_runs_them():
    jenny, engine = make()
    outer = use(jenny.session)

    async def work():
        return use(jenny.session)

    async def main():
        return await asyncio.gather(work(), work())

    expect(outer not in asyncio.run(main()), "tasks work in the session of the function that runs the loop")
    expect(outer.in_transaction(), "the function's session was closed under it")


@scenario
def a_generator_and_its_caller():
    jenny, engine = make()

    def rows():
        yield use(jenny.session)

    iterator = rows()
    inner = next(iterator)
    mine = use(jenny.session)
    list(iterator)
    expect(mine.in_transaction(), "the end of the generator closed its caller's session")
    expect(mine is not inner, "the caller works in the session of a generator that it only iterates over")


@scenario
def an_abandoned_generator():
    jenny, engine = make()

    def rows():
        yield use(jenny.session)
        yield 2

    def caller():
        mine = use(jenny.session)
        iterator = rows()
        next(iterator)
        del iterator
        expect(mine.in_transaction(), "the abandoned generator closed its caller's session")

    caller()
    iterator = rows()
    next(iterator)
    del iterator
    expect(engine.pool.checkedout() == 0, "a connection was left behind")


@scenario
def a_retained_traceback():
    jenny, engine = make()

    def fails():
        use(jenny.session)
        raise LookupError

    def other():
        return jenny.session.in_transaction()

    try:
        fails()
    except LookupError as error:
        kept = error
    expect(other() is False, "work goes on in the transaction of a function that has failed")
    expect(engine.pool.checkedout() == 0, "the traceback keeps the connection")
    del kept


@scenario
def a_retained_traceback_of_a_task():
    jenny, engine = make()

    async def fails():
        use(jenny.session)
        raise LookupError

    async def main():
        kept = await asyncio.gather(fails(), fails(), return_exceptions=True)
        await asyncio.sleep(0)
        expect(engine.pool.checkedout() == 0, "the tasks' exceptions keep the connections")
        return kept

    asyncio.run(main())


@scenario
def a_retained_traceback_of_a_generator():
    jenny, engine = make()

    def fails():
        yield use(jenny.session)
        raise LookupError

    def other():
        return jenny.session.in_transaction()

    try:
        list(fails())
    except LookupError as error:
        kept = error
    expect(other() is False, "work goes on in the transaction of a generator that has failed")
    expect(engine.pool.checkedout() == 0, "the traceback keeps the connection")
    del kept


@scenario
def a_finalizer_on_another_thread():
    jenny, engine = make()
    went, end = threading.Event(), threading.Event()
    held = []

    def owner():
        def fails():
            use(jenny.session)
            held.append([sys._getframe()])  # keeps the frame, and all that it holds

        fails()
        went.set()
        end.wait(10)
        jenny.session  # noqa: B018 - comes by again

    def other():
        mine = use(jenny.session)
        held.clear()
        gc.collect()
        expect(mine.in_transaction(), "the finalizer closed the session of the thread that it ran in")

    thread = threading.Thread(target=owner)
    thread.start()
    went.wait(10)
    try:
        in_thread(other)
    finally:
        end.set()
        thread.join()
    expect(engine.pool.checkedout() == 0, "the session that had to be closed was not")


@scenario
def a_callback_that_names_ropes():
    jenny, engine = make()
    jenny.rope_name_callback = lambda: "my_rope"
    use(jenny.session)
    expect("my_rope" in sys._getframe().f_locals, "the callback's name is ignored")


@scenario
def a_function_named_like_a_method_of_the_jenny():
    jenny, engine = make()

    def add():
        return use(jenny.session)

    expect(not add().in_transaction(), "the function was taken for the jenny's, and its session left open")


@scenario
def greenlets():
    import greenlet

    jenny, engine = make()

    def work():
        session = use(jenny.session)
        greenlet.getcurrent().parent.switch(session)
        expect(jenny.session is session, "another session after a switch")
        return session

    first, second = greenlet.greenlet(work), greenlet.greenlet(work)
    sessions = first.switch(), second.switch()
    first.switch(), second.switch()
    expect(sessions[0] is not sessions[1], "greenlets share a session")
    expect(engine.pool.checkedout() == 0, "a connection was left behind")


@scenario
def a_generator_that_threads_take_turns_at():
    jenny, engine = make()

    def rows():
        first = use(jenny.session)
        yield
        expect(jenny.session is first, "another session after a step in another thread")
        yield

    iterator = rows()
    in_thread(next, iterator)
    in_thread(next, iterator)
    in_thread(list, iterator)
    del iterator
    gc.collect()
    expect(engine.pool.checkedout() == 0, "a connection was left behind")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    wrong = {}
    for name, function in SCENARIOS.items():
        try:
            function()
            wrong[name] = ""
        except AssertionError as error:
            wrong[name] = str(error)
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(wrong, indent=1))
