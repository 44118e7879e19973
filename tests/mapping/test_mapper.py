"""A mapper is the plan of one class: names, columns, keys. It touches neither class nor object."""

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, func, join, select
from sqlalchemy.exc import NoSuchColumnError

from ropewalk.exc import ArgumentError, InvalidRequestError, UnmappedColumnError
from ropewalk.mapping.mapper import Mapper
from ropewalk.mapping.properties import ColumnProperty, column_property, synonym


class Ship:
    pass


metadata = MetaData()
ships = Table(
    "ships",
    metadata,
    Column("ship_id", Integer, primary_key=True),
    Column("ship_name", String(30), key="title"),
    Column("tons", Integer),
    Column("port", String(30)),
)
berths = Table(
    "berths",
    metadata,
    Column("pier", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("ship_id", ForeignKey("ships.ship_id")),
)
rumours = Table("rumours", metadata, Column("teller", Integer), Column("about", Integer), Column("text", String))


def keys(mapper):
    return list(mapper.props)


# Names


def test_attributes_are_named_like_the_columns_keys():
    assert keys(Mapper(Ship, ships)) == ["ship_id", "title", "tons", "port"]


def test_making_a_mapper_does_nothing_to_the_class():
    before = dict(vars(Ship))
    Mapper(Ship, ships)
    assert dict(vars(Ship)) == before


def test_a_property_gives_its_column_another_name_and_no_second_attribute():
    mapper = Mapper(Ship, ships, {"id": ships.c.ship_id})
    assert keys(mapper) == ["id", "title", "tons", "port"]
    assert mapper.pk_keys == ("id",)
    assert mapper.key_of[ships.c.ship_id] == "id"


def test_renamed_columns_stay_where_the_table_has_them():
    mapper = Mapper(Ship, ships, {"harbour": ships.c.port, "weight": ships.c.tons})
    assert keys(mapper) == ["ship_id", "title", "weight", "harbour"]


def test_one_column_may_have_the_name_of_another_that_moved():
    mapper = Mapper(Ship, ships, {"tons": ships.c.port, "port": ships.c.tons})
    assert mapper.columns["tons"] is ships.c.port
    assert mapper.columns["port"] is ships.c.tons


def test_a_prefix_goes_before_names_taken_from_columns_only():
    mapper = Mapper(Ship, ships, {"id": ships.c.ship_id}, column_prefix="_")
    assert keys(mapper) == ["id", "_title", "_tons", "_port"]


def test_expressions_and_synonyms_come_after_the_columns():
    mapper = Mapper(
        Ship,
        ships,
        {
            "name": synonym("title"),
            "heavy": column_property(ships.c.tons > 1000),
            "id": ships.c.ship_id,
        },
    )
    assert keys(mapper) == ["id", "title", "tons", "port", "name", "heavy"]


def test_the_dictionary_of_properties_given_stays_as_it_was():
    given = {"id": ships.c.ship_id}
    Mapper(Ship, ships, given)
    assert given == {"id": ships.c.ship_id}


@pytest.mark.parametrize("name", ["metadata", "registry"])
def test_a_reserved_name_is_refused_with_the_way_round_it(name):
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column(name, String))
    with pytest.raises(InvalidRequestError, match=rf"'{name}' is reserved.*mapped_column\('{name}'"):
        Mapper(Ship, table)
    assert keys(Mapper(Ship, table, {f"{name}_": table.c[name]})) == ["id", f"{name}_"]


# Include and exclude


@pytest.mark.parametrize("include", [["ship_id", "tons"], [ships.c.ship_id, ships.c.tons], {"ship_id", ships.c.tons}])
def test_include_properties_maps_these_columns_alone(include):
    assert keys(Mapper(Ship, ships, include_properties=include)) == ["ship_id", "tons"]


@pytest.mark.parametrize("exclude", [["title", "port"], [ships.c.title, ships.c.port]])
def test_exclude_properties_maps_all_the_others(exclude):
    assert keys(Mapper(Ship, ships, exclude_properties=exclude)) == ["ship_id", "tons"]


def test_a_column_can_be_excluded_by_its_name_in_the_table():
    assert "title" not in keys(Mapper(Ship, ships, exclude_properties=["ship_name"]))


def test_a_property_given_is_mapped_whatever_is_included():
    mapper = Mapper(Ship, ships, {"weight": ships.c.tons}, include_properties=["ship_id"])
    assert keys(mapper) == ["ship_id", "weight"]


def test_nothing_included_is_not_everything_included():
    with pytest.raises(ArgumentError, match="ship_id is not mapped"):
        Mapper(Ship, ships, include_properties=[])


def test_a_key_column_left_out_is_named():
    with pytest.raises(ArgumentError, match=r"primary key column ships\.ship_id is not mapped.*exclude_properties"):
        Mapper(Ship, ships, exclude_properties=["ship_id"])


# The primary key


def test_the_key_is_the_tables():
    mapper = Mapper(Ship, ships)
    assert mapper.primary_key == (ships.c.ship_id,)
    assert mapper.single_pk == "ship_id"


def test_a_composite_key_has_the_order_of_the_table():
    mapper = Mapper(Ship, berths)
    assert mapper.pk_keys == ("pier", "number")
    assert mapper.single_pk is None


@pytest.mark.parametrize(
    "given", [["teller", "about"], [rumours.c.teller, rumours.c.about], ["teller", rumours.c.about]]
)
def test_a_key_can_be_given_by_name_or_by_column(given):
    mapper = Mapper(Ship, rumours, primary_key=given)
    assert mapper.primary_key == (rumours.c.teller, rumours.c.about)
    assert mapper.pk_keys == ("teller", "about")


def test_a_key_given_has_the_order_given():
    assert Mapper(Ship, rumours, primary_key=["about", "teller"]).pk_keys == ("about", "teller")


def test_a_key_given_goes_before_the_tables():
    assert Mapper(Ship, ships, primary_key=[ships.c.title]).single_pk == "title"


def test_a_key_given_by_name_means_the_attribute():
    mapper = Mapper(Ship, rumours, {"by": rumours.c.teller}, primary_key=["by"])
    assert mapper.primary_key == (rumours.c.teller,)


def test_an_unknown_name_in_the_key_is_refused():
    with pytest.raises(ArgumentError, match="primary_key names 'nobody'"):
        Mapper(Ship, rumours, primary_key=["nobody"])


def test_a_column_of_another_table_in_the_key_is_refused():
    with pytest.raises(ArgumentError, match=r"ships\.tons is not mapped"):
        Mapper(Ship, rumours, primary_key=[ships.c.tons])


@pytest.mark.parametrize("given", [None, []])
def test_a_table_without_key_is_refused_with_two_ways_out(given):
    with pytest.raises(ArgumentError, match="could not assemble any primary key: rumours") as caught:
        Mapper(Ship, rumours, primary_key=given)
    assert "primary_key=True" in str(caught.value)
    assert '"primary_key": [...]' in str(caught.value)


def test_no_table_at_all_is_refused():
    with pytest.raises(ArgumentError, match="Ship has no table"):
        Mapper(Ship)


# Other FROM clauses


def joined():
    return join(ships, berths, ships.c.ship_id == berths.c.ship_id)


def test_a_join_shares_one_attribute_among_columns_of_one_name_if_told_so():
    mapper = Mapper(Ship, joined(), {"id": [ships.c.ship_id, berths.c.ship_id]})
    assert keys(mapper) == ["id", "title", "tons", "port", "pier", "number"]
    assert mapper.column_props["id"].columns == [ships.c.ship_id, berths.c.ship_id]
    assert mapper.key_of[berths.c.ship_id] == mapper.key_of[ships.c.ship_id] == "id"


def test_a_join_with_columns_of_one_name_has_to_be_told_what_they_are():
    berths_too = Table("berths", MetaData(), Column("title", Integer), Column("ship_id", ForeignKey(ships.c.ship_id)))
    both = join(ships, berths_too, ships.c.ship_id == berths_too.c.ship_id)
    told = {"id": [ships.c.ship_id, berths_too.c.ship_id]}
    with pytest.raises(InvalidRequestError, match=r"ships.title and berths.title have the same name.*berths_title"):
        Mapper(Ship, both, told)
    apart = Mapper(Ship, both, {**told, "berths_title": berths_too.c.title})
    assert apart.column_props["title"].columns == [ships.c.title]
    assert apart.column_props["berths_title"].columns == [berths_too.c.title]
    assert "title" in keys(Mapper(Ship, both, told, exclude_properties=[berths_too.c.title]))


def test_a_join_knows_its_tables():
    mapper = Mapper(Ship, joined(), {"id": [ships.c.ship_id, berths.c.ship_id]})
    assert mapper.tables == (ships, berths)


def test_the_key_of_a_join_has_no_column_twice():
    parts = Table(
        "parts", MetaData(), Column("ship_id", ForeignKey(ships.c.ship_id), primary_key=True), Column("n", Integer)
    )
    both = join(ships, parts, ships.c.ship_id == parts.c.ship_id)
    mapper = Mapper(Ship, both, {"id": [ships.c.ship_id, parts.c.ship_id]})
    assert mapper.pk_keys == ("id",)


def test_a_subquery_is_mapped_with_the_key_of_the_table_that_it_reads():
    sub = select(ships.c.ship_id, func.upper(ships.c.title).label("loud")).subquery("loud_ships")
    mapper = Mapper(Ship, sub, primary_key=[sub.c.ship_id])
    assert keys(mapper) == ["ship_id", "loud"]
    assert mapper.pk_keys == ("ship_id",)
    assert mapper.tables == (ships,)


def test_an_alias_finds_its_tables_key_by_itself():
    alias = ships.alias("s")
    mapper = Mapper(Ship, alias)
    assert mapper.primary_key == (alias.c.ship_id,)


# Asking


@pytest.fixture
def mapper():
    return Mapper(Ship, ships, {"name": synonym("title"), "heavy": column_property(ships.c.tons > 1000)})


def test_get_property_gives_the_property(mapper):
    prop = mapper.get_property("tons")
    assert isinstance(prop, ColumnProperty)
    assert prop.columns == [ships.c.tons]
    assert (prop.key, prop.parent) == ("tons", mapper)


def test_get_property_refuses_an_unknown_name_and_lists_the_known(mapper):
    with pytest.raises(InvalidRequestError, match="no property 'sail'; it has ship_id, title, tons, port, name, heavy"):
        mapper.get_property("sail")


def test_has_property_tells_of_each_kind(mapper):
    assert all(mapper.has_property(key) for key in ["tons", "name", "heavy"])
    assert not mapper.has_property("ship_name")


def test_get_property_by_column_finds_the_attribute(mapper):
    assert mapper.get_property_by_column(ships.c.title).key == "title"


def test_get_property_by_column_refuses_a_column_that_is_not_mapped(mapper):
    with pytest.raises(UnmappedColumnError, match=r"berths\.pier"):
        mapper.get_property_by_column(berths.c.pier)


def test_attrs_hold_everything_and_the_other_collections_a_part(mapper):
    assert mapper.attrs.keys() == ["ship_id", "title", "tons", "port", "name", "heavy"]
    assert mapper.column_attrs.keys() == ["ship_id", "title", "tons", "port", "heavy"]
    assert mapper.synonyms.keys() == ["name"]
    assert mapper.relationships.keys() == []


def test_a_collection_is_read_by_name_by_attribute_and_by_iterating(mapper):
    attrs = mapper.attrs
    assert attrs["tons"] is attrs.tons is mapper.props["tons"]
    assert [prop.key for prop in attrs] == attrs.keys()
    assert attrs.values() == list(attrs)
    assert attrs.items() == list(zip(attrs.keys(), attrs, strict=True))
    assert "tons" in attrs
    assert "sail" not in attrs
    assert len(attrs) == 6
    assert attrs.get("sail") is None
    with pytest.raises(AttributeError, match="sail"):
        attrs.sail  # noqa: B018
    with pytest.raises(KeyError, match="sail"):
        attrs["sail"]


def test_columns_go_by_attribute_name(mapper):
    assert mapper.c.title is ships.c.title
    assert mapper.columns["ship_id"] is ships.c.ship_id


def test_iterate_properties_gives_each_once(mapper):
    assert [prop.key for prop in mapper.iterate_properties] == keys(mapper)


def test_an_expression_is_not_writable_and_a_column_is(mapper):
    assert mapper.column_props["tons"].writable
    assert not mapper.column_props["heavy"].writable


def test_a_property_added_later_is_found_by_name_and_column():
    mapper = Mapper(Ship, ships, include_properties=["ship_id"])
    mapper.add_property("weight", ships.c.tons)
    assert mapper.get_property("weight").columns == [ships.c.tons]
    assert mapper.get_property_by_column(ships.c.tons).key == "weight"


def test_a_mapper_says_class_and_table():
    assert str(Mapper(Ship, ships)) == "Mapper[Ship(ships)]"
    assert "Ship" in repr(Mapper(Ship, ships))


def test_a_mapper_is_its_own_mapper_and_its_classes_entity(mapper):
    assert mapper.mapper is mapper
    assert mapper.entity is Ship
    assert mapper.is_mapper
    assert mapper.isa(mapper)
    assert not mapper.isa(Mapper(Ship, ships))
    assert list(mapper.iterate_to_root()) == [mapper]


# Identity keys


def test_identity_key_from_primary_key_is_class_key_and_token(mapper):
    assert mapper.identity_key_from_primary_key([7]) == (Ship, (7,), None)
    assert mapper.identity_key_from_primary_key((7,), "east") == (Ship, (7,), "east")


def test_identity_key_from_instance_reads_the_key_attributes():
    mapper = Mapper(Ship, berths, {"no": berths.c.number})
    ship = Ship()
    ship.pier, ship.no = 3, 9
    assert mapper.identity_key_from_instance(ship) == (Ship, (3, 9), None)
    assert mapper.primary_key_from_instance(ship) == [3, 9]


def test_identity_key_from_row_takes_the_key_columns_wherever_they_stand(sqlite_memory_engine):
    mapper = Mapper(Ship, berths)
    metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(berths.insert(), {"pier": 3, "number": 9})
        row = connection.execute(select(berths.c.number, berths.c.ship_id, berths.c.pier)).one()
        lacking = connection.execute(select(berths.c.number)).one()
    assert mapper.identity_key_from_row(row) == (Ship, (3, 9), None)
    assert mapper.identity_key_from_row(row, "east") == (Ship, (3, 9), "east")
    with pytest.raises((NoSuchColumnError, KeyError)):
        mapper.identity_key_from_row(lacking)
