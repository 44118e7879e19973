"""An event that nobody listens to costs nothing: no code that tells is ever called.

The program runs in a process of its own, where nobody has ever listened to anything.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

PROGRAM = """
import sys
from sqlalchemy import ForeignKey, create_engine, insert, update
from sqlalchemy.pool import StaticPool
from ropewalk import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, select, selectinload
from ropewalk import attribute_keyed_dict
from sqlalchemy import event

class Base(DeclarativeBase): pass

class Ship(Base):
    __tablename__ = "ship"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    flag: Mapped[str | None] = mapped_column(server_default="none")
    sails: Mapped[list["Sail"]] = relationship(back_populates="ship", cascade="all, delete-orphan")
    boats: Mapped[dict[str, "Boat"]] = relationship(collection_class=attribute_keyed_dict("name"))

class Sail(Base):
    __tablename__ = "sail"
    id: Mapped[int] = mapped_column(primary_key=True)
    ship_id: Mapped[int | None] = mapped_column(ForeignKey("ship.id"))
    ship: Mapped[Ship | None] = relationship(back_populates="sails")

class Boat(Base):
    __tablename__ = "boat"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    ship_id: Mapped[int | None] = mapped_column(ForeignKey("ship.id"))

def life(session):
    session.add_all([Ship(id=n, name="x", sails=[Sail(), Sail()], boats={"a": Boat(name="a")}) for n in range(5)])
    session.commit()
    ships = session.scalars(select(Ship).order_by(Ship.id)).all()
    ships[0].name = "y"
    ships[0].sails.pop()
    ships[1].sails[0] = Sail()
    ships[1].sails = []
    ships[2].boats["b"] = Boat(name="b")
    del ships[2].boats["a"]
    del ships[3].name
    session.flush()
    session.refresh(ships[0])
    session.expire(ships[1])
    ships[1].name
    session.expunge_all()
    ships = session.scalars(select(Ship).options(joinedload(Ship.sails), selectinload(Ship.boats))).all()
    session.merge(Ship(id=1, name="merged"))
    with session.begin_nested():
        session.delete(ships[4])
    session.execute(update(Ship).where(Ship.id == 1).values(flag="red"))
    session.execute(insert(Sail), [{"ship_id": 1}])
    session.query(Ship).filter_by(id=2).update({"name": "q"})
    session.rollback()
    session.get(Ship, 3).sails[0].ship
    session.commit()
    session.close()

called = set()
TELLS = ("events.py", "telling.py", "told.py", "told_attributes.py", "attribute_events.py", "fetching_told.py",
         "orm_execute.py", "query_events.py")

def note(frame, what, argument):
    if what == "call":
        path = frame.f_code.co_filename
        name = path.rsplit("/", 1)[-1]
        if "/ropewalk/" in path and name in TELLS and frame.f_code.co_name != "tell_loaded":  # that makes a loader
            called.add(f"{name}:{frame.f_code.co_name}")

engine = create_engine("sqlite://", poolclass=StaticPool)
Base.metadata.create_all(engine)
LISTEN
with Session(engine) as session:
    sys.setprofile(note)
    life(session)
    sys.setprofile(None)
print(" ".join(sorted(called)))
"""


def called(listen: str = "") -> list[str]:
    program = PROGRAM.replace("LISTEN", textwrap.dedent(listen))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_where_nobody_listens_nothing_is_called() -> None:
    assert called() == []


def test_one_listener_has_its_own_event_told_and_no_other() -> None:
    told = called("event.listen(Ship, 'before_insert', lambda mapper, connection, target: None)")
    assert {name.partition(":")[0] for name in told} == {"told.py", "events.py"}  # and the listener itself
    told = called("event.listen(Ship.name, 'set', lambda target, value, old, initiator: None)")
    assert {name.partition(":")[0] for name in told} == {"told_attributes.py", "attribute_events.py"}


def test_listeners_to_one_class_cost_the_others_nothing() -> None:
    told = called("event.listen(Boat, 'load', lambda target, context: None)")
    assert {name.partition(":")[0] for name in told} == {"telling.py"}
