"""version_id_col: whoever comes second with an old version is told, on every database."""

import uuid
import warnings

import pytest
from sqlalchemy import FetchedValue, ForeignKey, Integer, String, Uuid, event, insert, text, update
from sqlalchemy.types import UserDefinedType

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, relationship, select
from ropewalk.exc import ArgumentError, FlushError, InvalidRequestError, StaleDataError


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    version: Mapped[int] = mapped_column()
    links: Mapped[list["Link"]] = relationship(back_populates="page")
    __mapper_args__ = {"version_id_col": version}


class Link(Base):
    __tablename__ = "link"

    id: Mapped[int] = mapped_column(primary_key=True)
    page_id: Mapped[int | None] = mapped_column(ForeignKey("page.id"))
    page: Mapped["Page | None"] = relationship(back_populates="links")


class Stamped(Base):
    __tablename__ = "stamped"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    stamp: Mapped[uuid.UUID] = mapped_column(Uuid)
    __mapper_args__ = {"version_id_col": stamp, "version_id_generator": lambda last: uuid.uuid4()}


class Manual(Base):
    __tablename__ = "manual"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    version: Mapped[int | None] = mapped_column()
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}


class Xid(UserDefinedType):
    """The type of PostgreSQL's xmin."""

    cache_ok = True

    def get_col_spec(self, **kw):
        return "xid"


class Row(Base):
    __tablename__ = "row_"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    xmin: Mapped[str] = mapped_column(Xid(), system=True, server_default=FetchedValue())
    __mapper_args__ = {"version_id_col": xmin, "version_id_generator": False}


class Counted(Base):
    """Its version is counted by a trigger."""

    __tablename__ = "counted"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    version: Mapped[int] = mapped_column(Integer, server_default="1", server_onupdate=FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}


TABLES = [c.__table__ for c in (Page, Link, Stamped, Manual)]


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine, tables=TABLES)
    return engine


@pytest.fixture
def session(database):
    with Session(database, expire_on_commit=False) as session:
        yield session


def saved(session, *objects):
    session.add_all(objects)
    session.commit()
    return objects if len(objects) > 1 else objects[0]


def elsewhere(engine, statement, **parameters):
    """Do something in another transaction."""
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)


def test_versions_count_from_one(session):
    page = saved(session, Page(title="a"))
    assert page.version == 1
    page.title = "b"
    session.flush()
    assert page.version == 2
    page.title = "c"
    session.commit()
    assert page.version == 3
    assert session.scalar(text("SELECT version FROM page")) == 3


def test_nothing_changed_no_new_version(session):
    page = saved(session, Page(title="a"))
    page.title = "a"
    session.commit()
    assert page.version == 1


def test_an_update_that_came_second_is_refused_and_named(session, database):
    page = saved(session, Page(title="a"))
    elsewhere(database, "UPDATE page SET title = 'theirs', version = 2")
    page.title = "mine"
    with pytest.raises(StaleDataError, match=rf"<Page id={page.id}> has version 2 now, and had 1") as caught:
        session.commit()
    assert (caught.value.mapper, caught.value.expected, caught.value.matched) == (Page.__mapper__, 1, 0)
    session.rollback()
    assert (page.title, page.version) == ("theirs", 2)


def test_a_delete_that_came_second_is_refused(session, database):
    pages = saved(session, *(Page(title=t) for t in "ab"))
    elsewhere(database, "UPDATE page SET version = 7 WHERE title = 'b'")
    for page in pages:
        session.delete(page)
    with pytest.raises(StaleDataError, match=rf"<Page id={pages[1].id}> has version 7 now, and had 1"):
        session.commit()
    session.rollback()
    assert session.scalars(select(Page.title).order_by(Page.id)).all() == ["a", "b"]


def test_of_a_batch_the_stale_rows_alone_are_named(session, database):
    pages = saved(session, *(Page(title=str(n)) for n in range(100)))
    elsewhere(database, "UPDATE page SET version = 5 WHERE title = '42'")
    elsewhere(database, "DELETE FROM page WHERE title = '77'")
    changed, deleted = pages[42].id, pages[77].id
    for page in pages:
        page.title += "!"
    with pytest.raises(StaleDataError) as caught:
        session.flush()
    message = str(caught.value)
    assert f"<Page id={changed}> has version 5 now, and had 1" in message
    assert f"no row for <Page id={deleted}>" in message
    assert message.count("<Page id=") == 2
    session.rollback()


def test_many_rows_get_their_versions(session):
    pages = saved(session, *(Page(title=str(n)) for n in range(300)))
    for page in pages[::3]:
        page.title += "!"
    session.commit()
    assert [page.version for page in pages] == [2, 1, 1] * 100
    assert session.scalars(select(Page.version).order_by(Page.id)).all() == [2, 1, 1] * 100


def test_a_version_set_by_the_program_is_taken(session):
    page = saved(session, Page(title="a"))
    page.version = 10
    session.commit()
    page.title = "b"
    session.commit()
    assert page.version == 11


def test_an_expired_version_is_read_before_the_update(session):
    page = saved(session, Page(title="a"))
    session.expire(page)
    page.title = "b"
    session.commit()
    assert page.version == 2


def test_a_delete_uses_the_version_that_the_row_had(session):
    page = saved(session, Page(title="a"))
    page.version = 9
    session.delete(page)
    session.commit()
    assert session.scalar(text("SELECT count(*) FROM page")) == 0


def test_a_rollback_takes_the_new_version_back(session):
    page = saved(session, Page(title="a"))
    page.title = "b"
    session.flush()
    session.rollback()
    assert (page.title, page.version) == ("a", 1)
    page.title = "c"
    session.commit()
    assert page.version == 2


def test_a_failed_flush_takes_the_new_version_back(session):
    page = saved(session, Page(title="a"))
    session.begin_nested()
    page.title = "b"
    session.add(Page(id=page.id, title="the same key"))
    with warnings.catch_warnings(), pytest.raises(Exception, match="."):
        warnings.simplefilter("ignore")
        session.flush()
    session.rollback()
    page.title = "c"
    session.commit()
    assert page.version == 2


def test_a_new_object_in_the_place_of_a_deleted_one_goes_on_counting(session):
    page = saved(session, Page(id=1, title="a"))
    session.delete(page)
    new = Page(id=1, title="b")
    session.add(new)
    session.commit()
    assert new.version == 2


def test_a_change_of_a_collection_is_none_of_the_row(session):
    page = saved(session, Page(title="a"))
    page.links.append(Link())
    session.commit()
    assert page.version == 1


def test_a_generator_of_ones_own(session, database):
    thing = saved(session, Stamped(title="a"))
    first = thing.stamp
    assert isinstance(first, uuid.UUID)
    thing.title = "b"
    session.commit()
    assert thing.stamp != first
    elsewhere(database, "UPDATE stamped SET stamp = :new", new=uuid.uuid4().hex)
    thing.title = "c"
    with pytest.raises(StaleDataError, match="Stamped"):
        session.flush()


def test_the_program_makes_the_versions(session, database):
    thing = saved(session, Manual(title="a", version=1))
    thing.title, thing.version = "b", 2
    session.commit()
    elsewhere(database, "UPDATE manual SET version = 3")
    thing.title = "c"
    with pytest.raises(StaleDataError, match="has version 3 now, and had 2"):
        session.flush()


@pytest.mark.parametrize("when", ["insert", "update"])
def test_a_row_without_a_version_is_refused(session, when):
    thing = Manual(title="a")
    if when == "update":
        thing.version = 1
        saved(session, thing)
        thing.version = None
    session.add(thing)
    with pytest.raises(FlushError, match="version"):
        session.flush()


@pytest.mark.databases("postgresql")
def test_xmin_of_postgresql_is_the_version(engine):
    Base.metadata.create_all(engine, tables=[Row.__table__])
    with Session(engine, expire_on_commit=False) as session:
        rows = saved(session, *(Row(title=t) for t in "abc"))
        first = [row.xmin for row in rows]
        assert all(first)
        rows[0].title, rows[1].title = "d", "e"
        session.commit()
        assert rows[0].xmin != first[0]
        assert rows[2].xmin == first[2]
        rows[0].title = "again"
        session.commit()
        elsewhere(engine, "UPDATE row_ SET title = 'theirs'")
        rows[0].title = "mine"
        with pytest.raises(StaleDataError, match="Row"):
            session.commit()
        session.rollback()
        assert rows[0].title == "theirs"
        session.delete(rows[0])
        session.commit()


TRIGGERS = {
    "sqlite": ["CREATE TRIGGER t AFTER UPDATE ON counted WHEN new.version = old.version BEGIN "
               "UPDATE counted SET version = old.version + 1 WHERE id = old.id; END"],
    "mysql": ["CREATE TRIGGER t BEFORE UPDATE ON counted FOR EACH ROW SET NEW.version = OLD.version + 1"],
    "mariadb": ["CREATE TRIGGER t BEFORE UPDATE ON counted FOR EACH ROW SET NEW.version = OLD.version + 1"],
    "postgresql": ["CREATE FUNCTION f() RETURNS trigger AS 'BEGIN new.version := old.version + 1; RETURN new; END' "
                   "LANGUAGE plpgsql",
                   "CREATE TRIGGER t BEFORE UPDATE ON counted FOR EACH ROW EXECUTE FUNCTION f()"],
}  # fmt: skip


def test_a_version_that_the_database_counts_is_known_after_each_flush(engine):
    Base.metadata.create_all(engine, tables=[Counted.__table__])
    for statement in TRIGGERS[engine.dialect.name]:
        elsewhere(engine, statement)
    with Session(engine, expire_on_commit=False) as session:
        things = saved(session, *(Counted(title=str(n)) for n in range(5)))
        assert [inspect(t).dict["version"] for t in things] == [1] * 5
        for n in (2, 3):
            for thing in things[:3]:
                thing.title += "!"
            session.flush()
            assert [inspect(t).dict["version"] for t in things] == [n, n, n, 1, 1]
        session.commit()
        elsewhere(engine, "UPDATE counted SET title = 'theirs' WHERE title = '4'")
        things[4].title = "mine"
        with pytest.raises(StaleDataError, match="Counted"):
            session.flush()


# Locks, merge, bulk


def test_get_with_a_lock_compares_versions(session, database):
    page = saved(session, Page(title="a"))
    elsewhere(database, "UPDATE page SET title = 'theirs', version = 2")
    with pytest.raises(StaleDataError, match="was loaded with version 1, and its row has 2"):
        session.get(Page, page.id, with_for_update=True)
    assert page.title == "theirs"
    assert session.get(Page, page.id, with_for_update=True) is page
    elsewhere_version = page.version
    session.commit()
    elsewhere(database, "UPDATE page SET title = 'again', version = 3")
    session.refresh(page, with_for_update=True)
    assert (page.title, page.version, elsewhere_version) == ("again", 3, 2)


LOCKS = {
    "plain": (True, "FOR UPDATE"),
    "read": ({"read": True}, "SHARE"),
    "nowait": ({"nowait": True}, "NOWAIT"),
    "skip_locked": ({"skip_locked": True}, "SKIP LOCKED"),
    "key_share": ({"key_share": True}, "FOR NO KEY UPDATE"),
    "of": ({"of": Page}, "OF page"),
}


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("way", ["get", "refresh", "select"])
def test_locks_of_all_kinds_reach_the_database(session, database, lock, way):
    page = saved(session, Page(title="a"))
    options, words = LOCKS[lock]
    sent = []
    event.listen(database, "before_cursor_execute", lambda c, cur, statement, *rest: sent.append(statement))
    if way == "get":
        session.get(Page, page.id, with_for_update=options)
    elif way == "refresh":
        session.refresh(page, with_for_update=options)
    else:
        session.scalars(select(Page).with_for_update(**({} if options is True else options))).all()
    assert words in sent[-1]


def test_merge_of_an_older_version_is_refused(session, database):
    page = saved(session, Page(title="a"))
    page.title = "b"
    session.commit()
    with pytest.raises(StaleDataError, match="of version 1, and its row has 2"):
        session.merge(Page(id=page.id, title="c", version=1))
    assert session.merge(Page(id=page.id, title="c", version=2)).title == "c"
    session.commit()
    assert session.merge(Page(id=page.id, title="d")) is page
    session.commit()
    assert (page.title, page.version) == ("d", 4)


def test_bulk_methods_count_versions(session):
    session.bulk_insert_mappings(Page, [{"id": n, "title": "a"} for n in (1, 2)])
    session.bulk_update_mappings(Page, [{"id": n, "title": "b", "version": 1} for n in (1, 2)])
    assert [(p.title, p.version) for p in session.scalars(select(Page))] == [("b", 2), ("b", 2)]
    with pytest.raises(StaleDataError):
        session.bulk_update_mappings(Page, [{"id": 1, "title": "c", "version": 1}])
    with pytest.raises(InvalidRequestError, match="version"):
        session.bulk_update_mappings(Page, [{"id": 1, "title": "c"}])


def test_statements_in_bulk_count_versions(session):
    session.execute(insert(Page), [{"id": n, "title": "a"} for n in (1, 2)])
    pages = session.scalars(select(Page).order_by(Page.id)).all()
    assert [page.version for page in pages] == [1, 1]
    session.execute(update(Page), [{"id": n, "title": "b", "version": 1} for n in (1, 2)])
    assert [(page.title, page.version) for page in pages] == [("b", 2), ("b", 2)]
    pages[0].title = "c"
    session.flush()
    assert pages[0].version == 3
    with pytest.raises(StaleDataError, match="another version"):
        session.execute(update(Page), [{"id": 1, "title": "d", "version": 2}])
    with pytest.raises(InvalidRequestError, match="needs the version of each row"):
        session.execute(update(Page), [{"id": 1, "title": "d"}])


def test_objects_saved_in_bulk_bring_their_version_along(session):
    page = saved(session, Page(title="a"))
    session.expunge(page)
    page.title = "b"
    session.bulk_save_objects([page])
    assert session.get(Page, page.id).version == 2
    with pytest.raises(StaleDataError):
        session.bulk_save_objects([page])


@pytest.mark.databases("sqlite", "postgresql")
def test_rows_that_are_gone_are_named_as_far_as_can_be_known(session):
    pages = saved(session, *(Page(title=str(n)) for n in range(3)))
    assert [page.title for page in pages] == ["0", "1", "2"]
    one, two = pages[0].id, pages[1].id
    session.connection().execute(text(f"DELETE FROM page WHERE id = {two}"))
    with session.no_autoflush:  # which would look for what refers to each
        for page in pages:
            session.delete(page)
    with pytest.raises(StaleDataError, match="no row for 1 of <Page id=.>, <Page id=.>, <Page id=.>"):
        session.flush()
    session.rollback()
    assert [page.title for page in pages] == ["0", "1", "2"]
    session.connection().execute(text("DELETE FROM page"))
    with session.no_autoflush:
        for page in pages[:2]:
            session.delete(page)
    with pytest.raises(StaleDataError, match=f"no row for <Page id={one}>, no row for <Page id={two}>"):
        session.flush()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("arguments", [{"version_id_col": "nothing"}, {"version_id_generator": 3}])
def test_a_wrong_version_is_refused_by_the_mapping(engine, arguments):
    class Fresh(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match="version_id"):

        class Thing(Fresh):
            __tablename__ = "thing"
            id: Mapped[int] = mapped_column(primary_key=True)
            version: Mapped[int]
            __mapper_args__ = {"version_id_col": "version", **arguments}
