"""Collections that are never loaded: write-only and dynamic, on every database."""

import pickle

import pytest
from databases import count_statements
from sqlalchemy import Column, ForeignKey, Integer, String, Table, func, select, text

import ropewalk
from ropewalk import (
    AppenderQuery,
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    Query,
    Session,
    WriteOnlyCollection,
    WriteOnlyMapped,
    dynamic_loader,
    inspect,
    joinedload,
    lazyload,
    mapped_column,
    registry,
    relationship,
    selectinload,
    validates,
)
from ropewalk.attributes import get_history, set_committed_value
from ropewalk.exc import DetachedInstanceError, IntegrityError, InvalidRequestError, RelatedTypeError, SAWarning
from ropewalk.instrumentation.pending import ObjectSet


class Base(DeclarativeBase):
    pass


filed = Table(
    "q_filed",
    Base.metadata,
    Column("archive_id", ForeignKey("q_archive.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("q_tag.id"), primary_key=True),
)


class PaperQuery(Query):
    def titled(self, title):
        return self.filter(Paper.title == title)


class Archive(Base):
    __tablename__ = "q_archive"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(30))
    letters: WriteOnlyMapped["Letter"] = relationship(
        back_populates="archive", cascade="all, delete-orphan", passive_deletes=True, order_by="Letter.id"
    )
    papers: DynamicMapped["Paper"] = relationship(back_populates="archive", order_by="Paper.id", query_class=PaperQuery)
    notes: DynamicMapped["Note"] = relationship(cascade="all, delete-orphan")
    tags: WriteOnlyMapped["Tag"] = relationship(secondary=filed, order_by="Tag.id", passive_deletes=True)
    kept_tags: DynamicMapped["Tag"] = relationship(secondary=filed, viewonly=True, order_by="Tag.id")


class Letter(Base):
    __tablename__ = "q_letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(String(30))
    archive_id: Mapped[int | None] = mapped_column(ForeignKey("q_archive.id", ondelete="CASCADE"))
    archive: Mapped["Archive | None"] = relationship(back_populates="letters")


class Paper(Base):
    __tablename__ = "q_paper"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(String(30))
    archive_id: Mapped[int | None] = mapped_column(ForeignKey("q_archive.id"))
    archive: Mapped["Archive | None"] = relationship(back_populates="papers")


class Note(Base):
    __tablename__ = "q_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    archive_id: Mapped[int | None] = mapped_column(ForeignKey("q_archive.id"))


class Tag(Base):
    __tablename__ = "q_tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(30))


class Shelf(Base):
    __tablename__ = "q_shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    boxes: WriteOnlyMapped["Box"] = relationship()


class Box(Base):
    __tablename__ = "q_box"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("q_shelf.id"))


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
        session.rollback()


@pytest.fixture
def archive(session):
    """An archive with three letters, three papers and two notes, and nothing of it in memory but itself."""
    found = Archive(name="town")
    found.letters.add_all([Letter(text=text) for text in "abc"])
    found.papers.extend([Paper(title=title) for title in "xyz"])
    found.notes.append(Note())
    found.notes.append(Note())
    session.add(found)
    session.commit()
    return found


def texts(session, statement):
    return [letter.text for letter in session.scalars(statement)]


# -- write-only ---------------------------------------------------------------------------


def test_a_graph_with_a_write_only_collection_is_saved_from_the_top(session, archive):
    assert isinstance(archive.letters, WriteOnlyCollection)
    assert texts(session, archive.letters.select()) == ["a", "b", "c"]
    assert all(letter.archive is archive for letter in session.scalars(archive.letters.select()))


def test_its_select_is_narrowed_and_ordered_like_any(session, archive):
    letters = archive.letters.select()
    assert texts(session, letters.where(Letter.text > "a").limit(1)) == ["b"]
    assert texts(session, letters.order_by(None).order_by(Letter.text.desc())) == ["c", "b", "a"]
    assert session.scalar(select(func.count()).select_from(letters.subquery())) == 3


def test_adding_and_taking_out_loads_nothing(session, archive):
    gone = session.scalars(archive.letters.select().where(Letter.text == "b")).one()
    session.commit()
    archive.id, gone.id  # noqa: B018  # a SELECT for each after the commit
    with count_statements(session.get_bind()) as sent:
        archive.letters.add(Letter(text="d"))
        archive.letters.remove(gone)
        session.flush()
    assert [s.split()[0] for s in sent.statements] == ["INSERT", "DELETE"]  # it is an orphan now
    assert texts(session, archive.letters.select()) == ["a", "c", "d"]


def test_a_new_object_is_its_own_list_and_then_the_database_is(session):
    archive = Archive()
    assert "letters" not in vars(archive)
    archive.letters = [Letter(text="a"), Letter(text="b")]
    one, two = vars(archive)["letters"]
    archive.letters = [two, Letter(text="c")]
    assert one.archive is None and two.archive is archive
    assert inspect(archive).attrs.letters.history == ([two, vars(archive)["letters"][1]], [], [])
    session.add(archive)
    session.flush()
    assert "letters" not in vars(archive)
    assert texts(session, archive.letters.select()) == ["b", "c"]
    assert session.scalar(select(func.count()).select_from(Letter)) == 2


def test_what_a_pending_object_selects_is_known_once_it_is_flushed(session):
    archive = Archive(letters=[Letter(text="a")])
    statement = archive.letters.select()
    session.add(archive)
    assert texts(session, statement) == ["a"]  # by autoflush


def test_the_other_side_keeps_in_step_and_is_undone_with_it(session, archive):
    letter = Letter(text="d")
    archive.letters.add(letter)
    assert letter.archive is archive and letter in session
    other = Archive(name="other")
    letter.archive = other
    assert inspect(archive).attrs.letters.history == ([], [], [])
    assert inspect(other).attrs.letters.history == ([letter], [], [])
    session.rollback()
    assert texts(session, archive.letters.select()) == ["a", "b", "c"]


def test_history_says_what_waits(session, archive):
    first = session.scalars(archive.letters.select()).first()
    new = Letter(text="d")
    archive.letters.add(new)
    archive.letters.remove(first)
    assert inspect(archive).attrs.letters.history == ([new], [], [first])
    assert archive in session.dirty
    archive.letters.add(first)
    assert inspect(archive).attrs.letters.history == ([new], [], [])
    session.flush()
    assert inspect(archive).attrs.letters.history == ([], [], [])


@pytest.mark.databases("sqlite")
def test_what_waits_is_told_apart_by_identity_and_compared_with_nothing(session, archive):
    class Alike:  # equal to any other, and slow at it when there are many
        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = object.__hash__

    waiting = ObjectSet(Alike() for _ in range(3))
    first = waiting[0]
    waiting.add(first)
    assert len(waiting) == 3 and first in waiting and Alike() not in waiting
    assert waiting.discard(first) and not waiting.discard(first)
    assert len(waiting) == 2


def test_deleting_leaves_the_members_to_the_database(session, archive):
    session.delete(archive)
    with count_statements(session.get_bind()) as sent:
        session.flush()
    assert not any("q_letter" in s for s in sent.statements)
    assert session.scalar(select(func.count()).select_from(Letter)) == 0


def test_deleting_without_passive_deletes_is_refused_with_the_remedy(session):
    shelf = Shelf(boxes=[Box(), Box()])
    session.add(shelf)
    session.commit()
    session.delete(shelf)
    with pytest.raises(InvalidRequestError, match=r"Shelf\.boxes is write-only.*passive_deletes=True"):
        session.commit()
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Box)) == 2


def test_rows_in_bulk(session, archive):
    session.execute(archive.letters.insert(), [{"text": "d"}, {"text": "e"}])
    session.execute(archive.letters.update().where(Letter.text == "a").values(text="A"))
    session.execute(archive.letters.delete().where(Letter.text == "b"))
    assert texts(session, archive.letters.select()) == ["A", "c", "d", "e"]


def test_rows_in_bulk_of_an_object_that_is_not_flushed_yet(session):
    archive = Archive()
    session.add(archive)
    session.execute(archive.letters.insert(), [{"text": "d"}, {"text": "e"}])
    assert texts(session, archive.letters.select()) == ["d", "e"]


def test_many_to_many(session, archive):
    tags = [Tag(name=name) for name in "abc"]
    archive.tags.add_all(tags)
    session.commit()
    with count_statements(session.get_bind()) as sent:
        archive.tags.remove(tags[0])
        session.flush()
    assert [s.split()[0] for s in sent.statements if "q_filed" in s] == ["DELETE"]
    assert [tag.name for tag in session.scalars(archive.tags.select())] == ["b", "c"]
    assert archive.kept_tags.filter(Tag.name > "b").all() == [tags[2]]
    session.execute(archive.tags.update().values(name="renamed"))
    assert [tag.name for tag in session.scalars(archive.tags.select())] == ["renamed", "renamed"]
    assert session.scalar(select(Tag.name).where(Tag.id == tags[0].id)) == "a"
    with pytest.raises(InvalidRequestError, match=r"Archive\.tags is many-to-many.*add_all"):
        archive.tags.insert()
    session.delete(archive)
    session.flush()
    assert session.execute(text("SELECT count(*) FROM q_filed")).scalar() == 0


@pytest.mark.databases("sqlite")
class TestRefusals:
    def test_iteration(self, session, archive):
        with pytest.raises(
            TypeError, match=r"Archive\.letters is a write-only.*session\.scalars\(obj\.letters\.select"
        ):
            list(archive.letters)

    def test_replacing(self, session, archive):
        with pytest.raises(InvalidRequestError, match=r"Archive\.letters.*add_all"):
            archive.letters = []

    @pytest.mark.parametrize("wrong", [None, "text", Tag()])
    def test_a_wrong_object(self, session, archive, wrong):
        for change in (archive.letters.add, archive.letters.remove, archive.papers.append):
            with pytest.raises(RelatedTypeError, match=r"'(letters|papers)' of class Archive"):
                change(wrong)
        assert not inspect(archive).modified

    def test_a_value_that_is_no_collection(self, session):
        with pytest.raises(TypeError, match=r"Archive\.letters is a collection.*got 5"):
            Archive(letters=5)

    def test_del(self, session, archive):
        with pytest.raises(NotImplementedError, match=r"Archive\.letters"):
            del archive.letters

    @pytest.mark.parametrize("option", [selectinload, joinedload])
    @pytest.mark.parametrize("name", ["letters", "papers"])
    def test_eager_loading(self, session, archive, option, name):
        with pytest.raises(InvalidRequestError, match=rf"Archive\.{name} has lazy="):
            session.scalars(ropewalk.select(Archive).options(option(getattr(Archive, name)))).all()

    def test_wildcards_pass_them_by(self, session, archive):
        session.expunge_all()
        found = session.scalars(ropewalk.select(Archive).options(selectinload("*"), lazyload(Archive.papers))).one()
        assert found.papers.count() == 3

    def test_committed_values(self, session, archive):
        with pytest.raises(NotImplementedError, match=r"Archive\.papers"):
            set_committed_value(archive, "papers", [])

    @pytest.mark.parametrize("lazy", ["dynamic", "write_only"])
    @pytest.mark.parametrize("more", [{}, {"uselist": True}])
    def test_a_reference(self, lazy, more):
        reg = registry()

        @reg.mapped
        class Pot:
            __tablename__ = "pot"
            id = mapped_column(Integer, primary_key=True)

        @reg.mapped
        class Lid:
            __tablename__ = "lid"
            id = mapped_column(Integer, primary_key=True)
            pot_id = mapped_column(ForeignKey("pot.id"))
            pot = relationship(Pot, lazy=lazy, **more)

        with pytest.raises(
            InvalidRequestError, match=rf"Lid\.pot has lazy='{lazy}', which is for collections.*one Pot"
        ):
            reg.configure()


def test_detached_objects(session, archive):
    statement = archive.letters.select()
    session.expunge_all()
    assert texts(session, statement) == ["a", "b", "c"]  # the key is known
    with pytest.raises(DetachedInstanceError, match=r"Archive\.papers cannot be queried"):
        archive.papers.filter_by(title="x")
    with pytest.warns(SAWarning, match="is in no session, so"):
        assert archive.papers.all() == []


# -- dynamic ------------------------------------------------------------------------------


def test_a_dynamic_collection_is_a_query(session, archive):
    papers = archive.papers
    assert isinstance(papers, PaperQuery)
    assert [paper.title for paper in papers] == ["x", "y", "z"]
    assert papers[0].title == "x" and [p.title for p in papers[1:3]] == ["y", "z"]
    assert papers.count() == 3
    assert papers.titled("y").one().title == "y"
    assert papers.filter(Paper.title > "x").order_by(None).order_by(Paper.title.desc()).first().title == "z"
    assert not isinstance(papers.limit(1), AppenderQuery)
    assert isinstance(archive.notes, AppenderQuery)
    assert papers.filter_by(title="q").all() == []


def test_a_dynamic_collection_of_a_new_object_asks_nobody(session):
    archive = Archive(papers=[Paper(title="x")])
    archive.papers.append(Paper(title="y"))
    assert [p.title for p in archive.papers] == ["x", "y"]
    assert archive.papers.count() == 2 and archive.papers[1].title == "y"
    assert archive.papers[0].archive is archive
    archive.papers.remove(archive.papers[0])
    assert [p.title for p in archive.papers] == ["y"]


def test_a_dynamic_collection_flushes_before_it_asks(session, archive):
    archive.papers.append(Paper(title="new"))
    assert archive.papers.count() == 4
    session.autoflush = False
    archive.papers.append(Paper(title="newer"))
    assert archive.papers.count() == 4
    session.flush()
    assert archive.papers.count() == 5


def test_a_dynamic_collection_can_be_replaced(session, archive):
    x, y, z = archive.papers
    new = Paper(title="new")
    archive.papers = [y, new]
    assert inspect(archive).attrs.papers.history == ([new], [], [x, z])
    session.flush()
    assert list(archive.papers) == [y, new]
    assert x.archive_id is None and x.archive is None
    assert session.scalar(select(func.count()).select_from(Paper)) == 4


def test_orphans_of_a_dynamic_collection_are_deleted(session, archive):
    first = archive.notes.first()
    archive.notes.remove(first)
    session.flush()
    assert session.scalar(select(func.count()).select_from(Note)) == 1
    session.delete(archive)
    assert len(session.deleted) == 2  # which it tells before the flush
    session.flush()
    assert session.scalar(select(func.count()).select_from(Note)) == 0
    assert session.execute(select(Paper.archive_id)).scalars().all() == [None, None, None]


def test_history_with_the_members_fetched(session, archive):
    x, y, z = archive.papers
    new = Paper(title="new")
    session.autoflush = False
    archive.papers.remove(y)
    archive.papers.append(new)
    archive.papers.append(x)  # is there already
    assert get_history(archive, "papers") == ([new], [x, z], [y])
    assert inspect(archive).attrs.papers.history == ([new, x], [], [y])
    with pytest.raises(InvalidRequestError, match="write-only"):
        get_history(archive, "letters")


def test_merge(session, archive):
    with Session(session.bind) as other:
        mine = other.merge(archive)
        assert [p.title for p in mine.papers] == ["x", "y", "z"]
        x, *_ = mine.papers
        changed = Archive(id=archive.id, papers=[Paper(id=x.id, title="X"), Paper(title="new")])
        mine = other.merge(changed)
        other.flush()
        assert [p.title for p in mine.papers] == ["X", "new"]
        with pytest.raises(InvalidRequestError, match="write-only"):
            other.merge(Archive(id=archive.id, letters=[Letter()]))
        other.rollback()
        copy = other.merge(Archive(letters=[Letter(text="q")]))
        other.flush()
        assert texts(other, copy.letters.select()) == ["q"]
        other.rollback()


def test_expire_and_refresh_forget_what_waits(session, archive):
    archive.papers.append(lost := Paper(title="lost"))
    session.expunge(lost)
    session.expire(archive, ["papers"])
    assert inspect(archive).attrs.papers.history == ([], [], [])
    archive.letters.add(lost := Letter(text="lost"))
    session.expunge(lost)
    session.refresh(archive, ["letters", "name"])
    assert inspect(archive).attrs.letters.history == ([], [], [])


def test_expunge_takes_along_what_waits(session, archive):
    new = Note()
    archive.notes.append(new)
    assert new in session
    session.expunge(archive)
    assert new not in session


def test_a_failed_flush_loses_nothing(session):
    archive = Archive(letters=[Letter(text="a")], papers=[Paper(title="x" * 5)])
    session.add(archive)
    session.add_all([Tag(id=1), Tag(id=1)])
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    session.add(archive)
    session.flush()
    assert texts(session, archive.letters.select()) == ["a"]


def test_pickling(session, archive):
    new = Archive(letters=[Letter(text="a")], papers=[Paper(title="x")])
    again = pickle.loads(pickle.dumps(new))
    assert [paper.title for paper in again.papers] == ["x"] and again.papers[0].archive is again
    archive.letters.add(Letter(text="waits"))
    session.expunge_all()
    again = pickle.loads(pickle.dumps(archive))
    (waits,) = inspect(again).attrs.letters.history.added
    assert waits.text == "waits" and waits.archive is again


@pytest.mark.databases("sqlite")
class TestOtherSpellings:
    def test_dynamic_loader_of_0_4_and_a_backref(self, sqlite_memory_engine):
        reg = registry()
        boats = Table("boat", reg.metadata, Column("id", Integer, primary_key=True))
        oars = Table(
            "oar",
            reg.metadata,
            Column("id", Integer, primary_key=True),
            Column("boat_id", ForeignKey("boat.id")),
        )

        class Boat:
            pass

        class Oar:
            pass

        reg.map_imperatively(Boat, boats)
        reg.map_imperatively(
            Oar, oars, properties={"boat": relationship(Boat, backref=ropewalk.backref("oars", lazy="dynamic"))}
        )
        reg.configure()
        reg.metadata.create_all(sqlite_memory_engine)
        with Session(sqlite_memory_engine) as session:
            boat, oar = Boat(), Oar()
            oar.boat = boat
            session.add(oar)
            assert list(boat.oars) == [oar]
            oar.boat = None
            assert boat.oars.count() == 0

    def test_dynamic_loader(self):
        assert dynamic_loader("Oar").lazy == "dynamic"

    def test_validators_see_what_comes(self, sqlite_memory_engine):
        class Own(DeclarativeBase):
            pass

        class Hull(Own):
            __tablename__ = "hull"
            id: Mapped[int] = mapped_column(primary_key=True)
            planks: WriteOnlyMapped["Plank"] = relationship(back_populates="hull")

            @validates("planks")
            def check(self, key, plank):
                assert key == "planks"
                seen.append(plank)
                return plank

        class Plank(Own):
            __tablename__ = "plank"
            id: Mapped[int] = mapped_column(primary_key=True)
            hull_id: Mapped[int | None] = mapped_column(ForeignKey("hull.id"))
            hull: Mapped["Hull | None"] = relationship(back_populates="planks")

        seen = []
        hull, one, two = Hull(), Plank(), Plank()
        hull.planks.add(one)
        two.hull = hull
        assert seen == [one, two]
