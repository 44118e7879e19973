"""Quoted class names where two registries have classes of one name; annotations here are no strings as a whole."""

from sqlalchemy import ForeignKey

from ropewalk import DeclarativeBase, Mapped, mapped_column, relationship


class ElsewhereBase(DeclarativeBase):
    pass


class Pebble(ElsewhereBase):
    __tablename__ = "pebble"
    id: Mapped[int] = mapped_column(primary_key=True)


Boulder = Pebble  # the module's name for a class of another registry


def test_a_quoted_name_means_the_class_of_the_own_registry_before_that_of_the_module():
    class Base(DeclarativeBase):
        pass

    other = Pebble

    def make():
        class Pebble(Base):
            __tablename__ = "pebble"
            id: Mapped[int] = mapped_column(primary_key=True)
            beach_id: Mapped[int] = mapped_column(ForeignKey("beach.id"))

        return Pebble

    class Beach(Base):
        __tablename__ = "beach"
        id: Mapped[int] = mapped_column(primary_key=True)
        pebbles: Mapped[list["Pebble"]] = relationship()

    own = make()
    assert own is not other
    assert Beach.pebbles.property.mapper.class_ is own
    assert Beach.pebbles.property.uselist


def test_a_quoted_name_that_the_own_registry_does_not_know_means_the_class_of_the_module():
    class Base(DeclarativeBase):
        metadata = ElsewhereBase.metadata

    class Cairn(Base):
        __tablename__ = "cairn"
        id: Mapped[int] = mapped_column(primary_key=True)
        top_id: Mapped[int] = mapped_column(ForeignKey("pebble.id"))
        top: Mapped["Boulder | None"] = relationship()

    assert Cairn.top.property.mapper.class_ is Pebble
    assert not Cairn.top.property.uselist
