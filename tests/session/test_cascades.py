"""Which moves of an object take related ones along."""

import gc

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String, select

from ropewalk import DeclarativeBase, Mapped, Session, inspect, make_transient, mapped_column
from ropewalk.exc import FlushError, InvalidRequestError
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owner"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(30))
    pets: Mapped[list["Pet"]] = relationship(back_populates="owner", order_by="Pet.id")
    notes: Mapped[list["Note"]] = relationship(back_populates="owner", cascade="all, delete-orphan", order_by="Note.id")
    strangers: Mapped[list["Stranger"]] = relationship(cascade="none")
    passive: Mapped[list["Passive"]] = relationship(cascade="all", passive_deletes=True)
    left: Mapped[list["Left"]] = relationship(passive_deletes="all")


class Pet(Base):
    __tablename__ = "pet"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))
    owner: Mapped["Owner | None"] = relationship(back_populates="pets")
    tag_id: Mapped[int | None] = mapped_column(ForeignKey("tag.id"))
    tag: Mapped["Tag | None"] = relationship(cascade="all, delete-orphan", single_parent=True)


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))
    owner: Mapped["Owner"] = relationship(back_populates="notes")
    lines: Mapped[list["Line"]] = relationship(cascade="all")


class Line(Base):
    __tablename__ = "line"

    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int | None] = mapped_column(ForeignKey("note.id"))


class Stranger(Base):
    __tablename__ = "stranger"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))


class Passive(Base):
    __tablename__ = "passive"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"))


class Left(Base):
    __tablename__ = "left_behind"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"))


@pytest.fixture
def session(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        yield session


def saved(session, thing):
    session.add(thing)
    session.commit()
    return thing


# -- save-update -------------------------------------------------------------------------


def test_add_goes_along_collections_and_references(session):
    tag = Tag()
    owner = Owner(pets=[Pet(tag=tag)])
    session.add(tag)
    assert owner not in session
    session.add(owner.pets[0])
    assert owner in session


def test_what_is_assigned_to_an_object_of_the_session_comes_in(session):
    owner = Owner()
    session.add(owner)
    pet = Pet(tag=Tag())
    owner.pets.append(pet)
    assert pet in session
    assert pet.tag in session


def test_the_other_side_does_not_bring_an_object_in(session):
    owner = Owner()
    session.add(owner)
    pet = Pet(owner=owner)
    assert pet in owner.pets
    assert pet not in session


def test_assigning_brings_in_what_came_by_the_other_side(session):
    owner = Owner()
    session.add(owner)
    pet = Pet(owner=owner)
    owner.pets = [pet]
    assert pet in session


def test_no_cascade(session):
    owner = Owner(strangers=[Stranger()])
    session.add(owner)
    assert owner.strangers[0] not in session


def test_add_loads_nothing(session, sqlite_engine):
    owner = saved(session, Owner(pets=[Pet()]))
    owner.name  # noqa: B018
    session.expunge_all()
    with count_statements(sqlite_engine) as sent:
        session.add(owner)
    assert sent.count == 0


def test_a_detached_graph_comes_back(session):
    owner = saved(session, Owner(pets=[Pet()]))
    (pet,) = owner.pets
    session.expunge_all()
    assert inspect(pet).detached
    session.add(owner)
    assert inspect(pet).persistent


def test_a_member_removed_while_detached_is_written(session):
    owner = saved(session, Owner(pets=[Pet()]))
    (pet,) = owner.pets
    session.expunge_all()
    owner.pets.remove(pet)
    session.add(owner)
    assert pet in session
    session.commit()
    assert pet.owner_id is None


def test_object_of_another_session_is_refused(session, sqlite_engine):
    with Session(sqlite_engine) as other:
        pet = Pet()
        other.add(pet)
        with pytest.raises(InvalidRequestError, match="already attached to session"):
            session.add(Owner(pets=[pet]))


# -- delete, delete-orphan -----------------------------------------------------------------


def test_delete_goes_all_the_way_down(session):
    owner = saved(session, Owner(notes=[Note(lines=[Line(), Line()]), Note()]))
    session.delete(owner)
    assert len(session.deleted) == 5
    session.commit()
    assert session.scalars(select(Line)).all() == []


def test_deleted_objects_stay_in_collections_in_memory(session):
    owner = saved(session, Owner(notes=[Note(), Note()]))
    first = owner.notes[0]
    session.delete(first)
    session.flush()
    assert first in owner.notes
    session.expire(owner, ["notes"])
    assert first not in owner.notes


def test_passive_deletes_loads_nothing(session, sqlite_engine):
    owner = saved(session, Owner(passive=[Passive(), Passive()]))
    owner.name, owner.pets, owner.notes, owner.strangers  # noqa: B018
    with count_statements(sqlite_engine) as sent:
        session.delete(owner)
        session.flush()
    assert sent.count == 1


def test_passive_deletes_deletes_what_is_loaded(session):
    owner = saved(session, Owner(passive=[Passive(), Passive()]))
    assert len(owner.passive) == 2
    session.delete(owner)
    assert len(session.deleted) == 3


def test_passive_deletes_all_touches_nothing(session):
    owner = saved(session, Owner(left=[Left()]))
    (left,) = owner.left
    session.delete(owner)
    session.flush()
    assert left.owner_id == 1


def test_pending_orphan_is_let_go(session):
    owner = Owner(notes=[Note(lines=[Line()])])
    session.add(owner)
    note = owner.notes.pop()
    assert note not in session
    assert note.lines[0] not in session
    session.commit()
    assert session.scalars(select(Note)).all() == []


def test_orphan_takes_its_own_children_with_it(session):
    owner = saved(session, Owner(notes=[Note(lines=[Line()])]))
    owner.notes = []
    session.commit()
    assert session.scalars(select(Line)).all() == []


def test_orphan_by_its_own_reference(session):
    owner = saved(session, Owner(notes=[Note()]))
    owner.notes[0].owner = None
    session.commit()
    assert session.scalars(select(Note)).all() == []
    assert owner.notes == []


def test_replaced_reference_makes_an_orphan(session):
    pet = saved(session, Pet(tag=Tag()))
    old = pet.tag
    pet.tag = Tag()
    session.commit()
    assert inspect(old).detached
    assert session.scalars(select(Tag)).all() == [pet.tag]


def test_delete_follows_a_reference(session):
    pet = saved(session, Pet(tag=Tag()))
    session.delete(pet)
    session.commit()
    assert session.scalars(select(Tag)).all() == []


def test_deleting_and_adding_again(session):
    owner = saved(session, Owner(notes=[Note()]))
    session.delete(owner)
    session.add(owner)
    session.commit()
    assert inspect(owner).persistent


def test_none_in_a_collection_is_refused(session):
    owner = Owner(pets=[Pet()])
    owner.pets.append(None)
    session.add(owner)
    with pytest.raises(FlushError, match=r"Can't flush None value found in collection Owner\.pets"):
        session.flush()


# -- expunge, expire, refresh ---------------------------------------------------------------


def test_expunge_goes_along_its_cascade(session):
    owner = saved(session, Owner(notes=[Note()], pets=[Pet()]))
    (note,), (pet,) = owner.notes, owner.pets
    session.expunge(owner)
    assert note not in session
    assert pet in session


def test_expire_forgets_relationships(session):
    owner = saved(session, Owner(notes=[Note()], pets=[]))
    owner.pets.append(Pet())
    note = owner.notes[0]
    note.id  # noqa: B018
    session.expire(owner)
    assert "pets" not in owner.__dict__
    assert "id" not in note.__dict__  # refresh-expire is part of all
    assert owner not in session.dirty


def test_expire_of_one_relationship(session):
    owner = saved(session, Owner(pets=[Pet()]))
    (pet,) = owner.pets
    owner.name  # noqa: B018
    owner.pets.remove(pet)
    session.expire(owner, ["pets"])
    assert "name" in owner.__dict__
    with session.no_autoflush:
        assert owner.pets == [pet]


def test_rollback_brings_relationships_back(session):
    owner = saved(session, Owner(pets=[Pet(), Pet()]))
    first, second = owner.pets
    owner.pets.remove(first)
    new = Pet()
    owner.pets.append(new)
    session.flush()
    session.rollback()
    assert owner.pets == [first, second]
    assert inspect(new).transient


@pytest.mark.parametrize("flushed", [False, True])
def test_an_orphan_that_rollback_gave_its_parent_back_is_none(session, flushed):
    owner = saved(session, Owner(notes=[Note(), Note()]))
    first, second = owner.notes
    owner.notes.remove(first)
    second.owner = None
    if flushed:
        session.flush()
    session.rollback()
    first.owner_id, second.owner_id = first.owner_id, second.owner_id
    owner.name = "x"
    session.commit()
    assert owner.notes == [first, second]


def test_an_orphan_whose_loss_was_expired_is_none(session):
    owner = saved(session, Owner(notes=[Note(lines=[])]))
    (note,) = owner.notes
    owner.notes.remove(note)
    session.expire(owner, ["notes"])
    session.expire(note, ["owner"])
    note.lines.append(Line())
    session.commit()
    assert owner.notes == [note]


def test_changes_of_an_unloaded_collection_are_dropped_by_rollback(session):
    owner = saved(session, Owner(pets=[Pet()]))
    pet = Pet(owner=owner)
    session.rollback()
    assert pet not in owner.pets
    assert len(owner.pets) == 1


def test_changes_of_an_unloaded_collection_are_written(session):
    owner = saved(session, Owner(pets=[Pet()]))
    pet = Pet(owner=owner)
    session.add(pet)
    session.flush()
    assert not session.dirty
    assert [p.id for p in owner.pets] == [1, pet.id]


def test_graph_is_let_go_with_its_root(session):
    owner = saved(session, Owner(pets=[Pet()]))
    owner.pets[0].id  # noqa: B018
    owner.pets.append(Pet())
    session.commit()
    assert owner.pets
    del owner
    gc.collect()
    assert len(session.identity_map) == 0


def test_made_transient_it_keeps_what_it_held(session):
    owner = saved(session, Owner(pets=[Pet()]))
    (pet,) = owner.pets
    owner.name  # noqa: B018
    make_transient(owner)
    assert owner.pets == [pet]
    owner.id = None
    session.add(owner)
    session.commit()
    assert pet.owner_id == owner.id == 2


def test_what_is_replaced_is_loaded_without_a_flush(session):
    owner = saved(session, Owner(notes=[Note()]))
    note = Note()  # which cannot be written as it is
    session.add(note)
    owner.notes = [note]
    assert note in session.new
    session.commit()
    assert session.scalars(select(Note)).all() == [note]
