"""Tables and helpers for tests of relationships without a database."""

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, String, Table

from ropewalk.declare import registry
from ropewalk.mapping.relationships import relationship

metadata = MetaData()
port = Table("port", metadata, Column("id", Integer, primary_key=True), Column("x", Integer), Column("y", Integer))
ship = Table(
    "ship",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("port_id", ForeignKey("port.id")),
    Column("x", Integer),
    Column("y", Integer),
)
voyage = Table(
    "voyage",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("start_id", ForeignKey("port.id")),
    Column("end_id", ForeignKey("port.id")),
)
visit = Table(
    "visit",
    metadata,
    Column("port_id", ForeignKey("port.id"), primary_key=True),
    Column("ship_id", ForeignKey("ship.id"), primary_key=True),
)
harbour_master = Table("harbour_master", metadata, Column("id", ForeignKey("port.id"), primary_key=True))
rumour = Table(
    "rumour", metadata, Column("id", Integer, primary_key=True), Column("port_no", Integer), Column("ship_no", Integer)
)
rope = Table(
    "rope",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("part_of", ForeignKey("rope.id")),
    Column("path", String),
)
splice = Table(
    "splice",
    metadata,
    Column("a", ForeignKey("rope.id"), primary_key=True),
    Column("b", ForeignKey("rope.id"), primary_key=True),
)
berth = Table("berth", metadata, Column("pier", Integer, primary_key=True), Column("number", Integer, primary_key=True))
mooring = Table(
    "mooring",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pier", Integer),
    Column("number", Integer),
    ForeignKeyConstraint(["pier", "number"], ["berth.pier", "berth.number"]),
)
folder = Table(
    "folder",
    metadata,
    Column("account", Integer, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("parent", Integer),
    ForeignKeyConstraint(["account", "parent"], ["folder.account", "folder.id"]),
)


def mapped(*tables, **relationships):
    """Map a class to each table, give the first these relationships, and return their properties by name.

    The value of each keyword is called with the classes, since they are made here.
    """
    mappings = registry(metadata=metadata)
    classes = {table.name: type(table.name.title(), (), {}) for table in tables}
    first = tables[0].name
    for table in tables:
        properties = {key: make(classes) for key, make in relationships.items()} if table.name == first else {}
        mappings.map_imperatively(classes[table.name], table, properties=properties)
    try:
        mappings.configure()
    except Exception:
        mappings.dispose()  # nobody else shall stumble over it
        raise
    return {str(prop): prop for class_ in classes.values() for prop in class_.__mapper__.relationships}


def one(*tables, to=None, **arguments):
    """Map the relationship ``it`` of the first table's class to that of the second (or ``to``)."""
    target = to or tables[-1 if len(tables) < 3 else 1].name
    found = mapped(*tables, it=lambda classes: relationship(classes[target], **arguments))
    return found[f"{tables[0].name.title()}.it"]


def names(pairs):
    return sorted((str(a), str(b)) for a, b in pairs)
