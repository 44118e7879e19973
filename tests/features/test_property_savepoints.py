"""Savepoints, collections and references beside a model of plain dictionaries, whatever the steps are."""

import copy
import gc
from dataclasses import dataclass, field

import databases
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy import select as core_select

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, relationship


class Base(DeclarativeBase):
    pass


marked = Table(
    "marked",
    Base.metadata,
    Column("book_id", ForeignKey("book.id", onupdate="CASCADE"), primary_key=True),
    Column("mark_id", ForeignKey("mark.id", onupdate="CASCADE"), primary_key=True),
)


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(10))
    books: Mapped[set["Book"]] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(10))
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id", onupdate="CASCADE"))
    shelf: Mapped["Shelf | None"] = relationship(back_populates="books")
    marks: Mapped[set["Mark"]] = relationship(secondary=marked, back_populates="books")


class Mark(Base):
    __tablename__ = "mark"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(10))
    books: Mapped[set["Book"]] = relationship(secondary=marked, back_populates="marks")


CLASSES = {"shelf": Shelf, "book": Book, "mark": Mark}
KINDS = st.sampled_from(sorted(CLASSES))
IDS = st.integers(1, 3)
NAMES = st.sampled_from("abc")


RELATIONS = ("books", "shelf", "marks")


@dataclass
class World:
    """What must be in the database. Each row has a number of its own, for its key may change."""

    rows: dict = field(default_factory=dict)  # (kind, key) -> row
    names: dict = field(default_factory=dict)  # row -> name
    shelf_of: dict = field(default_factory=dict)  # book -> shelf or None
    marks: set = field(default_factory=set)  # (book, mark)
    deleted: set = field(default_factory=set)  # rows deleted in this transaction


class SavepointsAgainstModel(RuleBasedStateMachine):
    """`worlds` has what must be after a rollback: of each open savepoint, and first that of the last commit."""

    def __init__(self):
        super().__init__()
        self.engine = databases.sqlite("sqlite://")
        Base.metadata.create_all(self.engine)
        self.session = Session(self.engine)
        self.now = World()
        self.worlds = [World()]
        self.count = 0
        self.held = {}  # row -> its object, where somebody holds it
        self.reloaded = set()  # rows whose object is another one than at first

    def teardown(self):
        self.session.close()
        self.engine.dispose()

    def draw(self, data, kind):
        """Return the key and the number of some row; None twice if there is none."""
        rows = [(key, row) for (k, key), row in sorted(self.now.rows.items()) if k == kind]
        return data.draw(st.sampled_from(rows), label=kind) if rows else (None, None)

    def there(self, kind, key):
        """The object of a row, as some part of a program would come by it."""
        return self.held.get(self.now.rows[kind, key]) or self.session.get(CLASSES[kind], key)

    def object(self, row):
        (place,) = [place for place, r in self.now.rows.items() if r == row]
        return self.there(*place)

    # -- objects come, change and go

    @initialize(shelves=st.lists(st.sampled_from([None, 1, 2]), min_size=2, max_size=2), hold=st.booleans())
    def begin_with_a_few(self, shelves, hold):
        for class_ in CLASSES.values():
            for key in (1, 2):
                self.enter(class_(id=key, name="a"), hold)
        for key, shelf in enumerate(shelves, 1):
            if shelf is not None:
                self.there("book", key).shelf = self.there("shelf", shelf)
                self.now.shelf_of[self.now.rows["book", key]] = self.now.rows["shelf", shelf]
        book = self.there("book", 1)
        book.marks.add(self.there("mark", 1))
        self.now.marks.add((self.now.rows["book", 1], self.now.rows["mark", 1]))
        self.commit()
        self.begin_nested()

    @rule(kind=KINDS, key=IDS, name=NAMES, hold=st.booleans())
    def add(self, kind, key, name, hold):
        if (kind, key) not in self.now.rows:
            self.enter(CLASSES[kind](id=key, name=name), hold)

    def enter(self, thing, hold):
        self.session.add(thing)
        self.count += 1
        self.now.rows[thing.__tablename__, thing.id] = self.count
        self.now.names[self.count] = thing.name
        if isinstance(thing, Book):
            self.now.shelf_of[self.count] = None
        if hold:
            self.held[self.count] = thing

    @rule(kind=KINDS, data=st.data())
    def let_go(self, kind, data):
        _, row = self.draw(data, kind)
        if self.held.pop(row, None) is not None:
            gc.collect()

    @rule(kind=KINDS, data=st.data())
    def hold(self, kind, data):
        key, row = self.draw(data, kind)
        if row is not None:
            if row not in self.held:
                self.reloaded.add(row)
            self.held[row] = self.there(kind, key)

    @rule(data=st.data())
    def add_again_what_was_undone(self, data):
        lost = [row for row, thing in self.held.items() if inspect(thing).transient]
        if not lost:
            return
        thing = self.held.pop(data.draw(st.sampled_from(lost)))
        kind = thing.__tablename__
        if kind == "book":
            thing.shelf, thing.marks = None, set()
        else:
            thing.books = set()
        if thing.id is None:  # it was expired by a savepoint's rollback, before another undid its row
            thing.id, thing.name = data.draw(IDS), "d"
        if (kind, thing.id) not in self.now.rows:
            self.enter(thing, True)

    @rule(kind=KINDS, name=NAMES, data=st.data())
    def rename(self, kind, name, data):
        key, row = self.draw(data, kind)
        if row is not None:
            self.there(kind, key).name = name
            self.now.names[row] = name

    @rule(kind=KINDS, new=IDS, data=st.data())
    def change_key(self, kind, new, data):
        old, row = self.draw(data, kind)
        if row is None or (kind, new) in self.now.rows:
            return
        self.session.flush()
        thing = self.there(kind, old)
        books = list(thing.books) if kind == "shelf" else ()
        thing.id = new
        self.session.flush()
        del self.now.rows[kind, old]
        self.now.rows[kind, new] = row
        for book in books:
            # The database has changed it; a book that is moved before it knows stays in the old shelf's set.
            self.session.refresh(book, ["shelf_id"])

    @rule(kind=KINDS, data=st.data())
    def delete(self, kind, data):
        key, row = self.draw(data, kind)
        if row is None:
            return
        self.session.flush()
        around = self.around(kind, key)
        self.session.delete(self.there(kind, key))
        self.session.flush()
        for other in around:  # collections and references that are loaded keep it until then
            self.session.expire(other, set(RELATIONS) & set(type(other).__mapper__.attrs.keys()))
        now = self.now
        del now.rows[kind, key], now.names[row]
        now.deleted.add(row)
        if row in self.reloaded:  # who made the row is gone, so nobody knows whether a rollback brings this one back
            self.held.pop(row, None)
        now.marks = {pair for pair in now.marks if row not in pair}
        now.shelf_of = {book: None if at == row else at for book, at in now.shelf_of.items() if book != row}

    def around(self, kind, key):
        thing = self.there(kind, key)
        if kind == "book":
            return [*thing.marks, *([thing.shelf] if thing.shelf else [])]
        return list(thing.books)

    # -- collections and references

    @rule(data=st.data(), way=st.sampled_from(["reference", "none", "add", "discard", "replace", "key"]))
    def move(self, data, way):
        book, b = self.draw(data, "book")
        shelf, s = self.draw(data, "shelf")
        if b is None or s is None:
            return
        thing, place = self.there("book", book), self.there("shelf", shelf)
        at = self.now.shelf_of
        if way == "reference":
            thing.shelf = place
            at[b] = s
        elif way == "key":
            self.session.flush()
            before = thing.shelf
            thing.shelf_id = shelf
            at[b] = s
            self.session.flush()
            for other in filter(None, (thing, place, before)):  # which learn nothing of it
                self.session.expire(other, set(RELATIONS) & set(type(other).__mapper__.attrs.keys()))
        elif way == "none":
            thing.shelf = None
            at[b] = None
        elif way == "add":
            place.books.add(thing)
            at[b] = s
        elif way == "discard":
            place.books.discard(thing)
            at[b] = None if at[b] == s else at[b]
        else:
            place.books = {thing}
            at.update({other: None for other in at if at[other] == s})
            at[b] = s

    @rule(data=st.data(), way=st.sampled_from(["add", "other side", "discard", "clear"]))
    def mark(self, data, way):
        book, b = self.draw(data, "book")
        mark, m = self.draw(data, "mark")
        if b is None or m is None:
            return
        thing, sign = self.there("book", book), self.there("mark", mark)
        if way == "add":
            thing.marks.add(sign)
        elif way == "other side":
            sign.books.add(thing)
        elif way == "discard":
            thing.marks.discard(sign)
        else:
            thing.marks.clear()
        if way in ("add", "other side"):
            self.now.marks.add((b, m))
        else:
            self.now.marks = {(x, y) for x, y in self.now.marks if x != b or (way == "discard" and y != m)}

    # -- the session

    @rule()
    def flush(self):
        self.session.flush()

    @rule(kind=KINDS, data=st.data(), way=st.sampled_from(["expire", "refresh", "look"]))
    def read_again(self, kind, data, way):
        key, row = self.draw(data, kind)
        if row is None:
            return
        self.session.flush()
        if way == "look":  # load inside a savepoint what its rollback must not leave as it is
            self.around(kind, key)
        else:
            getattr(self.session, way)(self.there(kind, key))

    @precondition(lambda self: len(self.worlds) < 5)
    @rule()
    def begin_nested(self):
        self.session.begin_nested()
        self.worlds.append(copy.deepcopy(self.now))

    @precondition(lambda self: len(self.worlds) > 1)
    @rule()
    def release(self):
        self.session.get_nested_transaction().commit()
        self.worlds.pop()

    @precondition(lambda self: len(self.worlds) > 1)
    @rule(data=st.data())
    def roll_back_to(self, data):
        savepoint = self.session.get_nested_transaction()
        for _ in range(data.draw(st.integers(0, len(self.worlds) - 2), label="further out")):
            savepoint = savepoint.parent
            self.worlds.pop()
        if data.draw(st.booleans(), label="look first"):
            self.values_and_collections_are_those_of_the_model()
        savepoint.rollback()
        self.now = self.worlds.pop()
        if data.draw(st.booleans(), label="look then"):
            self.values_and_collections_are_those_of_the_model()

    @rule()
    def commit(self):
        self.session.commit()
        self.now.deleted.clear()
        self.worlds = [copy.deepcopy(self.now)]

    @rule()
    def roll_back(self):
        self.session.rollback()
        self.now = copy.deepcopy(self.worlds[0])
        self.worlds = [copy.deepcopy(self.now)]

    # -- what must be true

    @invariant()
    def each_object_is_in_its_state(self):
        there = set(self.now.rows.values())
        for row, thing in self.held.items():
            state = inspect(thing)
            if row in there:
                assert state.persistent or state.pending, state
            elif row in self.now.deleted:
                assert state.deleted, state
            else:
                assert state.transient or state.detached, state

    @rule()
    def values_and_collections_are_those_of_the_model(self):
        now = self.now
        for (kind, key), row in now.rows.items():
            thing = self.there(kind, key)
            assert thing is not None, (kind, key)
            assert (thing.id, thing.name) == (key, now.names[row])
            assert self.session.get(CLASSES[kind], key) is thing
            if kind == "shelf":
                assert thing.books == {self.object(book) for book, at in now.shelf_of.items() if at == row}
            elif kind == "mark":
                assert thing.books == {self.object(book) for book, mark in now.marks if mark == row}
            else:
                assert thing.marks == {self.object(mark) for book, mark in now.marks if book == row}
                at = now.shelf_of[row]
                assert thing.shelf is (None if at is None else self.object(at))
        for kind, class_ in CLASSES.items():
            for key in range(1, 4):
                assert (self.session.get(class_, key) is None) == ((kind, key) not in now.rows), (kind, key)

    @rule()
    def rows_are_those_of_the_model(self):
        self.session.flush()
        ask = self.session.connection().execute
        key_of = {None: None, **{row: key for (_, key), row in self.now.rows.items()}}
        assert {(kind, row.id): row.name for kind, c in CLASSES.items() for row in ask(core_select(c.__table__))} == {
            place: self.now.names[row] for place, row in self.now.rows.items()
        }
        assert {row.id: row.shelf_id for row in ask(core_select(Book.__table__))} == {
            key_of[book]: key_of[shelf] for book, shelf in self.now.shelf_of.items()
        }
        assert {tuple(row) for row in ask(core_select(marked))} == {(key_of[b], key_of[m]) for b, m in self.now.marks}


SavepointsAgainstModel.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestSavepointsAgainstModel = SavepointsAgainstModel.TestCase
