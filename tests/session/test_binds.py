"""Which engine serves what: one per session, per class, per table, or the metadata's."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, insert, select, text

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.exc import ArgumentError, UnboundExecutionError, UnmappedClassError
from ropewalk.instrumentation.aliases import aliased
from ropewalk.session.binds import Binds, bind_metadata, check_bind, entity_mapper
from ropewalk.session.factory import sessionmaker
from ropewalk.session.session import Session


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


@pytest.fixture
def Cat(Base):
    class Cat(Base):
        __tablename__ = "cat"
        id: Mapped[int] = mapped_column(primary_key=True)

    return Cat


@pytest.fixture
def Dog(Base):
    class Dog(Base):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(primary_key=True)

    return Dog


@pytest.fixture
def engines():
    made = [create_engine("sqlite://") for _ in range(3)]
    yield made
    for engine in made:
        engine.dispose()


# Metadata


def test_a_bound_metadata_serves_sessions_without_a_bind(Base, Cat, engines):
    bind_metadata(Base.metadata, engines[0])
    Base.metadata.create_all(engines[0])
    with Session() as session:
        session.add(Cat(id=1))
        session.commit()
        assert session.get_bind(Cat) is engines[0]
        assert session.scalars(select(Cat.id)).one() == 1
        assert session.query(Cat).count() == 1
        assert session.execute(select(Cat.__table__)).one() == (1,)
        session.execute(insert(Cat.__table__), {"id": 2})
        session.execute(Cat.__table__.update().values(id=Cat.__table__.c.id + 10))
        assert sorted(session.scalars(select(aliased(Cat).id))) == [11, 12]


def test_a_session_of_its_own_bind_does_not_ask_the_metadata(Base, Cat, engines):
    bind_metadata(Base.metadata, engines[0])
    assert Session(engines[1]).get_bind(Cat) is engines[1]
    assert Session(binds={Cat: engines[2]}).get_bind(Cat) is engines[2]


def test_unbinding_a_metadata_ends_it(Base, Cat, engines):
    bind_metadata(Base.metadata, engines[0])
    bind_metadata(Base.metadata, None)
    bind_metadata(Base.metadata, None)
    with pytest.raises(UnboundExecutionError):
        Session().get_bind(Cat)


def test_each_metadata_has_an_engine_of_its_own(engines):
    bases = []
    for engine in engines[:2]:

        class Base(DeclarativeBase):
            pass

        class Thing(Base):
            __tablename__ = "thing"
            id: Mapped[int] = mapped_column(primary_key=True)

        bind_metadata(Base.metadata, engine)
        bases.append(Thing)
    session = Session()
    assert [session.get_bind(cls) for cls in bases] == engines[:2]


def test_an_imperative_class_is_served_by_its_tables_metadata(engines):
    class Bird:
        pass

    metadata = MetaData()
    registry().map_imperatively(Bird, Table("bird", metadata, Column("id", Integer, primary_key=True)))
    bind_metadata(metadata, engines[0])
    assert Session().get_bind(Bird) is engines[0]


def test_text_has_no_metadata(Base, engines):
    bind_metadata(Base.metadata, engines[0])
    with pytest.raises(UnboundExecutionError, match="this SQL expression"):
        Session().execute(text("SELECT 1"))


# Named binds


def test_the_nearest_class_decides(Base, Cat, Dog, engines):
    session = Session(engines[2], binds={Base: engines[0], Cat: engines[1]})
    assert session.get_bind(Cat) is engines[1]
    assert session.get_bind(Dog) is engines[0]
    assert session.get_bind() is engines[2]


def test_a_mixin_can_be_named(Base, engines):
    class Archived:
        pass

    class Old(Archived, Base):
        __tablename__ = "old"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Session(binds={Archived: engines[0]}).get_bind(Old) is engines[0]


def test_a_mapper_and_a_table_can_be_named(Cat, Dog, engines):
    session = Session(binds={Cat.__mapper__: engines[0], Dog.__table__: engines[1]})
    assert session.get_bind(Cat) is engines[0]
    assert session.get_bind(Dog) is engines[1]
    assert session.get_bind(clause=select(Cat.__table__)) is engines[0]
    assert session.get_bind(clause=select(Dog)) is engines[1]


def test_a_clause_is_searched_to_the_bottom(Cat, Dog, engines):
    session = Session(binds={Dog: engines[1]})
    deep = select(select(Dog.__table__).subquery().alias())
    assert session.get_bind(clause=deep) is engines[1]


def test_arguments_of_one_call_go_first(Cat, engines):
    session = Session(engines[0], binds={Cat: engines[1]})
    assert session.get_bind(Cat, bind=engines[2]) is engines[2]
    assert session.connection(bind_arguments={"bind": engines[2]}).engine is engines[2]
    assert session.connection(Cat).engine is engines[1]
    assert session.connection().engine is engines[0]
    session.close()


def test_a_statement_can_be_told_its_mapper(Cat, engines):
    with Session(engines[0], binds={Cat: engines[1]}) as session:
        session.execute(text("SELECT 1"), bind_arguments={"mapper": Cat.__mapper__})
        session.execute(text("SELECT 1"), mapper=Cat)
        assert [c.engine for c in session.get_transaction().connections] == [engines[1]]


def test_a_bind_named_later_counts(Cat, Dog, engines):
    session = Session(engines[0])
    session.bind_mapper(Cat, engines[1])
    session.bind_table(Dog.__table__, engines[2])
    assert [session.get_bind(cls) for cls in (Cat, Dog)] == engines[1:]
    assert Session(engines[0]).get_bind(Cat) is engines[0]  # other sessions know nothing of it


def test_one_engine_named_twice_is_one_connection(Cat, Dog, engines):
    with Session(binds={Cat: engines[0], Dog: engines[0]}) as session:
        assert session.connection(Cat) is session.connection(Dog)


def test_one_connection_named_beside_its_engine_stays_its_own(Cat, Dog, engines):
    with engines[0].connect() as connection, Session(binds={Cat: connection, Dog: connection}) as session:
        assert session.connection(Cat) is session.connection(Dog) is connection


@pytest.mark.parametrize("key", ["cat", 7, None, object()])
def test_what_no_engine_can_serve_is_refused(key, engines):
    with pytest.raises(ArgumentError, match="neither a mapped class, nor a mixin, nor a table"):
        Session(binds={key: engines[0]})


@pytest.mark.parametrize("bind", ["sqlite://", 7, object()])
def test_what_is_no_engine_is_refused_where_it_is_given(Cat, bind):
    for give, where in [
        (lambda: Session(bind), "bind must be an Engine"),
        (lambda: Session(binds={Cat: bind}), r"binds\[.*Cat"),
        (lambda: Session().bind_mapper(Cat, bind), "must be an Engine"),
        (lambda: sessionmaker(bind)(), "must be an Engine"),
    ]:
        with pytest.raises(ArgumentError, match=where):
            give()


def test_an_async_engine_is_refused_by_its_name():
    class AsyncEngine:
        pass

    with pytest.raises(ArgumentError, match="async engine; an AsyncSession takes it"):
        check_bind(AsyncEngine())


def test_no_engine_at_all_says_what_was_asked_and_what_to_do(Cat):
    session = Session()
    with pytest.raises(UnboundExecutionError, match=r"mapper Mapper\[Cat\(cat\)\].*bind_metadata"):
        session.get_bind(Cat)
    with pytest.raises(UnboundExecutionError, match="mapper Mapper"):
        session.get_bind(clause=select(Cat))
    with pytest.raises(UnboundExecutionError, match="this SQL expression"):
        session.get_bind(clause=select(1))
    with pytest.raises(UnboundExecutionError, match="this call"):
        session.get_bind()


def test_an_unmapped_class_has_no_bind(engines):
    with pytest.raises(UnmappedClassError):
        Session(engines[0]).get_bind(object)


def test_no_binds_are_false(engines):
    binds = Binds()
    assert not binds
    binds.add(Table("t", MetaData()), engines[0])
    assert binds


def test_a_statement_knows_its_mapper(Cat):
    assert entity_mapper(select(Cat)) is Cat.__mapper__
    assert entity_mapper(select(aliased(Cat))) is Cat.__mapper__
    assert entity_mapper(select(Cat.__table__)) is None


def test_a_schema_translate_map_of_the_session_reaches_its_flushes(sqlite_engine):
    class Base(DeclarativeBase):
        pass

    class Elsewhere(Base):
        __tablename__ = "elsewhere"
        __table_args__ = {"schema": "per_tenant"}

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    options = {"schema_translate_map": {"per_tenant": None}}
    Base.metadata.create_all(sqlite_engine.execution_options(**options))
    for make in (
        lambda: Session(sqlite_engine, execution_options=options),
        lambda: Session(sqlite_engine.execution_options(**options)),
    ):
        with make() as session:
            session.add_all(Elsewhere(name=str(n)) for n in range(3))
            session.flush()
            first = session.get(Elsewhere, 1)
            first.name = "changed"
            session.flush()
            session.delete(first)
            session.flush()
            assert session.query(Elsewhere).count() == 2
            session.rollback()
    with Session(sqlite_engine) as session:
        session.begin(execution_options=options)
        session.add(Elsewhere(name="x"))
        session.commit()
    with sqlite_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM elsewhere").scalars().all() == ["x"]


def test_a_listener_for_core_statements_sees_the_inserts_of_a_batch(sqlite_engine):
    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "thing"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    Base.metadata.create_all(sqlite_engine)
    seen = []

    @event.listens_for(sqlite_engine, "before_execute")
    def note(connection, statement, many, parameters, options):
        seen.append((type(statement).__name__, many or [parameters]))

    with Session(sqlite_engine) as session:
        session.add_all(Thing(name=str(n)) for n in range(3))
        session.commit()
        assert [thing.id for thing in session.scalars(select(Thing))] == [1, 2, 3]
    inserts = [parameters for kind, parameters in seen if kind == "Insert"]
    assert [row["name"] for batch in inserts for row in batch] == ["0", "1", "2"]
