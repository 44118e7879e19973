"""A relationship that makes no sense says so when it is configured, naming both ends and the remedy."""

import re

import pytest
from relationship_tables import mapped, one, port, rope, rumour, ship, splice, visit, voyage
from sqlalchemy import and_, true
from sqlalchemy.exc import AmbiguousForeignKeysError, NoForeignKeysError

from ropewalk.declare import registry
from ropewalk.exc import ArgumentError, InvalidRequestError, SAWarning, UnmappedClassError
from ropewalk.mapping.cascades import CascadeOptions
from ropewalk.mapping.relationships import backref, foreign, relationship, remote


def refused(error, *parts):
    """Expect ``error`` with each of these parts in its message."""
    return pytest.raises(error, match="".join(f"(?=.*{re.escape(part)})" for part in parts))


# Joining


def test_tables_that_no_foreign_key_links():
    with refused(NoForeignKeysError, "Port.it", "'port'", "'rumour'", "ForeignKey", "primaryjoin", "foreign()"):
        one(port, rumour)


def test_foreign_keys_that_link_nothing():
    with refused(NoForeignKeysError, "Voyage.it", "foreign_keys"):
        one(voyage, port, foreign_keys=[port.c.id])


def test_tables_that_can_be_joined_in_two_ways():
    with refused(AmbiguousForeignKeysError, "'port'", "'voyage'", "voyage.start_id -> port.id", "foreign_keys"):
        one(port, voyage)


def test_association_table_that_can_be_joined_in_two_ways():
    with refused(AmbiguousForeignKeysError, "'rope'", "'splice'", "primaryjoin=... and secondaryjoin"):
        one(rope, to="rope", secondary=splice)


def test_association_table_that_nothing_links():
    with refused(NoForeignKeysError, "'port'", "'rumour'"):
        one(port, ship, secondary=rumour)


def test_condition_without_foreign_columns():
    with refused(ArgumentError, "Port.it", "port.id = rumour.port_no", "foreign_keys", "foreign()"):
        one(port, rumour, primaryjoin=port.c.id == rumour.c.port_no)
    with refused(ArgumentError, "no column is known to be a foreign key"):
        one(port, ship, viewonly=True, primaryjoin=true())


def test_secondary_condition_without_foreign_columns():
    with refused(ArgumentError, "secondaryjoin (ship.id = rumour.ship_no)"):
        one(
            port,
            ship,
            secondary=rumour,
            primaryjoin=port.c.id == rumour.c.port_no,
            secondaryjoin=ship.c.id == rumour.c.ship_no,
            foreign_keys=[rumour.c.port_no],
        )


def test_condition_that_says_nothing_about_writing():
    with refused(ArgumentError, "Port.it", "viewonly=True", "=="):
        one(port, ship, primaryjoin=port.c.x > foreign(ship.c.y))


def test_foreign_columns_on_both_sides():
    with refused(ArgumentError, "both sides", "foreign_keys", "remote_side"):
        one(port, ship, foreign_keys=[port.c.id, ship.c.port_id])


def test_foreign_columns_in_a_third_table():
    with refused(ArgumentError, "voyage.id", "'port'", "'ship'", "secondary"):
        one(
            port,
            ship,
            viewonly=True,
            primaryjoin=and_(port.c.id == foreign(voyage.c.id), remote(ship.c.x) == port.c.y),
        )


def test_no_remote_side():
    with refused(ArgumentError, "remote()", "remote_side"):
        one(port, ship, primaryjoin=remote(port.c.id) == remote(ship.c.port_id))
    with refused(ArgumentError, "Rope.it", "remote_side"):
        one(rope, to="rope", remote_side=[rope.c.id, rope.c.part_of])


def test_remote_side_that_is_local():
    with pytest.warns(SAWarning, match=r"(?=.*port\.id)(?=.*remote_side)(?=.*refers to itself)"):
        one(port, ship, remote_side=port.c.id)


def test_secondaryjoin_without_secondary():
    with refused(ArgumentError, "Port.it", "secondary=..."):
        one(port, ship, secondaryjoin=port.c.id == ship.c.port_id)


# What the parameters are


def test_unmapped_target():
    with refused(UnmappedClassError, "Port.it", "int"):
        mapped(port, it=lambda c: relationship(int))
    with refused(ArgumentError, "Port.it", "5"):
        mapped(port, it=lambda c: relationship(5))


def test_unknown_target_name_with_a_suggestion():
    with refused(InvalidRequestError, "Port.it", "'Shp'", "Did you mean 'Ship'"):
        mapped(port, ship, it=lambda c: relationship("Shp"))


def test_secondary_that_is_no_table():
    with refused(ArgumentError, "Port.it", "secondary", "Table", "Visit.__table__"):
        mapped(port, ship, visit, it=lambda c: relationship(c["ship"], secondary=c["visit"]))


@pytest.mark.parametrize("name", ["foreign_keys", "remote_side"])
def test_columns_that_are_none(name):
    with refused(ArgumentError, "Port.it", name, "7"):
        one(port, ship, **{name: [7]})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("remote_side", ["ship.id"]),
        ("remote_side", ["id"]),
        ("foreign_keys", ["port_id"]),
        ("foreign_keys", ["Ship.port_id"]),
        ("order_by", ["id"]),
        ("order_by", ["Ship.id"]),
    ],
)
def test_strings_inside_a_list(name, given):
    with refused(ArgumentError, "Port.it", repr(name), repr(given[0]), f"{name}='[{given[0]}]'"):
        one(port, ship, **{name: given})


@pytest.mark.parametrize("given", ["nope", "visit.c.port_id.table", "visit.join(ship)", "__import__('os')"])
def test_a_secondary_that_names_no_table(given):
    with refused(InvalidRequestError, "Port.it", "secondary", repr(given), "visit"):
        one(port, ship, secondary=given)


def test_order_by_that_is_no_expression():
    with refused(ArgumentError, "Port.it", "order_by"):
        one(port, ship, order_by=object())


def test_condition_that_is_no_expression():
    with refused(ArgumentError, "Port.it", "primaryjoin"):
        one(port, ship, primaryjoin=object())


def test_unknown_names_and_broken_strings():
    with refused(InvalidRequestError, "Port.it: primaryjoin", "'Nope.id == 5'", "'Nope'"):
        one(port, ship, primaryjoin="Nope.id == 5")
    with refused(ArgumentError, "Port.it: primaryjoin", "SyntaxError"):
        one(port, ship, primaryjoin="Port.id ==")
    with refused(InvalidRequestError, "Ship", "no attribute 'nope'", "port_id"):
        one(port, ship, order_by="Ship.nope")


def test_lazy_that_is_no_way_to_load():
    with refused(ArgumentError, "'sometimes'", "selectin"):
        relationship("Ship", lazy="sometimes")


def test_both_kinds_of_other_side():
    with refused(ArgumentError, "back_populates", "backref"):
        relationship("Ship", back_populates="a", backref="b")


def test_relationship_named_like_a_column():
    with refused(ArgumentError, "'x'", "port.x", "exclude_properties"):
        mapped(port, ship, x=lambda c: relationship(c["ship"]))


# Pairs


def test_back_populates_that_names_nothing():
    with refused(InvalidRequestError, "Port.it", "'port'", "Ship has no such attribute"):
        one(port, ship, back_populates="port")


def test_back_populates_that_names_a_column():
    with refused(InvalidRequestError, "Port.it", "Ship.port_id", "no relationship"):
        one(port, ship, back_populates="port_id")


def test_back_populates_of_another_class():
    mappings = registry(metadata=port.metadata)
    Port, Ship = type("Port", (), {}), type("Ship", (), {})
    mappings.map_imperatively(Port, port, properties={"ships": relationship(Ship, back_populates="like")})
    alike = relationship(Ship, primaryjoin=remote(ship.c.x) == foreign(ship.c.y))
    mappings.map_imperatively(Ship, ship, properties={"like": alike})
    with refused(ArgumentError, "Port.ships", "Ship.like", "refers to Ship and not to Port"):
        mappings.configure()
    mappings.dispose()


def test_both_sides_in_one_direction():
    with refused(ArgumentError, "Rope.a", "Rope.b", "one-to-many", "remote_side"):
        mapped(
            rope,
            a=lambda c: relationship(c["rope"], back_populates="b"),
            b=lambda c: relationship(c["rope"], back_populates="a"),
        )


def test_backref_over_an_attribute():
    with refused(ArgumentError, "Port.it", "'port_id'", "back_populates"):
        one(port, ship, backref="port_id")


def test_backref_with_a_secondaryjoin():
    with refused(ArgumentError, "'port'", "secondary"):
        one(port, ship, backref=backref("port", secondaryjoin=port.c.id == ship.c.port_id))


def test_sync_backref_and_viewonly():
    with refused(ArgumentError, "sync_backref", "viewonly"):
        relationship("Ship", viewonly=True, sync_backref=True)
    with refused(ArgumentError, "sync_backref", "viewonly"):
        one(port, ship, sync_backref=True, backref=backref("port", viewonly=True))


# Cascades


def test_unknown_cascade():
    with refused(ArgumentError, "'fake'", "delete-orphan"):
        CascadeOptions("all, fake")


def test_orphans_without_delete():
    with pytest.warns(SAWarning, match="delete-orphan"):
        CascadeOptions("delete-orphan")


def test_orphans_of_a_many_to_one():
    with refused(ArgumentError, "Ship.it", "many-to-one", "delete-orphan", "single_parent=True"):
        one(ship, port, cascade="all, delete-orphan")
    assert one(ship, port, cascade="all, delete-orphan", single_parent=True).cascade.delete_orphan


def test_orphans_of_a_many_to_many():
    with refused(ArgumentError, "Port.it", "many-to-many", "single_parent=True"):
        one(port, ship, secondary=visit, cascade="all, delete-orphan")


def test_passive_deletes_all_with_a_cascade():
    with refused(ArgumentError, "Port.it", "passive_deletes='all'"):
        one(port, ship, cascade="all", passive_deletes="all")


def test_what_concerns_writing_on_a_viewonly():
    with pytest.warns(SAWarning, match="passive_deletes.*viewonly"):
        relationship("Ship", viewonly=True, passive_deletes=True)
