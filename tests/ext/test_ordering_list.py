"""Lists whose objects know their place."""

import copy
import pickle

import pytest
from sqlalchemy import ForeignKey

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, relationship
from ropewalk.ext.orderinglist import OrderingList, count_from_0, count_from_1, count_from_n_factory, ordering_list


class Base(DeclarativeBase):
    pass


class Train(Base):
    __tablename__ = "ol_train"

    id: Mapped[int] = mapped_column(primary_key=True)
    wagons: Mapped[list["Wagon"]] = relationship(
        order_by="Wagon.place", collection_class=ordering_list("place", count_from=1)
    )


class Wagon(Base):
    __tablename__ = "ol_wagon"

    id: Mapped[int] = mapped_column(primary_key=True)
    train_id: Mapped[int | None] = mapped_column(ForeignKey("ol_train.id"))
    name: Mapped[str]
    place: Mapped[int | None]


class Car:
    def __init__(self, name="car", place=None):
        self.name = name
        self.place = place


def wagons(names):
    return [Wagon(name=name) for name in names]


def shown(train):
    return "".join(f"{wagon.name}{wagon.place}" for wagon in train.wagons)


def test_every_change_counts_anew():
    train = Train(wagons=wagons("abc"))
    assert shown(train) == "a1b2c3"
    train.wagons.insert(1, Wagon(name="x"))
    assert shown(train) == "a1x2b3c4"
    train.wagons.remove(train.wagons[0])
    assert shown(train) == "x1b2c3"
    assert train.wagons.pop(0).name == "x" and shown(train) == "b1c2"
    train.wagons.extend(wagons("de"))
    train.wagons += wagons("f")
    assert shown(train) == "b1c2d3e4f5"
    del train.wagons[1:3]
    assert shown(train) == "b1e2f3"
    train.wagons[-1] = Wagon(name="y")
    train.wagons[0:1] = wagons("pq")
    assert shown(train) == "p1q2e3y4"
    train.wagons.sort(key=lambda wagon: wagon.name)
    train.wagons.reorder()
    assert shown(train) == "e1p2q3y4"
    train.wagons = list(reversed(train.wagons))
    train.wagons.reorder()
    assert shown(train) == "y1q2p3e4"


def test_places_are_saved_and_loading_changes_none(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with Session(sqlite_memory_engine) as session:
        train = Train(wagons=wagons("abc"))
        session.add(train)
        session.commit()
        session.delete(train.wagons.pop(1))
        train.wagons.append(Wagon(name="z"))
        session.commit()
        assert shown(train) == "a1c2z3" and not session.dirty
        session.query(Wagon).filter_by(name="c").delete()
        session.expire_all()
        assert shown(train) == "a1z3" and not session.dirty


def test_append_leaves_a_place_that_is_there_unless_told_otherwise():
    keeping = ordering_list("place")()
    keeping.append(Car(place=7))
    counting = ordering_list("place", reorder_on_append=True)()
    counting.append(Car(place=7))
    assert keeping[0].place == 7 and counting[0].place == 0


def test_ways_to_count():
    assert [count(2, []) for count in (count_from_0, count_from_1, count_from_n_factory(5))] == [2, 3, 7]
    assert count_from_n_factory(5).__name__ == "count_from_5"
    letters = ordering_list("place", ordering_func=lambda index, collection: "abc"[index])()
    letters.extend([Car(), Car()])
    assert [car.place for car in letters] == ["a", "b"]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_and_pickles_keep_counting(again):
    cars = OrderingList("place", count_from_1)
    cars.append(Car("a"))
    new = again(cars)
    new.append(Car("b"))
    assert type(new) is OrderingList and [car.place for car in new] == [1, 2] and len(cars) == 1


def test_pickled_with_its_owner():
    train = pickle.loads(pickle.dumps(Train(wagons=wagons("ab"))))
    train.wagons.insert(0, Wagon(name="c"))
    assert shown(train) == "c1a2b3"
