"""Scopes: what it costs to be handed a session, and to have one closed.

The other column is SQLAlchemy-Rope 0.1.0 where it has such a thing, and SQLAlchemy's own scoped session elsewhere.
"""

import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from .harness import Bar, Run, Work, WrongResult, expect

FOLDER = Path(__file__).parents[1] / "build" / "sqlalchemy-rope"


@cache
def original() -> Any:
    """Import SQLAlchemy-Rope under another name, since Ropewalk has a module of that name."""
    package = FOLDER / "sqlalchemy_rope" / "__init__.py"
    if not package.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(FOLDER)]
        done = subprocess.run([*command, "sqlalchemy-rope==0.1.0"], capture_output=True, text=True)
        if done.returncode:
            raise WrongResult("SQLAlchemy-Rope 0.1.0 cannot be installed")
    spec = importlib.util.spec_from_file_location(
        "the_original_rope", package, submodule_search_locations=[str(package.parent)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def is_ours(run: Run) -> bool:
    assert run.orm is not None
    return run.orm.module_name != "sqlalchemy.orm"


def jenny_of(run: Run) -> Any:
    assert run.orm is not None
    make = run.orm.module.SessionJenny if is_ours(run) else original().SessionJenny
    return make(run.orm.module.sessionmaker(run.engine))


def scoped_of(run: Run) -> Any:
    assert run.orm is not None
    return run.orm.module.scoped_session(run.orm.module.sessionmaker(run.engine))


def session_in_a_live_scope(run: Run) -> None:
    jenny = jenny_of(run)
    first = jenny.session
    with run.timed():
        for _ in range(run.count):
            session = jenny.session
    expect(session is first, True, "the same session")


def session_further_down(run: Run) -> None:
    jenny = jenny_of(run)
    first = jenny.session

    def deepest() -> Any:
        for _ in range(run.count):
            session = jenny.session
        return session

    def deeper() -> Any:
        return deepest()

    with run.timed():
        session = deeper()
    expect(session is first, True, "the same session")


def tie_use_close(run: Run) -> None:
    jenny = jenny_of(run)

    def work() -> Any:
        return jenny.session

    with run.timed():
        for _ in range(run.count):
            work()
    expect(len(jenny._ropes), 0, "ropes still there")


def proxied_call(run: Run) -> None:
    scoped = scoped_of(run)
    thing = run.item(id=1, name="n", x=1, y=1.0)
    scoped.add(thing)
    with run.timed():
        for _ in range(run.count):
            scoped.add(thing)
    expect(list(scoped.new), [thing], "what is pending")
    scoped.remove()


def empty_function(run: Run) -> None:
    if is_ours(run):

        @jenny_of(run).roped  # type: ignore[untyped-decorator, unused-ignore]
        def work() -> None:
            pass

    else:
        scoped = scoped_of(run)

        def work() -> None:
            try:
                pass
            finally:
                scoped.remove()

    with run.timed():
        for _ in range(run.count):
            work()


def works() -> list[Work]:
    def work(name: str, title: str, function: Any, count: int, **kw: Any) -> Work:
        return Work(name, title, function, None, count=count, only_on="sqlite", **kw)

    return [
        work("rope-session", "jenny.session in a live scope", session_in_a_live_scope, 50_000, bars={"sqlite": Bar(5)}),
        work("rope-deeper", "jenny.session two calls further down", session_further_down, 50_000),
        work("rope-tie", "tie, use and close a rope, no SQL", tie_use_close, 500, bars={"sqlite": Bar(5)}),
        work("scoped-call", "add() through a scoped_session", proxied_call, 50_000, bars={"sqlite": Bar(1)}),
        work("roped", "a roped function that does nothing", empty_function, 20_000),
    ]
