"""What SQLAlchemy's async classes offer, ours offer: names, parameters, and whether they are awaited."""

import inspect

import pytest
import sqlalchemy.ext.asyncio as theirs

import ropewalk.ext.asyncio as ours

CLASSES = [
    "AsyncAttrs",
    "AsyncSession",
    "AsyncSessionTransaction",
    "async_scoped_session",
    "async_sessionmaker",
]


def public(class_):
    return {name for name in dir(class_) if not name.startswith("_")} | {"__init__"}


@pytest.mark.parametrize("name", [name for name in vars(theirs) if not name.startswith("_")])
def test_every_name_is_there(name):
    if not inspect.ismodule(getattr(theirs, name)):
        assert hasattr(ours, name)


@pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name in CLASSES for method in sorted(public(getattr(theirs, name)))]
)
def test_every_method_takes_what_theirs_takes(name, method):
    ours_, theirs_ = (getattr(getattr(module, name), method) for module in (ours, theirs))
    if not callable(theirs_) or inspect.isclass(theirs_):
        return
    assert inspect.iscoroutinefunction(ours_) == inspect.iscoroutinefunction(theirs_)
    taken = inspect.signature(ours_).parameters
    anything = any(one.kind is one.VAR_KEYWORD for one in taken.values())
    wanted = [one for one in inspect.signature(theirs_).parameters.values() if not one.name.startswith("_")]
    for place, one in enumerate(wanted):
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            assert any(mine.kind is one.kind for mine in taken.values())
        elif one.kind is one.POSITIONAL_OR_KEYWORD:
            assert list(taken)[place] == one.name and taken[one.name].kind is one.kind
        else:
            assert one.name in taken or anything
