"""Loaders tell of what they load where somebody listens, and have not a word of it in them where nobody does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column
from ropewalk.loading.ondemand import by_key


class Base(DeclarativeBase):
    pass


@pytest.fixture
def session() -> Any:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with Session(engine) as session:
        yield session
    engine.dispose()


def loader_of(class_: type) -> Any:
    (loader,) = by_key(inspect(class_))._loaders.values()
    return loader


def test_a_loader_is_made_anew_when_somebody_listens(session: Session) -> None:
    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

    def load(target: Any, context: Any) -> None:
        pass

    Base.metadata.create_all(session.connection())
    session.add(Thing(id=1))
    session.commit()
    session.expunge_all()
    session.get(Thing, 1)
    loader = loader_of(Thing)
    assert not {"load0", "refill"} & set(loader.__code__.co_names)
    event.listen(Thing, "load", load)
    event.listen(Thing, "refresh", lambda target, context, attrs: None)
    session.expunge_all()
    session.get(Thing, 1)
    assert loader_of(Thing) is loader  # which hands on to a newer one
    telling = loader.__globals__["anew"]._loader
    assert {"load0", "refill"} <= set(telling.__code__.co_names)
    event.remove(Thing, "load", load)
    event.listen(Thing, "refresh", load, named=True)  # whatever makes loaders be made anew
    session.expunge_all()
    session.get(Thing, 1)
    assert "load0" not in loader.__globals__["anew"]._loader.__code__.co_names
