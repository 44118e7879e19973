"""inspect() and its relatives: what a class, an object and an attribute tell about themselves."""

import pytest
import sqlalchemy
from sqlalchemy import Column, Integer, MetaData, String, Table

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Mapper,
    Session,
    aliased,
    class_mapper,
    column_property,
    configure_mappers,
    identity_key,
    inspect,
    mapped_column,
    object_mapper,
    object_session,
    registry,
    select,
    synonym,
)
from ropewalk.exc import NoInspectionAvailable, UnmappedClassError, UnmappedInstanceError


class Base(DeclarativeBase):
    pass


class Tree(Base):
    __tablename__ = "tree"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column("k", String(50))
    height: Mapped[int | None] = mapped_column()
    double: Mapped[int] = column_property(height * 2)
    species: Mapped[str] = synonym("kind")


class Plain:
    pass


@pytest.fixture
def session(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Tree(id=1, kind="oak", height=20))
        session.commit()
        yield session


# Classes


def test_inspect_of_a_class_is_its_mapper():
    assert isinstance(inspect(Tree), Mapper)
    assert inspect(Tree).class_ is Tree


def test_class_mapper_is_the_same():
    assert class_mapper(Tree) is inspect(Tree)


def test_class_has_its_mapper_and_table():
    assert Tree.__mapper__ is inspect(Tree)
    assert Tree.__table__ is inspect(Tree).local_table


def test_mapper_knows_table_and_keys():
    mapper = inspect(Tree)
    assert mapper.local_table is Base.metadata.tables["tree"]
    assert mapper.persist_selectable is mapper.local_table
    assert list(mapper.tables) == [mapper.local_table]
    assert [column.name for column in mapper.primary_key] == ["id"]


def test_mapper_lists_attributes():
    mapper = inspect(Tree)
    assert set(mapper.attrs.keys()) == {"id", "kind", "height", "double", "species"}
    assert set(mapper.column_attrs.keys()) == {"id", "kind", "height", "double"}
    assert set(mapper.synonyms.keys()) == {"species"}


def test_mapper_finds_attributes_of_columns_and_columns_of_attributes():
    mapper = inspect(Tree)
    table = Tree.__table__
    assert mapper.get_property_by_column(table.c.k).key == "kind"
    assert mapper.attrs.kind.columns == [table.c.k]
    assert mapper.columns["kind"] is table.c.k
    assert mapper.c.height is table.c.height
    assert mapper.has_property("kind")
    assert not mapper.has_property("k")


def test_mapper_takes_keys_from_objects():
    mapper = inspect(Tree)
    tree = Tree(id=3)
    assert list(mapper.primary_key_from_instance(tree)) == [3]
    assert mapper.identity_key_from_primary_key((3,))[:2] == (Tree, (3,))


def test_mapper_is_its_own_inspection():
    mapper = inspect(Tree)
    assert inspect(mapper) is mapper
    assert mapper.is_mapper


def test_mapper_says_which_class_it_maps():
    assert "Tree" in str(inspect(Tree))
    assert "Tree" in repr(inspect(Tree))


def test_registry_knows_its_mappers():
    assert inspect(Tree) in Base.registry.mappers


def test_all_orm_descriptors_name_the_attributes():
    assert {"id", "kind", "height", "double", "species"} <= set(inspect(Tree).all_orm_descriptors.keys())


def test_configure_mappers_can_be_called_at_any_time():
    configure_mappers()
    assert inspect(Tree).configured


def test_attribute_of_a_class_is_inspectable():
    assert Tree.kind.key == "kind"
    assert Tree.kind.class_ is Tree
    assert Tree.kind.parent is inspect(Tree)
    assert Tree.kind.property is inspect(Tree).attrs.kind
    assert inspect(Tree.kind) is Tree.kind


def test_attribute_of_a_class_has_the_type_of_its_column():
    assert isinstance(Tree.kind.type, String)
    assert str(Tree.kind) == "Tree.kind"


def test_unmapped_class():
    with pytest.raises(UnmappedClassError, match="Plain"):
        class_mapper(Plain)
    with pytest.raises(NoInspectionAvailable):
        inspect(Plain)
    assert inspect(Plain, raiseerr=False) is None


def test_aliased_class_is_inspectable():
    alias = aliased(Tree, name="t")
    assert inspect(alias).mapper is inspect(Tree)
    assert inspect(alias).is_aliased_class
    assert inspect(alias).name == "t"


def test_imperatively_mapped_class_is_inspected_alike():
    table = Table("bush", MetaData(), Column("id", Integer, primary_key=True))

    class Bush:
        pass

    mapper = registry().map_imperatively(Bush, table)
    assert inspect(Bush) is class_mapper(Bush) is mapper
    assert object_mapper(Bush()) is mapper


# Objects


def test_inspect_of_an_object_is_its_state(session):
    tree = session.get(Tree, 1)
    state = inspect(tree)
    assert state.object is tree
    assert state.obj() is tree
    assert state.mapper is inspect(Tree)
    assert state.session is session
    assert inspect(tree) is state


def test_state_knows_the_identity(session):
    tree = session.get(Tree, 1)
    state = inspect(tree)
    assert state.identity == (1,)
    assert state.has_identity
    assert state.key[:2] == (Tree, (1,))
    assert state.identity_key == state.key


def test_state_of_a_new_object_has_no_identity():
    tree = Tree(id=3)
    state = inspect(tree)
    assert state.identity is None
    assert not state.has_identity
    assert state.key is None
    assert state.session is None


def test_object_mapper_and_object_session(session):
    tree = session.get(Tree, 1)
    assert object_mapper(tree) is inspect(Tree)
    assert object_session(tree) is session
    assert object_session(Tree()) is None


def test_unmapped_object():
    with pytest.raises(UnmappedInstanceError, match="Plain"):
        object_mapper(Plain())
    with pytest.raises(UnmappedInstanceError, match="Plain"):
        object_session(Plain())
    with pytest.raises(NoInspectionAvailable, match="Plain"):
        inspect(Plain())
    assert inspect(Plain(), raiseerr=False) is None


def test_state_of_a_new_object_shows_what_is_unloaded():
    tree = Tree(kind="oak")
    state = inspect(tree)
    assert "height" in state.unloaded
    assert "kind" not in state.unloaded


def test_state_says_whether_anything_was_modified(session):
    tree = session.get(Tree, 1)
    assert not inspect(tree).modified
    tree.height = 21
    assert inspect(tree).modified
    session.flush()
    assert not inspect(tree).modified


def test_state_lists_its_attributes(session):
    tree = session.get(Tree, 1)
    state = inspect(tree)
    assert {"id", "kind", "height", "double"} <= set(state.attrs.keys())
    assert state.attrs.kind.value == "oak"
    assert state.attrs["kind"].key == "kind"
    assert state.attrs.kind.loaded_value == "oak"
    assert state.dict["kind"] == "oak"


# History


def test_history_of_an_unchanged_attribute(session):
    tree = session.get(Tree, 1)
    assert tree.height == 20
    history = inspect(tree).attrs.height.history
    assert (list(history.added), list(history.unchanged), list(history.deleted)) == ([], [20], [])
    assert not history.has_changes()


def test_history_of_a_changed_attribute(session):
    tree = session.get(Tree, 1)
    assert tree.height == 20
    tree.height = 21
    history = inspect(tree).attrs.height.history
    assert (list(history.added), list(history.unchanged), list(history.deleted)) == ([21], [], [20])
    assert history.has_changes()


def test_history_of_an_attribute_set_back(session):
    tree = session.get(Tree, 1)
    assert tree.height == 20
    tree.height = 21
    tree.height = 20
    assert not inspect(tree).attrs.height.history.has_changes()


def test_history_of_a_new_object():
    tree = Tree(kind="oak")
    history = inspect(tree).attrs.kind.history
    assert (list(history.added), list(history.deleted or ())) == (["oak"], [])
    assert not inspect(tree).attrs.height.history.has_changes()


def test_history_is_empty_again_after_a_flush(session):
    tree = session.get(Tree, 1)
    tree.height = 21
    session.flush()
    assert not inspect(tree).attrs.height.history.has_changes()
    assert list(inspect(tree).attrs.height.history.unchanged) == [21]


def test_history_of_an_expired_attribute_asks_nothing(session):
    tree = session.get(Tree, 1)
    session.expire(tree)
    history = inspect(tree).attrs.height.history
    assert history.empty()


def test_load_history_asks_the_database(session):
    tree = session.get(Tree, 1)
    session.expire(tree)
    assert list(inspect(tree).attrs.height.load_history().unchanged) == [20]


# Core's own inspect


def test_inspect_of_an_engine_is_that_of_core(session):
    engine = session.get_bind()
    assert inspect(engine).get_table_names() == ["tree"]
    assert type(inspect(engine)) is type(sqlalchemy.inspect(engine))


def test_core_understands_mapped_classes_in_its_own_statements(session):
    statement = sqlalchemy.select(Tree.kind).where(Tree.height == 20)
    assert session.scalars(statement).all() == ["oak"]
    assert session.connection().scalars(statement).all() == ["oak"]
    assert session.scalars(select(Tree)).one() is session.get(Tree, 1)


def test_attributes_of_synonyms_and_aliases_tell_what_they_are():
    found = inspect(Tree)
    other = aliased(Tree)
    assert str(other.kind) == "aliased(Tree).kind"
    assert Tree.species.original_property is found.synonyms.species
    assert not (found.is_instance or found.is_selectable or inspect(other).is_selectable)
    assert Tree.kind.get_history(Tree(kind="oak")).added == ["oak"]
    assert identity_key(Tree, 5) == (Tree, (5,), None)
