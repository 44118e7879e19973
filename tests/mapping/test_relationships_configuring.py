"""Configuring: what is said late is understood when all classes are known, once, and failures are remembered."""

import gc
import weakref

import pytest
from relationship_tables import mapped, names, one, port, rope, ship, visit, voyage
from sqlalchemy import Column, Integer, MetaData, Table, select

from ropewalk import aliased
from ropewalk.declare import registry
from ropewalk.exc import ArgumentError, InvalidRequestError
from ropewalk.mapping import configuring
from ropewalk.mapping.mapper import Mapper
from ropewalk.mapping.relationships import backref, dynamic_loader, foreign, relation, relationship


def pair(mappings, **of_port):
    Port, Ship = type("Port", (), {}), type("Ship", (), {})
    mappings.map_imperatively(Port, port, properties=of_port)
    mappings.map_imperatively(Ship, ship)
    return Port, Ship


# Said late


@pytest.mark.parametrize(
    "arguments",
    [
        {"argument": "Ship"},
        {"argument": lambda: "Ship"},
        {"argument": "Ship", "primaryjoin": "Port.id == Ship.port_id"},
        {"argument": "Ship", "primaryjoin": "port.c.id == foreign(ship.c.port_id)"},
        {"argument": "Ship", "primaryjoin": "and_(Port.id == remote(foreign(Ship.port_id)))"},
        {"argument": "Ship", "foreign_keys": "Ship.port_id", "remote_side": "[Ship.port_id]"},
        {"argument": "Ship", "foreign_keys": lambda: [ship.c.port_id], "remote_side": lambda: ship.c.port_id},
    ],
    ids=lambda arguments: ", ".join(f"{k}={getattr(v, '__name__', v)}" for k, v in arguments.items())[:60],
)
def test_strings_and_lambdas(arguments):
    mappings = registry(metadata=port.metadata)
    Port, Ship = pair(mappings, ships=relationship(**arguments))
    mappings.configure()
    prop = Port.__mapper__.relationships["ships"]
    assert prop.mapper is Ship.__mapper__
    assert prop.sync_keys == [("id", "port_id")]


def test_a_class_named_with_its_module():
    mappings = registry(metadata=port.metadata)
    Port, Ship = pair(mappings, ships=relationship(f"{__name__.rpartition('.')[2]}.Ship"))
    Ship.__module__ = __name__
    mappings.configure()
    assert Port.__mapper__.relationships["ships"].mapper is Ship.__mapper__


@pytest.mark.parametrize("secondary", [visit, "visit", lambda: visit])
def test_association_table_by_name(secondary):
    assert one(port, ship, secondary=secondary).secondary is visit


@pytest.mark.parametrize(
    "order_by",
    [ship.c.id.desc(), [ship.c.id.desc()], "Ship.id.desc()", "[desc(Ship.id)]", lambda: ship.c.id.desc()],
)
def test_order_by(order_by):
    assert [str(item) for item in one(port, ship, order_by=order_by).order_by] == ["ship.id DESC"]


@pytest.mark.parametrize("nothing", [None, False])
def test_no_order(nothing):
    assert one(port, ship, order_by=nothing).order_by is False


def test_a_schema_before_a_table():
    metadata = MetaData()
    hull = Table("hull", metadata, Column("id", Integer, primary_key=True), schema="yard")
    plank = Table("plank", metadata, Column("id", Integer, primary_key=True), Column("hull", Integer), schema="yard")
    mappings = registry(metadata=metadata)
    Hull, Plank = type("Hull", (), {}), type("Plank", (), {})
    condition = "yard.hull.c.id == foreign(yard.plank.c.hull)"
    mappings.map_imperatively(Hull, hull, properties={"planks": relationship(Plank, primaryjoin=condition)})
    mappings.map_imperatively(Plank, plank)
    mappings.configure()
    assert Hull.__mapper__.relationships["planks"].key_pairs == [("id", "hull")]


def test_an_alias_as_target():
    mappings = registry(metadata=port.metadata)
    Port, Ship = pair(mappings)
    big = select(ship).where(ship.c.x > 5).subquery()
    alias = aliased(Ship, big)
    condition = port.c.id == foreign(big.c.port_id)
    Port.__mapper__.add_property("big", relationship(alias, viewonly=True, primaryjoin=condition))
    mappings.configure()
    prop = Port.__mapper__.relationships["big"]
    assert prop.target is big
    assert prop.mapper is Ship.__mapper__
    assert prop.entity.is_aliased_class
    assert prop.direction.name == "ONETOMANY"


# Both sides


def test_back_populates_may_be_late():
    found = mapped(
        rope,
        strands=lambda c: relationship(c["rope"], back_populates=lambda: "whole"),
        whole=lambda c: relationship(c["rope"], back_populates="strands", remote_side=rope.c.id),
    )
    assert found["Rope.strands"].reverse == {found["Rope.whole"]}
    assert found["Rope.strands"].back_populates == "whole"


def test_a_backref_takes_over_what_concerns_both_and_its_own_options():
    found = mapped(
        port,
        ship,
        ships=lambda c: relationship(
            c["ship"], post_update=True, passive_updates=False, backref=backref("home", lazy="joined", cascade="all")
        ),
    )
    home = found["Ship.home"]
    assert (home.post_update, home.passive_updates, home.lazy, home.back_populates) == (True, False, "joined", "ships")
    assert home.cascade.delete
    assert not found["Port.ships"].cascade.delete


def test_a_backref_of_a_viewonly_is_viewonly():
    found = mapped(port, ship, ships=lambda c: relationship(c["ship"], viewonly=True, backref="home"))
    assert found["Ship.home"].viewonly
    assert not found["Ship.home"].syncs_backref


def test_a_backref_to_a_class_of_another_registry():
    one_registry, other = registry(metadata=port.metadata), registry(metadata=port.metadata)
    Port, Voyage = type("Port", (), {}), type("Voyage", (), {})
    one_registry.map_imperatively(Port, port)
    to_port = relationship(Port, foreign_keys=voyage.c.start_id, backref="departures")
    other.map_imperatively(Voyage, voyage, properties={"start": to_port})
    other.configure()
    assert names(Port.__mapper__.relationships["departures"].local_remote_pairs) == [("port.id", "voyage.start_id")]


# When


def test_nothing_waits_when_all_is_configured():
    mappings = registry(metadata=port.metadata)
    Port, _ = pair(mappings, ships=relationship("Ship"))
    assert not Port.__mapper__.configured
    assert Port.__mapper__ in configuring.waiting(mappings)
    configuring.configure(Port.__mapper__)
    assert Port.__mapper__.configured
    assert not configuring.waiting(mappings)


def test_a_relationship_that_comes_later_waits_again():
    mappings = registry(metadata=port.metadata)
    Port, Ship = pair(mappings)
    mappings.configure()
    Port.__mapper__.add_property("ships", relationship(Ship, backref="home"))
    assert not Port.__mapper__.configured
    mappings.configure()
    assert Ship.__mapper__.relationships["home"].reverse == {Port.__mapper__.relationships["ships"]}


def test_a_mapper_without_a_registry():
    Port, Ship = type("Port", (), {}), type("Ship", (), {})
    target = Mapper(Ship, ship)
    Ship.__mapper__ = target
    mapper = Mapper(Port, port, {"ships": relationship(Ship)})
    configuring.configure(mapper)
    assert mapper.relationship_props["ships"].mapper is target


def test_classes_that_nobody_holds_do_not_wait():
    mappings = registry(metadata=MetaData())
    Lost = type("Lost", (), {})
    table = Table("lost", mappings.metadata, Column("id", Integer, primary_key=True))
    mappings.map_imperatively(Lost, table, properties={"others": relationship("Nowhere")})
    gone = weakref.ref(Lost.__mapper__)
    del Lost, mappings, table
    gc.collect()
    assert gone() is None


def test_configuring_from_within_does_nothing():
    mappings = registry(metadata=port.metadata)

    def target():
        configuring.configure(Port.__mapper__)
        return Ship

    Port, Ship = pair(mappings, ships=relationship(target, backref="home"))
    mappings.configure()
    assert Port.__mapper__.relationships["ships"].reverse == {Ship.__mapper__.relationships["home"]}


# Failing


def test_a_failure_is_told_again():
    mappings = registry(metadata=port.metadata)
    Port, _ = pair(mappings, ships=relationship("Shp"))
    with pytest.raises(InvalidRequestError, match="'Shp'"):
        mappings.configure()
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=r"(?=.*Port\(port\))(?=.*'Shp')") as caught:
            configuring.configure(Port.__mapper__)
        assert isinstance(caught.value.__cause__, InvalidRequestError)
    mappings.dispose()


def test_a_failure_in_one_registry_leaves_others_alone():
    broken, sound = registry(metadata=port.metadata), registry(metadata=port.metadata)
    pair(broken, ships=relationship("Shp"))
    with pytest.raises(InvalidRequestError):
        broken.configure()
    Port, _ = pair(sound, ships=relationship("Ship"))
    configuring.configure(Port.__mapper__)
    assert Port.__mapper__.configured
    broken.dispose()
    assert not configuring.waiting(broken)


def test_what_was_sound_is_not_half_paired_after_a_failure():
    mappings = registry(metadata=port.metadata)
    Port, Ship = pair(
        mappings, ships=relationship("Ship", backref="home"), bad=relationship("Ship", back_populates="no")
    )
    with pytest.raises((ArgumentError, InvalidRequestError)):
        mappings.configure()
    assert not Port.__mapper__.relationship_props["ships"].configured
    assert not Port.__mapper__.relationship_props["ships"].reverse
    mappings.dispose()


# Names of old


def test_names_of_old():
    assert relation("Ship").argument == "Ship"
    assert dynamic_loader("Ship").lazy == "dynamic"
    assert relationship("Ship", lazy=None).lazy == "noload"
    assert relationship("Ship", lazy=False).lazy == "joined"
    assert relationship("Ship", lazy=True).lazy == "select"
