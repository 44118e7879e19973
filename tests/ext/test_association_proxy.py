"""Association proxies on objects: lists, sets, dictionaries and single values of related objects."""

import copy
import pickle
from collections.abc import MutableMapping, MutableSequence, MutableSet

import pytest
from sqlalchemy import ForeignKey

import ropewalk
from ropewalk import AssociationProxy, DeclarativeBase, Mapped, Session, association_proxy, mapped_column, relationship
from ropewalk.collections import attribute_keyed_dict
from ropewalk.exc import ArgumentError, InvalidRequestError


class Base(DeclarativeBase):
    pass


class Sailor(Base):
    __tablename__ = "ap_sailor"

    id: Mapped[int] = mapped_column(primary_key=True)
    log: Mapped[list["Entry"]] = relationship(order_by="Entry.id", cascade="all, delete-orphan")
    badges: Mapped[set["Badge"]] = relationship(cascade="all, delete-orphan")
    measures: Mapped[dict[str, "Measure"]] = relationship(
        collection_class=attribute_keyed_dict("name"), cascade="all, delete-orphan"
    )
    berth: Mapped["Berth | None"] = relationship(cascade="all, delete-orphan")

    lines: AssociationProxy[list[str]] = association_proxy("log", "text", creator=lambda text: Entry(text=text))
    colours: AssociationProxy[set[str]] = association_proxy("badges", "colour", creator=lambda c: Badge(colour=c))
    sizes: AssociationProxy[dict[str, int]] = association_proxy(
        "measures", "size", creator=lambda name, size: Measure(name=name, size=size)
    )
    deck: AssociationProxy[str | None] = association_proxy("berth", "deck", creator=lambda deck: Berth(deck=deck))
    sure_deck = association_proxy(
        "berth", "deck", creator=lambda deck: Berth(deck=deck), create_on_none_assignment=True
    )
    short_deck = association_proxy("berth", "deck", creator=lambda deck: Berth(deck=deck), cascade_scalar_deletes=True)


class Entry(Base):
    __tablename__ = "ap_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    sailor_id: Mapped[int] = mapped_column(ForeignKey("ap_sailor.id"))
    text: Mapped[str]


class Badge(Base):
    __tablename__ = "ap_badge"

    id: Mapped[int] = mapped_column(primary_key=True)
    sailor_id: Mapped[int] = mapped_column(ForeignKey("ap_sailor.id"))
    colour: Mapped[str]


class Measure(Base):
    __tablename__ = "ap_measure"

    sailor_id: Mapped[int] = mapped_column(ForeignKey("ap_sailor.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]


class Berth(Base):
    __tablename__ = "ap_berth"

    id: Mapped[int] = mapped_column(primary_key=True)
    sailor_id: Mapped[int] = mapped_column(ForeignKey("ap_sailor.id"))
    deck: Mapped[str | None]


@pytest.fixture
def session(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with Session(sqlite_memory_engine) as session:
        yield session


def texts(sailor):
    return [entry.text for entry in sailor.log]


def test_the_root_package_gives_it_on_demand():
    assert ropewalk.association_proxy is association_proxy
    assert "association_proxy" in ropewalk.__all__


# -- lists ----------------------------------------------------------------------------


def test_a_list_behaves_like_a_list():
    sailor = Sailor(lines=["a", "b"])
    expected = ["a", "b"]
    for change in (
        lambda it: it.append("c"),
        lambda it: it.extend(["d", "e"]),
        lambda it: it.insert(1, "x"),
        lambda it: it.remove("b"),
        lambda it: it.pop(),
        lambda it: it.pop(0),
        lambda it: it.__setitem__(0, "y"),
        lambda it: it.__setitem__(slice(1, 2), ["p", "q", "r"]),
        lambda it: it.__setitem__(slice(None, None, 2), ["1"] * len(it[::2])),
        lambda it: it.__delitem__(-1),
        lambda it: it.__delitem__(slice(0, 1)),
        lambda it: it.__imul__(2),
        lambda it: it.__iadd__(["z"]),
    ):
        change(sailor.lines)
        change(expected)
        assert sailor.lines == expected and texts(sailor) == expected
    lines = sailor.lines
    assert isinstance(lines, MutableSequence)
    assert (lines + ["!"], ["!"] + lines, lines * 2, 2 * lines) == (
        expected + ["!"],
        ["!"] + expected,
        expected * 2,
        expected * 2,
    )
    assert lines.index("z") == expected.index("z") and lines.count("z") == 1 and "z" in lines
    assert (lines[1:], list(reversed(lines)), lines.copy(), repr(lines)) == (
        expected[1:],
        expected[::-1],
        expected,
        repr(expected),
    )
    assert lines < ["~"] and lines <= expected and lines > [] and lines >= expected and lines != []
    lines.clear()
    assert not lines and len(lines) == 0 and sailor.log == []


def test_a_list_says_what_it_cannot_do():
    lines = Sailor(lines=["a", "b"]).lines
    with pytest.raises(NotImplementedError, match="sort the list that holds them"):
        lines.sort()
    with pytest.raises(NotImplementedError, match="reverse the list that holds them"):
        lines.reverse()
    with pytest.raises(ValueError, match="not in list"):
        lines.remove("nothing")
    with pytest.raises(ValueError, match="extended slice of size 1"):
        lines[::2] = ["x", "y"]
    with pytest.raises(TypeError):
        lines + 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(lines)


def test_an_item_is_changed_in_its_object():
    sailor = Sailor(lines=["a"])
    entry = sailor.log[0]
    sailor.lines[0] = "b"
    assert sailor.log == [entry] and entry.text == "b"


def test_assigning_what_was_changed_in_place_keeps_the_objects():
    sailor = Sailor(lines=["a"])
    entry = sailor.log[0]
    sailor.lines += ["b"]
    sailor.lines = sailor.lines
    assert sailor.log[0] is entry and sailor.lines == ["a", "b"]


def test_the_proxy_follows_a_collection_that_is_replaced_and_saved(session):
    sailor = Sailor(lines=["a", "b"])
    lines = sailor.lines
    sailor.log = [Entry(text="c")]
    assert lines == ["c"]
    session.add(sailor)
    session.commit()
    assert lines == ["c"]
    sailor.lines = ["d", "e"]
    session.commit()
    assert texts(sailor) == ["d", "e"] and session.query(Entry).count() == 2


# -- sets -----------------------------------------------------------------------------


def test_a_set_behaves_like_a_set():
    sailor = Sailor(colours={"red", "blue"})
    expected = {"red", "blue"}
    for change in (
        lambda it: it.add("green"),
        lambda it: it.add("red"),
        lambda it: it.discard("nothing"),
        lambda it: it.remove("blue"),
        lambda it: it.update(["white", "black"], ["grey"]),
        lambda it: it.difference_update(["grey", "nothing"]),
        lambda it: it.intersection_update(["white", "black", "red"]),
        lambda it: it.symmetric_difference_update(["black", "pink"]),
        lambda it: it.__ior__({"a", "b", "c"}),
        lambda it: it.__isub__({"a"}),
        lambda it: it.__iand__({"b", "c", "pink"}),
        lambda it: it.__ixor__({"c", "d"}),
    ):
        change(sailor.colours)
        change(expected)
        assert sailor.colours == expected == {badge.colour for badge in sailor.badges}
    colours, other = sailor.colours, {"b", "e"}
    assert isinstance(colours, MutableSet) and len(colours) == len(expected)
    assert colours | other == expected | other == colours.union(other)
    assert colours & other == expected & other == colours.intersection(other)
    assert colours - other == expected - other == colours.difference(other)
    assert other - colours == other - expected
    assert colours ^ other == expected ^ other == colours.symmetric_difference(other)
    assert colours <= expected and colours >= expected and not colours < expected and not colours > expected
    assert colours.issubset(expected) and colours.issuperset([]) and colours.copy() == expected
    while colours:
        expected.discard(colours.pop())
    assert not expected and sailor.badges == set()


def test_the_operators_of_a_set_take_sets_alone():
    sailor = Sailor(colours={"red"})
    for operator in ("__or__", "__and__", "__sub__", "__xor__", "__ior__", "__iand__", "__isub__", "__ixor__"):
        assert getattr(sailor.colours, operator)(["red"]) is NotImplemented
    with pytest.raises(KeyError):
        sailor.colours.remove("nothing")


def test_replacing_a_set_keeps_objects_whose_values_stay():
    sailor = Sailor(colours={"red", "blue"})
    red = next(badge for badge in sailor.badges if badge.colour == "red")
    sailor.colours = {"red", "green"}
    assert red in sailor.badges and sailor.colours == {"red", "green"}


# -- dictionaries ---------------------------------------------------------------------


def test_a_dictionary_behaves_like_a_dictionary():
    sailor = Sailor(sizes={"hat": 58})
    sizes = sailor.sizes
    hat = sailor.measures["hat"]
    sizes["hat"] = 59
    sizes["shoe"] = 44
    assert isinstance(sizes, MutableMapping) and sizes == {"hat": 59, "shoe": 44} and hat.size == 59
    assert (list(sizes), list(sizes.values()), list(sizes.items()), list(sizes.keys())) == (
        ["hat", "shoe"],
        [59, 44],
        [("hat", 59), ("shoe", 44)],
        ["hat", "shoe"],
    )
    assert sizes.get("hat") == 59 and sizes.get("nothing") is None and "shoe" in sizes and len(sizes) == 2
    assert sizes.setdefault("hat", 1) == 59 and sizes.setdefault("glove", 9) == 9
    assert sizes.pop("glove") == 9 and sizes.pop("glove", None) is None and sizes.popitem() == ("shoe", 44)
    sizes.update({"hat": 60}, belt=90)
    assert sizes.copy() == {"hat": 60, "belt": 90} and repr(sizes) == repr(sizes.copy())
    with pytest.raises(KeyError):
        sizes["nothing"]
    with pytest.raises(ValueError):
        sizes.update([("a", 1), "three"])
    sailor.sizes = {"belt": 91, "shoe": 45}
    assert sailor.sizes == {"belt": 91, "shoe": 45} and "hat" not in sailor.measures
    del sizes["belt"]
    assert sailor.sizes != {} and list(sailor.measures) == ["shoe"]
    sizes.clear()
    assert not sailor.measures


# -- single values --------------------------------------------------------------------


def test_a_single_value_makes_its_object_and_changes_it():
    sailor = Sailor()
    assert sailor.deck is None
    sailor.deck = None
    assert sailor.berth is None
    sailor.deck = "upper"
    berth = sailor.berth
    sailor.deck = "lower"
    assert sailor.berth is berth and berth.deck == "lower"
    sailor.deck = None
    assert sailor.berth is berth and berth.deck is None
    del sailor.deck
    assert sailor.berth is None


def test_none_can_let_go_the_object_or_make_one():
    sailor = Sailor(short_deck="upper")
    sailor.short_deck = None
    assert sailor.berth is None
    sailor.sure_deck = None
    assert sailor.berth.deck is None
    with pytest.raises(ArgumentError, match="contradict each other"):
        association_proxy("a", "b", cascade_scalar_deletes=True, create_on_none_assignment=True)


def test_deleting_empties_a_collection_touched_or_not():
    sailor = Sailor(lines=["a"])
    del sailor.lines
    assert sailor.log == []
    untouched = Sailor()
    del untouched.lines
    assert untouched.log == []
    with pytest.raises(AttributeError, match="Sailor.berth object does not have a value"):
        del untouched.deck


# -- factories ------------------------------------------------------------------------


def test_getset_factory_takes_the_place_of_the_attribute():
    def upper(kind, proxy):
        asked.append((kind, proxy.value_attr))
        return (lambda entry: entry.text.upper()), (lambda entry, value: setattr(entry, "text", value.lower()))

    asked = []

    class Shouter(Sailor):
        shouts = association_proxy("log", "text", getset_factory=upper, creator=lambda t: Entry(text=t.lower()))

    sailor = Shouter(shouts=["A"])
    sailor.shouts[0] = "B"
    assert sailor.shouts == ["B"] and texts(sailor) == ["b"] and asked == [(list, "text")]


def test_proxy_factory_and_proxy_bulk_set():
    from ropewalk.ext.associationproxy import AssociationList

    class Counting(AssociationList):
        def __init__(self, lazy_collection, creator, attr, parent):
            super().__init__(lazy_collection, creator, *parent.default_getset(list), parent)

        def total(self):
            return len("".join(self))

    def fill(proxy, values):
        filled.append(values)
        proxy.extend(values)

    filled = []

    class Counter(Sailor):
        counted = association_proxy(
            "log", "text", creator=lambda t: Entry(text=t), proxy_factory=Counting, proxy_bulk_set=fill
        )

    sailor = Counter(counted=["ab", "c"])
    assert sailor.counted.total() == 3 and filled == [["ab", "c"]]
    sailor.counted += ["d"]
    assert sailor.counted == ["ab", "c", "d"] and len(filled) == 1


# -- copies, classes, bad input -------------------------------------------------------


def test_pickled_and_copied_with_their_owner():
    sailor = Sailor(lines=["a", "b"], colours={"red"}, deck="upper", sizes={"hat": 58})
    again = pickle.loads(pickle.dumps(sailor))
    assert (again.lines, again.colours, again.deck, again.sizes) == (["a", "b"], {"red"}, "upper", {"hat": 58})
    again.lines.append("c")
    assert sailor.lines == ["a", "b"]
    assert pickle.loads(pickle.dumps(sailor.lines)) == ["a", "b"]
    assert copy.copy(sailor.lines) == ["a", "b"]


def test_subclasses_and_unmapped_classes_have_their_own_view():
    class Cook(Sailor):
        pass

    class Mixin:
        words = association_proxy("log", "text")

    assert Cook.lines.owning_class is Cook and Sailor.lines.owning_class is Sailor
    assert isinstance(Mixin.words, AssociationProxy) and Mixin.words.owning_class is None
    assert repr(Mixin.words) == "AssociationProxy('log', 'text')"
    assert repr(Sailor.lines) == "ColumnAssociationProxyInstance(AssociationProxy('log', 'text'))"
    with pytest.raises(InvalidRequestError, match="Mixin is not mapped"):
        Mixin().words  # noqa: B018


def test_a_target_must_be_a_relationship_that_is_there():
    class Wrong(Sailor):
        of_column = association_proxy("id", "text")
        of_nothing = association_proxy("lgo", "text")

    with pytest.raises(NotImplementedError, match="Wrong.of_column: an association proxy to a non-relationship"):
        Wrong.of_column  # noqa: B018
    with pytest.raises(InvalidRequestError, match="Wrong has no attribute 'lgo'; it has id"):
        Wrong().of_nothing  # noqa: B018
