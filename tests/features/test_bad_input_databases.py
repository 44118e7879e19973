"""What sessions, factories, shards and replicas cannot use is refused with an error of ours that names the argument."""

import pytest
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from ropewalk import (
    DeclarativeBase,
    Mapped,
    PreparedTransactions,
    Retries,
    Session,
    bind_metadata,
    mapped_column,
    retried,
    select,
    sessionmaker,
)
from ropewalk.exc import ArgumentError
from ropewalk.ext.horizontal_shard import ShardedSession, set_shard_id
from ropewalk.ext.routing import RoutingSession


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Plain:
    pass


BAD = [None, 3, 1.5, -1, "abc", b"abc", object(), [], {}, (), Plain, Plain(), User, User(id=1), User.id, lambda: 1]


@pytest.fixture(scope="module")
def engines():
    engines = [create_engine("sqlite://"), create_engine("sqlite://")]
    for engine in engines:
        Base.metadata.create_all(engine)
    yield engines
    for engine in engines:
        engine.dispose()


def begun(session, **options):
    session.begin(**options)
    session.connection()


def with_object(session, use):
    obj = User(name="a")
    session.add(obj)
    session.flush()
    use(obj)


def sharded(engines, **other):
    given = {
        "shards": {"a": engines[0], "b": engines[1]},
        "shard_chooser": lambda mapper, instance, clause=None: "a",
        "identity_chooser": lambda mapper, key, **kw: ["a", "b"],
        "execute_chooser": lambda context: ["a", "b"],
    }
    with ShardedSession(**{**given, **other}) as session:
        session.get(User, 1)
        session.scalars(select(User)).all()
        session.add(User(name="new"))
        session.flush()


def routed(engines, **other):
    with RoutingSession(**{"primary": engines[0], "replicas": [engines[1]], **other}) as session:
        session.scalars(select(User)).all()


SESSION = {
    "get_bind(mapper)": lambda s, bad: s.get_bind(bad),
    "get_bind(clause=)": lambda s, bad: s.get_bind(clause=bad),
    "get_bind(bind=)": lambda s, bad: s.get_bind(bind=bad),
    "bind_mapper(mapper)": lambda s, bad: s.bind_mapper(bad, s.bind),
    "bind_mapper(bind)": lambda s, bad: s.bind_mapper(User, bad),
    "bind_table(table)": lambda s, bad: s.bind_table(bad, s.bind),
    "begin(execution_options=)": lambda s, bad: begun(s, execution_options=bad),
    "begin(isolation level)": lambda s, bad: begun(s, execution_options={"isolation_level": bad}),
    "connection(mapper)": lambda s, bad: s.connection(bad),
    "connection(bind_arguments=)": lambda s, bad: s.connection(bind_arguments=bad),
    "connection(mapper in bind_arguments)": lambda s, bad: s.connection(bind_arguments={"mapper": bad}),
    "connection(bind in bind_arguments)": lambda s, bad: s.connection(bind_arguments={"bind": bad}),
    "connection(execution_options=)": lambda s, bad: s.connection(execution_options=bad),
    "execute(statement)": lambda s, bad: s.execute(bad),
    "execute(parameters)": lambda s, bad: s.execute(select(User), bad),
    "execute(execution_options=)": lambda s, bad: s.execute(select(User), execution_options=bad),
    "execute(bind_arguments=)": lambda s, bad: s.execute(select(User), bind_arguments=bad),
    "execute(mapper=)": lambda s, bad: s.execute(text("SELECT 1"), mapper=bad),
    "get(class)": lambda s, bad: s.get(bad, 1),
    "get(key)": lambda s, bad: s.get(User, bad),
    "get(with_for_update=)": lambda s, bad: s.get(User, 1, with_for_update=bad),
    "get(a lock by another name)": lambda s, bad: s.get(User, 1, with_for_update={"no_wait": bad}),
    "get(options=)": lambda s, bad: s.get(User, 1, options=bad),
    "get(identity_token=)": lambda s, bad: s.get(User, 1, identity_token=bad),
    "get(execution_options=)": lambda s, bad: s.get(User, 1, execution_options=bad),
    "get(bind_arguments=)": lambda s, bad: s.get(User, 1, bind_arguments=bad),
    "refresh(object)": lambda s, bad: s.refresh(bad),
    "refresh(names)": lambda s, bad: with_object(s, lambda obj: s.refresh(obj, bad)),
    "refresh(with_for_update=)": lambda s, bad: with_object(s, lambda obj: s.refresh(obj, with_for_update=bad)),
    "expire(names)": lambda s, bad: with_object(s, lambda obj: s.expire(obj, bad)),
    "merge(object)": lambda s, bad: s.merge(bad),
    "add_all(objects)": lambda s, bad: s.add_all(bad),
    "delete_all(objects)": lambda s, bad: s.delete_all(bad),
    "upsert(object)": lambda s, bad: s.upsert(bad),
    "upsert(on=)": lambda s, bad: s.upsert(User(id=9), on=bad),
    "bulk_save_objects(objects)": lambda s, bad: s.bulk_save_objects(bad),
    "bulk_insert_mappings(rows)": lambda s, bad: s.bulk_insert_mappings(User, bad),
    "bulk_insert_mappings(row)": lambda s, bad: s.bulk_insert_mappings(User, [bad]),
    "bulk_update_mappings(rows)": lambda s, bad: s.bulk_update_mappings(User, bad),
    "run(work)": lambda s, bad: s.run(bad) if not isinstance(bad, type) and bad is not BAD[-1] else None,
    "run(retries=)": lambda s, bad: s.run(lambda session: 1, retries=bad),
    "on_commit(callback)": lambda s, bad: s.on_commit(bad),
    "identity_key(class)": lambda s, bad: s.identity_key(bad, 1),
    "identity_key(row=)": lambda s, bad: s.identity_key(User, row=bad),
}

MAKING = {
    "Session(bind)": lambda e, bad: Session(bad).connection(),
    "Session(binds=)": lambda e, bad: Session(binds=bad).connection(User),
    "Session(an engine of binds)": lambda e, bad: Session(binds={User: bad}).get(User, 1),
    "Session(execution_options=)": lambda e, bad: Session(e[0], execution_options=bad).get(User, 1),
    "Session(info=)": lambda e, bad: Session(e[0], info=bad),
    "Session(join_transaction_mode=)": lambda e, bad: Session(e[0], join_transaction_mode=bad),
    "an unbound Session.get_bind(clause=)": lambda e, bad: Session().get_bind(clause=bad),
    "Session(binds=).get_bind(clause=)": lambda e, bad: Session(binds={User: e[0]}).get_bind(clause=bad),
    "sessionmaker(bind)": lambda e, bad: sessionmaker(bad)().connection(),
    "sessionmaker(class_=)": lambda e, bad: sessionmaker(class_=bad) if bad is not User else None,
    "bind_metadata(metadata)": lambda e, bad: bind_metadata(bad, e[0]),
    "bind_metadata(bind)": lambda e, bad: bind_metadata(MetaData(), bad),
    "Retries(count)": lambda e, bad: Retries(bad),
    "Retries(first=)": lambda e, bad: Retries(first=bad),
    "Retries(longest=)": lambda e, bad: Retries(longest=bad),
    "Retries(on=)": lambda e, bad: Retries(on=bad),
    "Retries(codes=)": lambda e, bad: Retries(codes=bad),
    "retried(factory)": lambda e, bad: retried(bad),
    "retried()(function)": lambda e, bad: retried(sessionmaker(e[0]))(bad),
    "PreparedTransactions(engine)": lambda e, bad: PreparedTransactions(bad),
    "ShardedSession(shards=)": lambda e, bad: sharded(e, shards=bad),
    "ShardedSession(a shard)": lambda e, bad: sharded(e, shards={"a": bad}),
    "ShardedSession(shard_chooser=)": lambda e, bad: sharded(e, shard_chooser=bad) if not callable(bad) else None,
    "ShardedSession(identity_chooser=)": lambda e, bad: sharded(e, identity_chooser=bad) if not callable(bad) else None,
    "ShardedSession(execute_chooser=)": lambda e, bad: sharded(e, execute_chooser=bad) if not callable(bad) else None,
    "what a shard_chooser returns": lambda e, bad: sharded(e, shard_chooser=lambda *a, **kw: bad),
    "what an identity_chooser returns": lambda e, bad: sharded(e, identity_chooser=lambda *a, **kw: bad),
    "what an execute_chooser returns": lambda e, bad: sharded(e, execute_chooser=lambda context: bad),
    "what is in a list of shards": lambda e, bad: sharded(e, execute_chooser=lambda context: [bad]),
    "RoutingSession(primary=)": lambda e, bad: routed(e, primary=bad),
    "RoutingSession(replicas=)": lambda e, bad: routed(e, replicas=bad),
    "RoutingSession(a replica)": lambda e, bad: routed(e, replicas=[bad]),
    "RoutingSession(token=)": lambda e, bad: routed(e, token=bad),
    "RoutingSession(wait=)": lambda e, bad: routed(e, wait=bad),
    "RoutingSession(max_lag=)": lambda e, bad: routed(e, max_lag=bad),
    "RoutingSession(retry_after=)": lambda e, bad: routed(e, retry_after=bad),
    "RoutingSession(bind=)": lambda e, bad: routed(e, bind=bad),
}


@pytest.mark.parametrize("call", SESSION)
@pytest.mark.filterwarnings("ignore")
def test_a_session_takes_anything_or_refuses_it_by_an_error_of_ours(engines, call):
    for bad in BAD:
        with Session(engines[0]) as session:
            refused_or_taken(lambda s=session, bad=bad: SESSION[call](s, bad), bad)


@pytest.mark.parametrize("call", MAKING)
@pytest.mark.filterwarnings("ignore")
def test_what_makes_sessions_takes_anything_or_refuses_it_by_an_error_of_ours(engines, call):
    for bad in BAD:
        refused_or_taken(lambda bad=bad: MAKING[call](engines, bad), bad)


def refused_or_taken(call, bad):
    try:
        call()
    except SQLAlchemyError as error:
        assert len(str(error)) > 20
    except Exception as error:
        error.add_note(f"The bad input was {bad!r}.")
        raise


# What programs get wrong most often, and the remedy they are told


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda s: s.add_all(User()), r"add\(obj\) is for one"),
        (lambda s: s.bulk_insert_mappings(User, {"name": "ed"}), r"one row is \[\{'name': 'ed'\}\]"),
        (lambda s: s.execute(select(User), execution_options="SERIALIZABLE"), "execution_options= takes a dictionary"),
        (lambda s: s.begin(execution_options={"isolation_level": 3}), "isolation_level is a text"),
        (lambda s: s.get(User, 1, with_for_update="nowait"), r"True, or options such as \{'nowait': True\}"),
        (lambda s: s.get(User, 1, with_for_update={"no_wait": True}), "knows no 'no_wait'; it has 'nowait'"),
        (lambda s: s.run(None), r"run\(\) takes a function"),
        (lambda s: Session(binds=s.bind), r"binds= takes a dictionary, such as \{User: engine\}"),
        (lambda s: bind_metadata(Base, s.bind), "MetaData, such as Base.metadata"),
        (lambda s: Retries(codes=None), "codes= takes a list"),
        (lambda s: Retries(on="40001"), "on= takes exception classes"),
        (lambda s: RoutingSession(s.bind, s.bind), r"one replica is \[engine\]"),
        (lambda s: RoutingSession(primary=s.bind, bind=s.bind), "in place of bind="),
    ],
)
def test_the_error_says_what_to_give(engines, call, remedy):
    with Session(engines[0]) as session, pytest.raises(ArgumentError, match=remedy):
        call(session)


def test_a_chooser_that_returns_a_name_is_told_to_return_a_list(engines):
    with pytest.raises(SQLAlchemyError, match=r"execute_chooser has to return a list of shards, such as \['a', 'b'\]"):
        sharded(engines, execute_chooser=lambda context: "a")
    with pytest.raises(SQLAlchemyError, match="identity_chooser has to return a list"):
        sharded(engines, identity_chooser=lambda mapper, key, **kw: "a")


def test_one_name_needs_no_list(engines):
    with Session(engines[0]) as session:
        user = User(name="ed")
        session.add(user)
        session.flush()
        session.expire(user, "name")
        assert "name" not in vars(user)
        session.refresh(user, "name")
        assert user.name == "ed"


def test_an_option_for_a_shard_that_is_not_there(engines):
    with pytest.raises(SQLAlchemyError, match="no shard 'c'; there are 'a', 'b'"):
        ShardedSession(shards={"a": engines[0], "b": engines[1]}, shard_chooser=lambda *a, **kw: "a").scalars(
            select(User).options(set_shard_id("c"))
        )
