"""How a relationship's tables are joined: condition, sides, direction, pairs; nothing is loaded or written."""

import warnings

import pytest
from relationship_tables import (
    berth,
    folder,
    harbour_master,
    mapped,
    metadata,
    mooring,
    names,
    one,
    port,
    rope,
    rumour,
    ship,
    splice,
    visit,
    voyage,
)
from sqlalchemy import String, and_, cast, func, or_, select

from ropewalk.declare import registry
from ropewalk.exc import SAWarning
from ropewalk.mapping.cascades import CascadeOptions
from ropewalk.mapping.relationships import backref, foreign, relationship, remote

# Direction, pairs and attribute names


def test_one_to_many():
    it = one(port, ship)
    assert it.direction.name == "ONETOMANY"
    assert it.uselist is True
    assert names(it.local_remote_pairs) == names(it.synchronize_pairs) == [("port.id", "ship.port_id")]
    assert it.key_pairs == it.sync_keys == [("id", "port_id")]
    assert it.local_columns == {port.c.id}
    assert it.remote_side == {ship.c.port_id}
    assert not it.use_get
    assert it.cascade == {"save-update", "merge"}
    assert it.target is ship


def test_many_to_one_answers_from_the_identity_map():
    it = one(ship, port)
    assert it.direction.name == "MANYTOONE"
    assert it.uselist is False
    assert names(it.local_remote_pairs) == [("ship.port_id", "port.id")]
    assert names(it.synchronize_pairs) == [("port.id", "ship.port_id")]
    assert it.key_pairs == [("id", "port_id")]
    assert it.get_keys == ["port_id"]


def test_one_to_one_is_a_one_to_many_without_a_list():
    found = mapped(
        port,
        harbour_master,
        master=lambda c: relationship(c["harbour_master"], uselist=False, backref="port"),
    )
    assert found["Port.master"].direction.name == "ONETOMANY"
    assert found["Port.master"].get_keys == ["id"]  # both ends share their primary key
    assert found["Harbour_Master.port"].direction.name == "MANYTOONE"
    assert found["Harbour_Master.port"].uselist is False


def test_many_to_many():
    found = mapped(port, ship, visited_by=lambda c: relationship(c["ship"], visit, backref="visited"))
    there, back = found["Port.visited_by"], found["Ship.visited"]
    assert there.direction.name == back.direction.name == "MANYTOMANY"
    assert names(there.synchronize_pairs) == [("port.id", "visit.port_id")]
    assert names(there.secondary_synchronize_pairs) == [("ship.id", "visit.ship_id")]
    assert names(back.synchronize_pairs) == [("ship.id", "visit.ship_id")]
    assert names(back.secondary_synchronize_pairs) == [("port.id", "visit.port_id")]
    assert names(there.local_remote_pairs) == [("port.id", "visit.port_id"), ("ship.id", "visit.ship_id")]
    assert there.key_pairs == there.sync_keys == []
    assert there.reverse == {back}
    assert back.reverse == {there}


def test_composite_foreign_keys():
    it = one(mooring, berth)
    assert it.direction.name == "MANYTOONE"
    assert sorted(it.key_pairs) == [("number", "number"), ("pier", "pier")]
    assert it.get_keys == ["pier", "number"]


def test_attribute_names_and_not_those_of_columns():
    mappings = registry(metadata=metadata)
    Port, Ship = type("Port", (), {}), type("Ship", (), {})
    mappings.map_imperatively(Port, port, properties={"key": port.c.id, "ships": relationship(Ship, backref="home")})
    mappings.map_imperatively(Ship, ship, properties={"home_id": ship.c.port_id})
    mappings.configure()
    assert Port.__mapper__.relationships["ships"].key_pairs == [("key", "home_id")]
    assert Ship.__mapper__.relationships["home"].get_keys == ["home_id"]


# Several paths


@pytest.mark.parametrize(
    "arguments",
    [
        {"foreign_keys": [voyage.c.end_id]},
        {"foreign_keys": voyage.c.end_id},
        {"primaryjoin": port.c.id == voyage.c.end_id},
    ],
    ids=["list", "column", "condition"],
)
def test_one_of_several_paths(arguments):
    assert names(one(port, voyage, **arguments).synchronize_pairs) == [("port.id", "voyage.end_id")]
    assert names(one(voyage, port, **arguments).local_remote_pairs) == [("voyage.end_id", "port.id")]


def test_a_backref_takes_the_same_path():
    found = mapped(
        port, voyage, arrivals=lambda c: relationship(c["voyage"], foreign_keys=[voyage.c.end_id], backref="end")
    )
    assert found["Voyage.end"].get_keys == ["end_id"]


# Conditions without foreign keys in the tables


@pytest.mark.parametrize(
    "arguments",
    [
        {"primaryjoin": port.c.id == rumour.c.port_no, "foreign_keys": [rumour.c.port_no]},
        {"primaryjoin": port.c.id == foreign(rumour.c.port_no)},
        {"primaryjoin": lambda: port.c.id == foreign(remote(rumour.c.port_no))},
    ],
)
def test_columns_named_as_foreign(arguments):
    it = one(port, rumour, **arguments)
    assert it.direction.name == "ONETOMANY"
    assert it.key_pairs == [("id", "port_no")]


def test_foreign_on_the_other_side_turns_the_direction():
    it = one(port, rumour, primaryjoin=foreign(port.c.x) == rumour.c.id)
    assert it.direction.name == "MANYTOONE"
    assert it.get_keys == ["x"]


def test_association_table_without_foreign_keys():
    it = one(
        port,
        ship,
        secondary=rumour,
        primaryjoin=port.c.id == rumour.c.port_no,
        secondaryjoin=ship.c.id == rumour.c.ship_no,
    )
    assert names(it.synchronize_pairs) == [("port.id", "rumour.port_no")]
    assert names(it.secondary_synchronize_pairs) == [("ship.id", "rumour.ship_no")]


@pytest.mark.parametrize(
    "condition",
    [
        port.c.x > foreign(ship.c.y),
        func.soundex(port.c.x) == func.soundex(foreign(ship.c.y)),
        cast(port.c.x, String) == remote(foreign(ship.c.y)),
        foreign(ship.c.y).between(port.c.x, port.c.y),
    ],
    ids=["greater", "function", "cast", "between"],
)
def test_viewonly_joins_by_anything(condition):
    it = one(port, ship, viewonly=True, primaryjoin=condition)
    assert it.direction.name == "ONETOMANY"
    assert it.key_pairs == []
    assert {str(column) for column in it.remote_side} == {"ship.y"}


@pytest.mark.parametrize(
    "condition",
    [
        and_(port.c.id == ship.c.port_id, ship.c.x == 5),
        or_(port.c.id == ship.c.port_id, ship.c.x == 5),
        and_(port.c.id == ship.c.port_id, func.abs(ship.c.x) == port.c.y),
    ],
)
def test_more_than_equal_keys_is_written_but_not_simple(condition):
    it = one(port, ship, primaryjoin=condition)
    assert it.sync_keys == [("id", "port_id")]
    assert it.key_pairs == []
    assert not it.is_simple


def test_a_reference_with_a_criterion_is_not_answered_by_identity():
    assert not one(ship, port, primaryjoin=and_(port.c.id == ship.c.port_id, port.c.x == 5)).use_get


def test_a_subquery_inside_the_condition():
    other = ship.alias()
    latest = select(func.max(other.c.id)).where(other.c.port_id == port.c.id).correlate(port).scalar_subquery()
    it = one(port, ship, viewonly=True, primaryjoin=and_(port.c.id == ship.c.port_id, ship.c.id == latest))
    assert it.direction.name == "ONETOMANY"
    assert [column for _, column in it.lazy_clause().binds] == [port.c.id]
    p, s = port.alias("p"), ship.alias("s")
    adapted = str(select(p.c.id).join(s, it.join_conditions(p, s)[0]))
    assert "p.id = s.port_id AND s.id = (SELECT" in adapted
    assert adapted.endswith("FROM ship AS ship_1 \nWHERE ship_1.port_id = p.id)")


# A table that refers to itself


def test_self_reference_is_one_to_many_unless_told():
    it = one(rope, to="rope")
    assert it.direction.name == "ONETOMANY"
    assert it.is_self_referential
    assert it.key_pairs == [("id", "part_of")]


def test_remote_side_turns_a_self_reference():
    it = one(rope, to="rope", remote_side=[rope.c.id])
    assert it.direction.name == "MANYTOONE"
    assert it.get_keys == ["part_of"]


def test_both_sides_of_a_tree():
    found = mapped(rope, strands=lambda c: relationship(c["rope"], backref=backref("whole", remote_side=[rope.c.id])))
    assert found["Rope.strands"].direction.name == "ONETOMANY"
    assert found["Rope.whole"].direction.name == "MANYTOONE"


def test_tree_by_path():
    condition = remote(foreign(rope.c.path)).like(rope.c.path.concat("/%"))
    it = one(rope, to="rope", viewonly=True, primaryjoin=condition)
    assert it.direction.name == "ONETOMANY"
    a, b = rope.alias("a"), rope.alias("b")
    assert str(it.join_conditions(a, b)[0]) == "b.path LIKE (a.path || :path_1)"


@pytest.mark.parametrize(
    ("arguments", "direction"),
    [
        ({}, "ONETOMANY"),
        ({"remote_side": [folder.c.account, folder.c.id]}, "MANYTOONE"),
        (
            {
                "primaryjoin": and_(
                    folder.c.account == remote(folder.c.account), remote(folder.c.id) == foreign(folder.c.parent)
                )
            },
            "MANYTOONE",
        ),
    ],
)
def test_composite_self_reference_with_a_shared_column(arguments, direction):
    it = one(folder, to="folder", **arguments)
    assert it.direction.name == direction
    assert ("folder.account", "folder.account") in names(it.local_remote_pairs)
    assert it.use_get is (direction == "MANYTOONE")


def test_many_to_many_within_one_table():
    found = mapped(
        rope,
        spliced=lambda c: relationship(
            c["rope"],
            splice,
            primaryjoin=rope.c.id == splice.c.a,
            secondaryjoin=rope.c.id == splice.c.b,
            backref="spliced_to",
        ),
    )
    assert names(found["Rope.spliced_to"].synchronize_pairs) == [("rope.id", "splice.b")]
    primary, secondary, through = found["Rope.spliced"].join_conditions(rope.alias("x"), rope.alias("y"))
    assert (str(primary), str(secondary)) == ("x.id = splice.a", "y.id = splice.b")
    assert through is splice


# The join over aliases, and with parameters


def test_each_end_goes_to_its_alias():
    it = one(rope, to="rope")
    a, b = rope.alias("a"), rope.alias("b")
    assert str(it.join_conditions(a, b)[0]) == "a.id = b.part_of"
    assert str(it.join_conditions(target_selectable=b)[0]) == "rope.id = b.part_of"
    assert str(it.join_conditions()[0]) == "rope.id = rope.part_of"


def test_the_association_table_has_an_alias_too():
    it = one(port, ship, secondary=visit)
    v, s = visit.alias("v"), ship.alias("s")
    primary, secondary, through = it.join_conditions(None, s, v)
    assert (str(primary), str(secondary)) == ("port.id = v.port_id", "s.id = v.ship_id")
    assert through is v


def test_lazy_clause_has_a_parameter_for_each_local_column():
    criterion, binds = one(mooring, berth).lazy_clause()
    assert str(criterion) == "berth.pier = :param_1 AND berth.number = :param_2"
    assert [str(column) for _, column in binds] == ["mooring.pier", "mooring.number"]
    assert [bind.type for bind, _ in binds] == [mooring.c.pier.type, mooring.c.number.type]


def test_lazy_clause_of_many_to_many():
    criterion, binds = one(port, ship, secondary=visit).lazy_clause()
    assert str(criterion) == ":param_1 = visit.port_id AND ship.id = visit.ship_id"
    assert [column for _, column in binds] == [port.c.id]


def test_a_local_column_without_a_comparison_to_the_other_end_is_a_parameter_too():
    criterion, binds = one(ship, port, primaryjoin=and_(port.c.id == ship.c.port_id, ship.c.x > 3)).lazy_clause()
    assert str(criterion) == "port.id = :param_1 AND :param_2 > :x_1"
    assert [column for _, column in binds] == [ship.c.port_id, ship.c.x]


# Cascades


def test_all_stands_for_everything_but_orphans():
    assert CascadeOptions("all") == {"save-update", "merge", "refresh-expire", "expunge", "delete"}
    cascade = CascadeOptions("all, delete-orphan")
    assert cascade.delete_orphan and cascade.save_update
    assert CascadeOptions("none") == CascadeOptions("") == CascadeOptions(None) == frozenset()
    assert CascadeOptions(("merge", "expunge")) == {"merge", "expunge"}
    assert repr(CascadeOptions("merge,delete")) == "CascadeOptions('delete,merge')"


def test_a_target_knows_whose_orphans_it_may_be():
    it = one(port, ship, cascade="all, delete-orphan")
    assert it.mapper.delete_orphan_from == [it]


def test_viewonly_cascades_only_what_writes_nothing():
    assert one(port, ship, viewonly=True).cascade == {"merge"}
    assert one(port, ship, viewonly=True, cascade="expunge, merge").cascade == {"expunge", "merge"}
    assert one(port, ship, viewonly=True, cascade="all").cascade == {"expunge", "merge", "refresh-expire"}


# Warnings of overlaps


def overlap_warnings(**relationships):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mapped(port, ship, **relationships)
    assert all(w.category is SAWarning for w in caught)
    return [str(w.message) for w in caught]


def test_two_that_write_one_column_are_warned_of():
    (message,) = overlap_warnings(a=lambda c: relationship(c["ship"]), b=lambda c: relationship(c["ship"]))
    for part in ("Port.a", "Port.b", "port.id", "ship.port_id", "back_populates", "viewonly", "overlaps="):
        assert part in message


@pytest.mark.parametrize(
    "second",
    [{"overlaps": "a"}, {"overlaps": "other, a"}, {"viewonly": True}, {"overlaps": "__*"}],
    ids=str,
)
def test_what_silences_the_warning(second):
    assert not overlap_warnings(a=lambda c: relationship(c["ship"]), b=lambda c: relationship(c["ship"], **second))


def test_a_pair_writes_the_same_column_rightly():
    assert not overlap_warnings(a=lambda c: relationship(c["ship"], backref="b"))
