"""On the class, an attribute is SQL; an alias is the class once more."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, cast, func, select
from sqlalchemy import inspect as core_inspect
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.exc import UnmappedClassError
from ropewalk.instrumentation.aliases import aliased
from ropewalk.kernel.core import entity_of, statement_entity
from ropewalk.mapping.properties import ColumnProperty, column_property, synonym


class Base(DeclarativeBase):
    pass


class Loud(ColumnProperty.Comparator):
    def __eq__(self, other):
        return func.upper(self.__clause_element__()) == func.upper(other)

    def shouted(self):
        return func.upper(self.__clause_element__())


class Sock(Base):
    __tablename__ = "sock"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column("sock_name", String(20), doc="what it is called", info={"a": 1})
    size: Mapped[int | None] = mapped_column()
    colour: Mapped[str | None] = column_property(Column(String), comparator_factory=Loud)
    label = synonym("name")
    double: Mapped[int] = column_property(size * 2)


def sql(expression):
    return " ".join(str(expression.compile(compile_kwargs={"literal_binds": True})).split())


# Operators


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda c: c.name == "x", "sock.sock_name = 'x'"),
        (lambda c: c.name != "x", "sock.sock_name != 'x'"),
        (lambda c: c.name == None, "sock.sock_name IS NULL"),  # noqa: E711
        (lambda c: c.name.is_(None), "sock.sock_name IS NULL"),
        (lambda c: c.size + 1 > 3, "sock.size + 1 > 3"),
        (lambda c: 1 + c.size, "1 + sock.size"),
        (lambda c: -c.size, "-sock.size"),
        (lambda c: 3 >= c.size, "sock.size <= 3"),
        (lambda c: c.size.in_([1, 2]), "sock.size IN (1, 2)"),
        (lambda c: c.size.between(1, 2), "sock.size BETWEEN 1 AND 2"),
        (lambda c: c.name.like("x%"), "sock.sock_name LIKE 'x%'"),
        (lambda c: c.name.startswith("x"), "sock.sock_name LIKE 'x' || '%'"),
        (lambda c: c.name.desc(), "sock.sock_name DESC"),
        (lambda c: c.name.asc().nulls_last(), "sock.sock_name ASC NULLS LAST"),
        (lambda c: c.name + c.name, "sock.sock_name || sock.sock_name"),
        (lambda c: c.name.op("~")("x"), "sock.sock_name ~ 'x'"),
        (lambda c: ~(c.size == 1), "sock.size != 1"),
        (lambda c: (c.size == 1) & (c.name == "x"), "sock.size = 1 AND sock.sock_name = 'x'"),
        (lambda c: func.lower(c.name), "lower(sock.sock_name)"),
        (lambda c: cast(c.size, String), "CAST(sock.size AS VARCHAR)"),
        (lambda c: c.label == "x", "sock.sock_name = 'x'"),
        (lambda c: c.label.like("x"), "sock.sock_name LIKE 'x'"),
        (lambda c: c.colour == "x", "upper(sock.colour) = upper('x')"),
        (lambda c: c.colour.shouted(), "upper(sock.colour)"),
        (lambda c: c.colour < "x", "sock.colour < 'x'"),
        (lambda c: c.double > 3, "sock.size * 2 > 3"),
    ],
)
def test_operators_give_sql(make, text):
    assert sql(make(Sock)) == text


def test_the_same_operators_on_an_alias_name_the_alias():
    other = aliased(Sock, name="other")
    assert sql(other.name == "x") == "other.sock_name = 'x'"
    assert sql(other.label == "x") == "other.sock_name = 'x'"
    assert sql(other.colour == "x") == "upper(other.colour) = upper('x')"
    assert sql(other.double > 3) == "other.size * 2 > 3"
    assert sql(other.size + Sock.size) == "other.size + sock.size"


def test_an_attribute_has_no_truth_value_and_can_be_a_key():
    assert len({Sock.id: 1, Sock.name: 2}) == 2
    with pytest.raises(TypeError):
        bool(Sock.id < Sock.size)


def test_an_attribute_tells_where_it_belongs():
    assert str(Sock.name) == "Sock.name"
    assert (Sock.name.key, Sock.name.class_) == ("name", Sock)
    assert Sock.name.property is Sock.__mapper__.props["name"]
    assert Sock.name.parent is Sock.__mapper__
    assert Sock.name.info == {"a": 1}
    assert Sock.name.__doc__ == "what it is called"
    assert Sock.name.type.length == 20


def test_an_unknown_name_on_an_attribute_is_refused_with_the_attributes_name():
    with pytest.raises(AttributeError, match=r"Sock\.name .*'frobnicate'"):
        Sock.name.frobnicate  # noqa: B018


def test_the_expression_is_made_once():
    assert Sock.name.expression is Sock.name.expression
    assert entity_of(Sock.name.expression) is Sock.__mapper__


# Statements


def test_a_class_in_a_select_is_its_columns():
    assert sql(select(Sock).where(Sock.id == 1)).startswith("SELECT sock.id, sock.sock_name, sock.size, sock.colour")
    assert statement_entity(select(Sock)) is Sock.__mapper__


def test_attributes_go_by_their_own_names_in_rows_and_subqueries():
    assert select(Sock.name, Sock.size).subquery().c.keys() == ["name", "size"]


def test_a_class_can_stand_after_from_and_join():
    other = aliased(Sock, name="other")
    statement = select(func.count()).select_from(Sock).join(other, other.size == Sock.size)
    assert sql(statement) == "SELECT count(*) AS count_1 FROM sock JOIN sock AS other ON other.size = sock.size"


def test_filter_by_looks_names_up_in_the_class():
    assert sql(select(Sock.id).filter_by(name="x")) == "SELECT sock.id FROM sock WHERE sock.sock_name = 'x'"
    assert sql(select(Sock.id).filter_by(label="x")) == "SELECT sock.id FROM sock WHERE sock.sock_name = 'x'"


def test_filter_by_looks_in_the_entity_whatever_is_selected_of_it():
    other = aliased(Sock, name="other")
    for statement in (
        select(Sock.id).select_from(Sock),
        select(Sock.id, Sock.size),
        select(func.count()).select_from(Sock),
        select(Sock.id).select_from(Sock).where(Sock.id == 1),
    ):
        assert sql(statement.filter_by(name="x")).endswith("sock.sock_name = 'x'")
    assert sql(select(other.id).filter_by(name="x")).endswith("WHERE other.sock_name = 'x'")
    with pytest.raises(InvalidRequestError, match="sail"):
        select(Sock.id).filter_by(sail=1)


def test_an_object_does_not_pass_for_its_table():
    with pytest.raises(ArgumentError):
        select(Sock(id=1))


def test_a_class_that_is_not_mapped_is_no_table():
    class Unmapped(Base):
        __abstract__ = True

    with pytest.raises(ArgumentError):
        select(Unmapped)


def test_core_can_still_inspect_its_own_things(sqlite_memory_engine):
    assert core_inspect(sqlite_memory_engine) is not None


# Aliases


def test_two_aliases_are_two_entities():
    one, two = aliased(Sock), aliased(Sock)
    text = sql(select(one.id, two.id).where(one.size == two.size))
    assert "sock AS sock_1" in text
    assert "sock AS sock_2" in text


def test_an_alias_gives_the_same_attribute_each_time():
    other = aliased(Sock)
    assert other.name is other.name
    assert other.name.parent is other._aliased_insp


def test_an_alias_of_an_alias_is_one_of_the_class():
    assert sql(aliased(aliased(Sock), name="x").size == 1) == "x.size = 1"


def test_an_alias_may_read_from_a_subquery():
    small = select(Sock).where(Sock.size < 3).subquery("small")
    entity = aliased(Sock, small)
    text = sql(select(entity).where(entity.name == "x"))
    assert "FROM (SELECT sock.id" in text
    assert text.endswith("AS small WHERE small.sock_name = 'x'")


def test_an_alias_has_the_classes_methods_and_no_more():
    class Talking(Base):
        __tablename__ = "talking"
        id: Mapped[int] = mapped_column(primary_key=True)

        @classmethod
        def speak(cls):
            return "hello"

    assert aliased(Talking).speak() == "hello"
    with pytest.raises(AttributeError):
        aliased(Talking).nothing  # noqa: B018


def test_a_table_can_be_aliased_too():
    assert sql(aliased(Sock.__table__, name="t").c.size == 1) == "t.size = 1"


def test_what_is_not_mapped_cannot_be_aliased():
    with pytest.raises(UnmappedClassError):
        aliased(object)


def test_an_alias_shows_what_it_is_of():
    assert repr(aliased(Sock)) == "<AliasedClass of Sock>"
    assert "Sock as x" in repr(aliased(Sock, name="x")._aliased_insp)


def test_imperative_classes_have_the_same_face():
    class Glove:
        pass

    table = Table("glove", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer, key="number"))
    registry().map_imperatively(Glove, table)
    assert sql(select(Glove).where(Glove.number == 1)) == "SELECT glove.id, glove.n FROM glove WHERE glove.n = 1"
