"""Association proxies on the class: conditions, chains of proxies, aliases."""

import pytest
from sqlalchemy import ForeignKey, func

from ropewalk import DeclarativeBase, Mapped, Session, aliased, association_proxy, mapped_column, relationship, select
from ropewalk.exc import ArgumentError, InvalidRequestError


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "aps_author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    home_id: Mapped[int | None] = mapped_column(ForeignKey("aps_home.id"))
    home: Mapped["Home | None"] = relationship()
    marks: Mapped[list["Mark"]] = relationship(back_populates="author")

    city = association_proxy("home", "city")
    tags = association_proxy("marks", "tag", creator=lambda tag: Mark(tag=tag))
    words = association_proxy("marks", "word")


class Home(Base):
    __tablename__ = "aps_home"

    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str | None]

    @property
    def shouted(self):
        return self.city.upper()


class Mark(Base):
    __tablename__ = "aps_mark"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("aps_author.id"))
    tag_id: Mapped[int] = mapped_column(ForeignKey("aps_tag.id"))
    author: Mapped["Author"] = relationship(back_populates="marks")
    tag: Mapped["Tag"] = relationship()

    word = association_proxy("tag", "word")
    home = association_proxy("author", "home")


class Tag(Base):
    __tablename__ = "aps_tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]


@pytest.fixture
def session(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with Session(sqlite_memory_engine) as session:
        tide, rope = Tag(word="tide"), Tag(word="rope")
        session.add_all(
            [
                Author(name="ann", home=Home(city="Bergen"), tags=[tide, rope]),
                Author(name="bob", home=Home(), tags=[rope]),
                Author(name="cid"),
            ]
        )
        session.flush()
        yield session


@pytest.fixture
def names(session):
    def names(condition, entity=Author):
        return "".join(sorted(name[0] for name in session.scalars(select(entity.name).where(condition))))

    return names


def test_operators_of_a_column(names):
    assert names(Author.city == "Bergen") == "a"
    assert names(Author.city != "Bergen") == ""
    assert names(Author.city == None) == "bc"  # noqa: E711
    assert names(Author.city.like("Ber%")) == names(Author.city.in_(["Bergen"])) == "a"
    assert names(Author.city.has()) == "ab" and names(~Author.city.has()) == "c"


def test_proxies_of_proxies(names, session):
    assert names(Author.words.contains("tide")) == "a"
    assert names(Author.words.any()) == "ab"
    assert names(Author.words.any(Tag.word == "rope")) == "ab"
    assert session.scalars(select(Author.name).order_by(Author.id)).first() == "ann"
    assert session.query(Author).filter_by(name="ann").one().words == ["tide", "rope"]


def test_objects(names, session):
    tide = session.query(Tag).filter_by(word="tide").one()
    assert names(Author.tags.contains(tide)) == "a"
    assert names(Author.tags.any(word="rope")) == names(Author.tags.any(Tag.word == "rope")) == "ab"
    bergen = session.query(Home).filter_by(city="Bergen").one()
    marks = select(func.count()).select_from(Mark)
    assert session.scalar(marks.where(Mark.home == bergen)) == 2
    assert session.scalar(marks.where(Mark.home != bergen)) == 1
    assert session.scalar(marks.where(Mark.home == None)) == 0  # noqa: E711
    assert session.scalar(marks.where(Mark.home.has(city="Bergen"))) == 2


def test_an_alias_has_them_too(names):
    other = aliased(Author)
    assert names(other.city == "Bergen", other) == "a"
    assert names(other.tags.any(word="tide"), other) == "a"
    assert other.city.local_attr.parent.is_aliased_class


def test_joins_along_both_attributes(session):
    found = select(Author.name).join(Author.city.local_attr).where(Author.city.remote_attr == "Bergen")
    assert session.scalars(found).all() == ["ann"]
    assert Author.tags.attr == (Author.tags.local_attr, Author.tags.remote_attr)


def test_an_object_out_of_its_session_is_compared_by_its_key(session, names):
    bergen = session.query(Home).filter_by(city="Bergen").one()
    session.expire(bergen)
    session.expunge(bergen)
    assert names(Author.home == bergen) == "a"


def test_what_makes_no_sense_is_refused():
    tag = Tag(word="x")
    for attempt, error, message in (
        (lambda: Author.city.any(), InvalidRequestError, "leads to one object. Use has"),
        (lambda: Author.tags.has(), InvalidRequestError, "leads to a collection. Use any"),
        (lambda: Author.city.has(Home.id == 1), ArgumentError, "Use =="),
        (lambda: Author.city.has(city="x"), ArgumentError, "column-targeted"),
        (lambda: Mark.home.contains(tag), InvalidRequestError, "leads to one object. Use =="),
        (lambda: Author.tags < tag, NotImplementedError, "has no operator lt"),
        (lambda: Author.tags == tag, InvalidRequestError, "has"),
        (lambda: select(Author).order_by(Author.city), NotImplementedError, "plain column expression"),
        (lambda: func.lower(Author.city), NotImplementedError, "plain column expression"),
    ):
        with pytest.raises(error, match=message):
            attempt()


def test_an_attribute_that_is_plain_python_serves_objects_alone():
    class Poet(Author):
        loud = association_proxy("home", "shouted")

    assert Poet(home=Home(city="Bergen")).loud == "BERGEN"
    with pytest.raises(AttributeError, match="'shouted' that is not directly mapped on Home"):
        Poet.loud == "x"  # noqa: B015
    with pytest.raises(AttributeError, match="not directly mapped"):
        Poet.loud.has()


def test_an_error_of_the_attribute_is_told_with_its_place():
    class Broken:
        def __get__(self, instance, owner):
            raise ValueError("no luck")

    Home.broken = Broken()

    class Unlucky(Author):
        luck = association_proxy("home", "broken")

    with pytest.raises(InvalidRequestError, match='Unlucky.luck: unexpected error .*"Home.broken".*no luck'):
        Unlucky.luck  # noqa: B018
