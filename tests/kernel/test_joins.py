"""What Core's Select keeps of a join along a relationship, and where it looks names up afterwards."""

from sqlalchemy import Column, Integer, MetaData, String, Table, select

from ropewalk.kernel import core, joins

metadata = MetaData()
boat = Table("boat", metadata, Column("id", Integer, primary_key=True), Column("name", String(10)))
oar = Table("oar", metadata, Column("id", Integer, primary_key=True), Column("boat_id", Integer))


class Entity(core.CacheKeyed):
    is_mapper = True
    is_aliased_class = False

    def __init__(self, table):
        self.table = table

    @property
    def mapper(self):
        return self

    @property
    def entity_namespace(self):
        return self.table.c


class Oars(joins.JoinTarget):
    """Stands for a relationship from boats to oars."""

    def __init__(self):
        self.parent = Entity(boat)
        self.target_entity = Entity(oar)

    def __clause_element__(self):
        return boat.c.id == oar.c.boat_id


def plain(target, onclause, from_, isouter, full):
    if isinstance(target, Oars):
        return [(boat, oar, boat.c.id == oar.c.boat_id)]
    return [(from_, target, onclause)]


def test_core_takes_a_join_target_as_it_is():
    statement = select(boat).join(Oars())
    assert joins.has_join_targets(statement)
    assert not joins.has_join_targets(select(boat).join(oar, boat.c.id == oar.c.boat_id))


def test_a_join_target_brings_our_plugin_into_a_statement_of_tables():
    target = Oars()
    assert core.statement_entity(select(boat).join(target)) is target.parent


def test_a_join_target_is_replaced_by_plain_joins():
    statement = core.with_raw_columns(
        joins.with_joins_replaced(select(boat.c.id).outerjoin(Oars()), plain), [boat.c.id]
    )
    assert str(statement) == "SELECT boat.id \nFROM boat LEFT OUTER JOIN oar ON boat.id = oar.boat_id"


def test_joins_before_with_only_columns_are_replaced_too():
    statement = select(boat.c.id).join(Oars()).with_only_columns(oar.c.id)
    assert joins.has_join_targets(statement)
    replaced = joins.with_joins_replaced(statement, plain)
    assert not joins.has_join_targets(replaced)
    assert str(core.with_raw_columns(replaced, [oar.c.id])) == (
        "SELECT oar.id \nFROM boat JOIN oar ON boat.id = oar.boat_id"
    )


def test_a_statement_with_a_join_target_has_a_cache_key():
    target = Oars()
    one, other = (core.cache_key(select(boat).join(target)) for _ in range(2))
    assert one.key == other.key
    assert one.key != core.cache_key(select(boat).join(Oars())).key


def test_filter_by_asks_the_entity_of_what_is_selected():
    class Renamed(Entity):
        @property
        def entity_namespace(self):
            return self

        title = boat.c.name

    class State(joins.NamedByEntity):
        pass

    core.CompileState.plugins[core.PLUGIN + "-test", "select"] = State
    try:
        entity = Renamed(boat)
        marked = core.entity_column(boat.c.id, entity, "id")
        marked._propagate_attrs = marked._propagate_attrs.union({"compile_state_plugin": core.PLUGIN + "-test"})
        statement = select(marked).select_from(core.entity_table(boat, entity)).filter_by(title="x")
        assert str(statement.whereclause) == "boat.name = :name_1"
        assert str(select(marked).filter_by(title="x").whereclause) == "boat.name = :name_1"
    finally:
        del core.CompileState.plugins[core.PLUGIN + "-test", "select"]


def test_names_after_a_join_are_those_of_the_entity_joined():
    target = Oars()
    assert joins.NamedByEntity.determine_last_joined_entity(select(boat).join(target)) is target.target_entity
    assert joins.NamedByEntity.determine_last_joined_entity(select(boat).join(oar, boat.c.id == 1)) is oar


def test_what_a_statement_selects_from_and_where():
    joined = boat.join(oar, boat.c.id == oar.c.boat_id)
    statement = select(boat.c.id).select_from(joined).where(boat.c.id == 1).where(oar.c.id == 2)
    assert joins.from_objects_of(statement) == (joined,)
    assert [str(criterion) for criterion in joins.where_criteria_of(statement)] == ["boat.id = :id_1", "oar.id = :id_1"]
    other = joins.with_from_objects(select(boat.c.id).select_from(oar), [boat])
    assert str(other) == "SELECT boat.id \nFROM boat"
