"""A session and a plain dictionary go the same way, step by step, whatever the steps are."""

import copy
import gc
import os

import databases
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy import select as core_select

from ropewalk import DeclarativeBase, Mapped, Session, create_session, inspect, mapped_column, select


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(10))
    size: Mapped[int | None]
    note: Mapped[str | None] = mapped_column(String(10), deferred=True)
    tags: Mapped[list | None] = mapped_column(JSON)


class Link(Base):
    __tablename__ = "link"

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[int | None] = mapped_column(ForeignKey("link.key"))


pytestmark = pytest.mark.usefixtures("quick_collector")

KEYS = st.integers(1, 6)
NAMES = st.sampled_from(["a", "b", None])
SIZES = st.sampled_from([0, 1, None])
FIELDS = ("name", "size", "note")


class SessionAgainstDictionary(RuleBasedStateMachine):
    """`now` is what this session must see; `safe` what every other connection must see."""

    def __init__(self):
        super().__init__()
        self.engine = databases.sqlite("sqlite://")
        Base.metadata.create_all(self.engine)
        self.session = self.open()
        self.now, self.safe, self.held = {}, {}, {}

    def open(self):
        return Session(self.engine)

    def teardown(self):
        self.session.close()
        self.engine.dispose()

    # Steps

    def there(self, key):
        """The object of a key, as some part of a program would come by it."""
        return self.held.get(key) or self.session.get(Thing, key)

    @rule(key=KEYS, name=NAMES, size=SIZES, hold=st.booleans())
    def add(self, key, name, size, hold):
        if key in self.now:
            return
        thing = Thing(key=key, name=name, size=size)
        self.session.add(thing)
        self.session.flush()
        self.flushed()
        self.now[key] = {"name": name, "size": size, "note": None, "tags": None}
        if hold:
            self.held[key] = thing
        self.flushed()

    @rule(key=KEYS, name=NAMES, size=SIZES)
    def change(self, key, name, size):
        if key in self.now:
            thing = self.there(key)
            thing.name, thing.size = name, size
            self.now[key] |= {"name": name, "size": size}

    @rule(key=KEYS, field=st.sampled_from(FIELDS))
    def change_one(self, key, field):
        if key in self.now:
            value = 7 if field == "size" else "seven"
            setattr(self.there(key), field, value)
            self.now[key][field] = value

    @rule(key=KEYS)
    def change_and_change_back(self, key):
        if key in self.now:
            thing = self.there(key)
            before = thing.size
            thing.size = 12345
            thing.size = before

    @rule(key=KEYS)
    def count_in_the_database(self, key):
        if key in self.now and self.now[key]["size"] is not None:
            self.session.flush()
            self.flushed()
            self.there(key).size = Thing.size + 1
            self.session.flush()
            self.now[key]["size"] += 1
            self.flushed()

    @rule(key=KEYS)
    def delete(self, key):
        if key in self.now:
            self.session.delete(self.there(key))
            self.session.flush()
            self.held.pop(key, None)
            del self.now[key]
            self.flushed()

    @rule(key=KEYS, name=NAMES)
    def replace(self, key, name):
        if key in self.now:
            self.session.delete(self.there(key))
            self.session.flush()
            thing = Thing(key=key, name=name)
            self.session.add(thing)
            self.session.flush()
            self.held[key] = thing
            self.now[key] = {"name": name, "size": None, "note": None, "tags": None}
            self.flushed()

    @rule(old=KEYS, new=KEYS)
    def change_key(self, old, new):
        if old in self.now and new not in self.now:
            thing = self.there(old)
            thing.key = new
            self.session.flush()
            self.now[new] = self.now.pop(old)
            if old in self.held:
                self.held[new] = self.held.pop(old)
            self.flushed()

    @rule(key=KEYS)
    def detach_and_come_back(self, key):
        if key in self.now:
            self.session.flush()
            self.flushed()
            thing = self.there(key)
            self.session.expunge(thing)
            thing.size = 99
            self.session.add(thing)
            self.now[key]["size"] = 99

    @rule(key=KEYS, name=NAMES)
    def merge(self, key, name):
        self.session.flush()
        self.flushed()
        merged = self.session.merge(Thing(key=key, name=name))
        self.session.flush()
        self.now.setdefault(key, {"name": None, "size": None, "note": None, "tags": None})["name"] = name
        assert merged.name == name
        self.flushed()

    @rule(key=KEYS)
    def hold(self, key):
        if key in self.now:
            self.held[key] = self.there(key)

    @rule()
    def let_go(self):
        self.held.clear()
        gc.collect()

    @rule()
    def flush(self):
        self.session.flush()
        self.flushed()

    @rule()
    def expire_after_a_flush(self):
        self.session.flush()
        self.flushed()
        self.session.expire_all()

    @rule(key=KEYS)
    def refresh_after_a_flush(self, key):
        if key in self.now:
            self.session.flush()
            self.flushed()
            self.session.refresh(self.there(key))

    @rule()
    def commit(self):
        self.session.commit()
        self.safe = copy.deepcopy(self.now)

    @rule()
    def roll_back(self):
        self.session.rollback()
        self.now = copy.deepcopy(self.safe)
        self.held = {
            inspect(thing).identity[0]: thing
            for thing in self.held.values()
            # A row may be loaded in the transaction that made it; such an object has no row any more.
            if inspect(thing).persistent and inspect(thing).identity[0] in self.safe
        }

    @rule()
    def start_anew(self):
        self.session.commit()
        self.safe = copy.deepcopy(self.now)
        self.session.close()
        self.held.clear()
        self.session = self.open()

    def flushed(self):
        """Called after each flush; in a session without transactions it is for good."""

    # What must be true after each step

    @invariant()
    def held_objects_have_the_values_of_the_model(self):
        with self.session.no_autoflush:
            for key, thing in self.held.items():
                assert thing.key == key
                assert {name: getattr(thing, name) for name in (*FIELDS, "tags")} == self.now[key]

    @invariant()
    def each_row_has_one_object(self):
        with self.session.no_autoflush:
            for key, thing in self.held.items():
                assert self.session.get(Thing, key) is thing

    @precondition(lambda self: self.session.autoflush)
    @rule(name=NAMES)
    def ask(self, name):
        found = self.session.scalars(select(Thing).where(Thing.name.is_not_distinct_from(name))).all()
        self.flushed()
        assert {thing.key for thing in found} == {key for key, values in self.now.items() if values["name"] == name}
        for thing in found:
            assert thing.size == self.now[thing.key]["size"]

    @rule()
    def look_at_the_rows(self):
        self.session.flush()
        self.flushed()
        table = Thing.__table__
        rows = self.session.connection().execute(core_select(table)).mappings()
        assert {row["key"]: {k: row[k] for k in (*FIELDS, "tags")} for row in rows} == self.now
        if not self.session.in_transaction():
            self.safe = copy.deepcopy(self.now)


class InPlaceChanges(SessionAgainstDictionary):
    """The same, with JSON values that are changed in place, of objects that somebody holds."""

    @rule()
    def let_go(self):
        self.session.flush()
        self.flushed()
        super().let_go()

    @rule(key=KEYS, tag=st.integers(0, 3))
    def tag(self, key, tag):
        if key in self.now:
            thing = self.held[key] = self.there(key)
            if thing.tags is None:
                thing.tags = [tag]
                self.now[key]["tags"] = [tag]
            else:
                thing.tags.append(tag)
                self.now[key]["tags"] = [*self.now[key]["tags"], tag]

    @rule(key=KEYS)
    def untag(self, key):
        if key in self.now and self.now[key]["tags"]:
            thing = self.held[key] = self.there(key)
            thing.tags.pop()
            self.now[key]["tags"] = self.now[key]["tags"][:-1]

    @rule(key=KEYS)
    def tag_deep(self, key):
        if key in self.now:
            thing = self.held[key] = self.there(key)
            thing.tags = [{"deep": [0]}]
            self.session.flush()
            self.flushed()
            thing.tags[0]["deep"].append(1)
            self.now[key]["tags"] = [{"deep": [0, 1]}]


class WithoutTransactions(SessionAgainstDictionary):
    """The same in a session where each flush is its own transaction."""

    def open(self):
        return create_session(self.engine, autoflush=True)

    def flushed(self):
        self.safe = copy.deepcopy(self.now)

    @rule()
    def commit(self):
        self.session.flush()
        self.flushed()

    @rule()
    def roll_back(self):
        """There is no transaction to roll back; unflushed changes are dropped by expiring."""
        self.session.flush()
        self.flushed()
        self.session.expire_all()

    @rule()
    def start_anew(self):
        self.session.flush()
        self.flushed()
        self.session.close()
        self.held.clear()
        self.session = self.open()

    @rule()
    def look_at_the_rows(self):
        self.session.flush()
        self.flushed()
        with self.engine.connect() as connection:
            rows = connection.execute(core_select(Thing.__table__)).mappings()
            assert {row["key"]: {k: row[k] for k in (*FIELDS, "tags")} for row in rows} == self.now


class TreeOfRows(RuleBasedStateMachine):
    """Rows that refer to each other are added and deleted in any order, many in one flush."""

    def __init__(self):
        super().__init__()
        self.engine = databases.sqlite("sqlite://")
        Base.metadata.create_all(self.engine)
        self.session = Session(self.engine)
        self.rows = {}

    def teardown(self):
        self.session.close()
        self.engine.dispose()

    @rule(order=st.permutations(range(1, 8)), parents=st.lists(st.integers(0, 7), min_size=7, max_size=7))
    def add_a_forest(self, order, parents):
        base = max(self.rows, default=0)
        # A parent has a smaller number, so there is no cycle; the order of add is any.
        forest = {base + n: base + p if 0 < p < n else None for n, p in enumerate(parents, 1)}
        for n in order:
            self.session.add(Link(key=base + n, parent=forest[base + n]))
        self.session.flush()
        self.rows |= forest

    @rule(data=st.data())
    def delete_a_branch(self, data):
        if not self.rows:
            return
        branch = {data.draw(st.sampled_from(sorted(self.rows)))}
        while more := {k for k, p in self.rows.items() if p in branch} - branch:
            branch |= more
        links = [self.session.get(Link, key) for key in data.draw(st.permutations(sorted(branch)))]
        for link in links:
            self.session.delete(link)
        self.session.flush()
        for key in branch:
            del self.rows[key]

    @rule()
    def commit(self):
        self.session.commit()

    @invariant()
    def the_table_is_the_model(self):
        rows = self.session.execute(select(Link.key, Link.parent)).all()
        assert {row.key: row.parent for row in rows} == self.rows


LIMITS = settings(
    max_examples=400 if os.environ.get("ROPEWALK_SOAK") else 25,
    stateful_step_count=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestSessionAgainstDictionary = SessionAgainstDictionary.TestCase
TestInPlaceChanges = InPlaceChanges.TestCase
TestWithoutTransactions = WithoutTransactions.TestCase
TestTreeOfRows = TreeOfRows.TestCase

for case in (TestSessionAgainstDictionary, TestInPlaceChanges, TestWithoutTransactions, TestTreeOfRows):
    case.settings = LIMITS

del case  # pytest would collect it once more
