"""What a program can do wrong with relationships, each with what it is told. (What it can map wrong:
tests/mapping/test_relationships_bad_input.py.)"""

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, func, text
from sqlalchemy.exc import CircularDependencyError, IntegrityError

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, relationship, select
from ropewalk.exc import (
    ArgumentError,
    FlushError,
    InvalidRequestError,
    RelatedTypeError,
    SAWarning,
    StaleDataError,
)


class Base(DeclarativeBase):
    pass


class Crew(Base):
    __tablename__ = "rb_crew"
    id: Mapped[int] = mapped_column(primary_key=True)
    sailors: Mapped[list["Sailor"]] = relationship(back_populates="crew")
    seen: Mapped[list["Sailor"]] = relationship(viewonly=True)
    skills: Mapped[set["Skill"]] = relationship(secondary="rb_needed")


class Sailor(Base):
    __tablename__ = "rb_sailor"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    crew_id: Mapped[int | None] = mapped_column(ForeignKey("rb_crew.id"))
    crew: Mapped["Crew | None"] = relationship(back_populates="sailors")
    aboard: Mapped["Crew | None"] = relationship(viewonly=True)


class Skill(Base):
    __tablename__ = "rb_skill"
    id: Mapped[int] = mapped_column(primary_key=True)


Table(
    "rb_needed",
    Base.metadata,
    Column("crew_id", ForeignKey("rb_crew.id"), primary_key=True),
    Column("skill_id", ForeignKey("rb_skill.id"), primary_key=True),
)


class Hen(Base):
    __tablename__ = "rb_hen"
    id: Mapped[int] = mapped_column(primary_key=True)
    egg_id: Mapped[int] = mapped_column(ForeignKey("rb_egg.id", use_alter=True, name="rb_hen_egg"))
    egg: Mapped["Egg"] = relationship(foreign_keys="Hen.egg_id")


class Egg(Base):
    __tablename__ = "rb_egg"
    id: Mapped[int] = mapped_column(primary_key=True)
    hen_id: Mapped[int] = mapped_column(ForeignKey("rb_hen.id", use_alter=True, name="rb_egg_hen"))
    hen: Mapped["Hen"] = relationship(foreign_keys="Egg.hen_id")


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Crew(id=1, sailors=[Sailor(id=1, name="ann")], skills={Skill(id=1), Skill(id=2)}))
        session.commit()
        yield session
        session.rollback()


@pytest.fixture
def crew(session):
    return session.get(Crew, 1)


@pytest.mark.databases("sqlite")
class TestWrongObjects:
    @pytest.mark.parametrize("wrong", [Skill(), "ann", 5, Sailor])
    def test_in_a_collection(self, session, crew, wrong):
        for change in (
            crew.sailors.append,
            lambda one: crew.sailors.insert(0, one),
            lambda one: crew.sailors.extend([one]),
        ):
            with pytest.raises(RelatedTypeError, match=r"'sailors' of class Crew .* takes Sailor") as caught:
                change(wrong)
            assert repr(wrong)[:20] in str(caught.value) and len(crew.sailors) == 1
        with pytest.raises(RelatedTypeError, match="'sailors' of class Crew"):
            crew.sailors = [wrong]
        with pytest.raises(RelatedTypeError, match="'sailors' of class Crew"):
            crew.sailors[0:1] = [wrong]
        with pytest.raises(RelatedTypeError, match="'skills' of class Crew"):
            crew.skills |= {Sailor()}
        assert not session.dirty or inspect(crew).attrs.sailors.history.added == ()
        assert [sailor.name for sailor in crew.sailors] == ["ann"]

    @pytest.mark.parametrize("wrong", [Skill(), "ann", [Crew()]])
    def test_in_a_reference(self, session, crew, wrong):
        (sailor,) = crew.sailors
        with pytest.raises(RelatedTypeError, match=r"'crew' of class Sailor .* takes Crew"):
            sailor.crew = wrong
        assert sailor.crew is crew and not inspect(sailor).modified

    def test_none_in_a_collection(self, session, crew):
        crew.sailors.append(None)
        with pytest.raises(FlushError, match=r"None value found in collection Crew\.sailors of <Crew id=1>: take"):
            session.flush()
        session.rollback()
        assert [sailor.name for sailor in crew.sailors] == ["ann"]
        crew.skills.add(None)
        with pytest.raises(FlushError, match=r"None value found in collection Crew\.skills of <Crew id=1>"):
            session.flush()

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (None, "None is not list-like"),
            ({1, 2}, "set is not list-like"),
            ("ann", "str is not list-like"),
            (Sailor(), "Sailor is not list-like"),
        ],
    )
    def test_what_is_no_collection(self, session, crew, value, message):
        with pytest.raises(TypeError, match=rf"{message}, which is what Crew\.sailors takes"):
            crew.sailors = value
        assert len(crew.sailors) == 1


class TestDuplicates:
    def test_the_same_child_twice_is_saved_once(self, session, crew):
        new = Sailor(id=2, name="bob")
        crew.sailors.append(new)
        crew.sailors.append(new)
        skill = session.get(Skill, 1)
        crew.skills.add(skill)
        session.commit()
        assert [sailor.name for sailor in crew.sailors] == ["ann", "bob"]
        crew.sailors.append(new)
        crew.sailors.remove(new)  # one of two: it stays
        session.commit()
        assert new.crew is crew and len(crew.sailors) == 2

    def test_two_children_of_one_key(self, session, crew):
        crew.sailors.append(Sailor(id=1, name="twin"))
        with (
            pytest.warns(SAWarning, match=r"New object <Sailor id=1> has the primary key of another"),
            pytest.raises(IntegrityError) as caught,
        ):
            session.flush()
        assert any("Sailor" in note and "twin" in note for note in caught.value.__notes__)
        session.rollback()
        assert [sailor.name for sailor in crew.sailors] == ["ann"]


@pytest.mark.databases("sqlite")
class TestViewonly:
    def test_a_collection_is_changed(self, session, crew):
        (ann,) = crew.seen
        with pytest.warns(SAWarning, match=r"<Crew id=1>: Crew\.seen has viewonly=True.*no flush will save it"):
            crew.seen.remove(ann)
        session.commit()
        assert crew.seen == [ann]

    def test_a_reference_is_changed(self, session, crew):
        (ann,) = crew.sailors
        with pytest.warns(SAWarning, match=r"<Sailor id=1>: Sailor\.aboard has viewonly=True.*'aboard'"):
            ann.aboard = None
        session.commit()
        assert ann.aboard is crew

    @pytest.mark.filterwarnings("error")
    def test_merging_it_is_no_change(self, session, crew):
        (ann,) = crew.seen
        assert ann.aboard is crew
        with Session(session.get_bind()) as other:
            mine = other.get(Crew, 1)
            assert [sailor.id for sailor in mine.seen] == [1]
            merged = other.merge(crew)
            assert merged is mine and [sailor.id for sailor in merged.seen] == [1]
            assert not other.dirty


class TestFlush:
    @pytest.mark.databases("sqlite", "postgresql")
    def test_a_circle_no_order_can_satisfy(self, session):
        hen, egg = Hen(id=7), Egg(id=8)
        hen.egg, egg.hen = egg, hen
        session.add(hen)
        with pytest.raises(CircularDependencyError, match=r"<(Hen|Egg) id=[78]>, <(Hen|Egg) id=[78]>: each refers"):
            session.flush()
        session.rollback()
        assert hen not in session and session.scalar(select(func.count()).select_from(Hen)) == 0

    def test_an_association_row_that_is_gone(self, session, crew):
        skills = list(crew.skills)
        session.execute(text("DELETE FROM rb_needed WHERE skill_id = 1"))
        for skill in skills:
            crew.skills.remove(skill)
        with pytest.raises(
            StaleDataError, match=r"'rb_needed' expected to delete 2 .*Only 1 .*Crew\.skills.*Crew id=1"
        ):
            session.flush()

    @pytest.mark.databases("sqlite")
    def test_association_rows_go_in_batches(self, session, crew):
        from databases import count_statements

        crew.skills |= {Skill() for _ in range(50)}
        with count_statements(session.get_bind()) as sent:
            session.flush()
        assert [s.split()[0] for s in sent.statements if "rb_needed" in s] == ["INSERT"]
        crew.skills.clear()
        with count_statements(session.get_bind()) as sent:
            session.flush()
        assert [s.split()[0] for s in sent.statements if "rb_needed" in s] == ["DELETE"]


@pytest.mark.databases("sqlite")
class TestMappings:
    """One of each kind through the public API; the whole lot is in tests/mapping."""

    def mapped(self, parent=None, child=None, other=None):
        class Own(DeclarativeBase):
            pass

        class Parent(Own):
            __tablename__ = "parent"
            id: Mapped[int] = mapped_column(primary_key=True)
            children: Mapped[list["Child"]] = parent if parent is not None else relationship()
            if other is not None:
                others: Mapped[list["Child"]] = other

        class Child(Own):
            __tablename__ = "child"
            id: Mapped[int] = mapped_column(primary_key=True)
            parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
            parent: Mapped["Parent | None"] = child if child is not None else relationship(viewonly=True)

        Own.registry.configure()

    def test_unknown_target(self):
        with pytest.raises(InvalidRequestError, match=r"Parent\.children.*'Chidl'.*Did you mean 'Child'"):
            self.mapped(parent=relationship("Chidl"))

    def test_two_that_write_one_column(self):
        with pytest.warns(SAWarning, match=r"Parent\.others writes child\.parent_id, with the value of parent\.id"):
            self.mapped(other=relationship())

    def test_back_populates_that_names_nothing(self):
        with pytest.raises(InvalidRequestError, match=r"Parent\.children: back_populates='nope' names nothing.*parent"):
            self.mapped(parent=relationship(back_populates="nope"))

    def test_orphans_of_a_reference(self):
        with pytest.raises(ArgumentError, match=r"Child\.parent is many-to-one.*delete-orphan.*single_parent=True"):
            self.mapped(child=relationship(cascade="all, delete-orphan"))
