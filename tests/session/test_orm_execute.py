"""``do_orm_execute``: listeners that see, change, or answer each statement of a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, delete, event, func, insert, text, update
from sqlalchemy.pool import StaticPool

from ropewalk import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Query,
    Session,
    UserDefinedOption,
    immediateload,
    inspect,
    joinedload,
    mapped_column,
    relationship,
    select,
    selectinload,
    subqueryload,
    undefer,
)
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str | None] = mapped_column(deferred=True)
    kids: Mapped[list[Kid]] = relationship(back_populates="user", order_by="Kid.id")


class Kid(Base):
    __tablename__ = "kid"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User] = relationship(back_populates="kids")


@pytest.fixture
def session() -> Iterator[Session]:
    engine: Engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(id=1, name="ed", note="x", kids=[Kid(id=1), Kid(id=2)]), User(id=2, name="jo")])
        session.commit()
        session.expunge_all()
        yield session
    engine.dispose()


def flags(state: ORMExecuteState) -> str:
    names = ("select", "insert", "update", "delete", "from_statement", "orm_statement", "relationship_load")
    found = [name for name in (*names, "column_load", "executemany") if getattr(state, f"is_{name}")]
    return " ".join([*found, *(f"<{mapper.class_.__name__}>" for mapper in state.all_mappers)])


@pytest.fixture
def seen(session: Session) -> list[str]:
    seen: list[str] = []
    event.listen(session, "do_orm_execute", lambda state: seen.append(flags(state)))
    return seen


@pytest.mark.parametrize(
    ("statement", "parameters", "expected"),
    [
        (select(User), None, "select orm_statement <User>"),
        (select(User, Kid).join(User.kids), None, "select orm_statement <User> <Kid>"),
        (select(User.id), None, "select orm_statement <User>"),
        (select(User.__table__), None, "select"),
        (text("select 1"), None, ""),
        (insert(User), {"id": 9, "name": "x"}, "insert orm_statement <User>"),
        (insert(User), [{"id": 9, "name": "x"}], "insert orm_statement executemany <User>"),
        (update(User).values(name="x"), None, "update orm_statement <User>"),
        (delete(Kid), None, "delete orm_statement <Kid>"),
    ],
)
def test_what_a_statement_is(session: Session, seen: list[str], statement: Any, parameters: Any, expected: str) -> None:
    session.execute(statement, parameters)
    assert seen == [expected]


def test_all_ways_to_ask_are_seen(session: Session, seen: list[str]) -> None:
    of_user = "select orm_statement <User>"
    assert session.scalars(select(User).where(User.id == 1)).one().name == "ed"
    assert session.query(User).filter_by(name="jo").one().id == 2
    assert session.query(User).count() == 2
    session.expunge_all()
    user = session.get(User, 1)
    assert session.get(User, 1) is user  # from the identity map
    assert seen == [of_user, of_user, "select orm_statement", of_user]


def test_what_is_loaded_on_behalf_of_objects(session: Session, seen: list[str]) -> None:
    about: list[Any] = []
    event.listen(session, "do_orm_execute", lambda s: about.append((s.bind_mapper.class_, s.lazy_loaded_from)))
    user = session.scalars(select(User).where(User.id == 1)).one()
    assert [kid.id for kid in user.kids] == [1, 2]
    assert user.note == "x"
    session.expire(user)
    assert user.name == "ed"
    column = "select orm_statement column_load <User>"
    assert seen == ["select orm_statement <User>", "select orm_statement relationship_load <Kid>", column, column]
    assert about == [(User, None), (Kid, inspect(user)), (User, None), (User, None)]


def test_peers_and_options_are_told_of_once(session: Session, seen: list[str]) -> None:
    users = session.scalars(select(User).options(selectinload(User.kids))).all()
    assert [len(user.kids) for user in users] == [2, 0]
    session.commit()
    assert [user.name for user in users] == ["ed", "jo"]
    of_kids = "select orm_statement relationship_load <Kid>"
    assert seen == ["select orm_statement <User>", of_kids, "select orm_statement column_load <User>", of_kids]


def test_a_listener_changes_the_statement(session: Session) -> None:
    @event.listens_for(session, "do_orm_execute")
    def only_ed(state: ORMExecuteState) -> None:
        if User.__mapper__ in state.all_mappers and not state.is_column_load:
            state.statement = state.statement.where(User.name == "ed").options(undefer(User.note))

    assert [user.name for user in session.scalars(select(User))] == ["ed"]
    assert [user.name for user in session.query(User)] == ["ed"]
    assert session.get(User, 2) is None
    assert "note" in session.query(User).one().__dict__


def test_a_listener_changes_what_a_relationship_loads(session: Session) -> None:
    @event.listens_for(session, "do_orm_execute")
    def last(state: ORMExecuteState) -> None:
        if state.is_relationship_load:
            state.statement = state.statement.where(Kid.id > 1)

    assert [kid.id for kid in session.get_one(User, 1).kids] == [2]


def test_a_listener_changes_parameters_and_options(session: Session) -> None:
    given: list[Any] = []

    @event.listens_for(session, "do_orm_execute")
    def change(state: ORMExecuteState) -> None:
        given.append((dict(state.execution_options), dict(state.local_execution_options)))
        state.parameters["id"] = 2
        state.update_execution_options(populate_existing=True)
        given.append(state.load_options.populate_existing)

    user = session.get_one(User, 2)
    given.clear()
    user.name = "changed"
    statement = select(User).where(text("id = :id")).execution_options(a=1)
    with session.no_autoflush:
        assert session.scalars(statement, {"id": 1}, execution_options={"b": 2}).one() is user
    assert user.name == "jo"
    assert given == [({"a": 1, "b": 2}, {"b": 2}), True]


def test_a_listener_answers(session: Session) -> None:
    cache: dict[str, Any] = {}
    executed: list[Any] = []

    @event.listens_for(session, "do_orm_execute", retval=True)
    def cached(state: ORMExecuteState) -> Any:
        key = state.execution_options.get("cache")
        if key is None:
            return None
        if key not in cache:
            cache[key] = state.invoke_statement().freeze()
        return cache[key]()

    event.listen(session, "do_orm_execute", lambda state: executed.append(state))
    statement = select(User.name).order_by(User.id).execution_options(cache="names")
    for _ in range(3):
        assert session.scalars(statement).all() == ["ed", "jo"]
    assert len(executed) == 1
    session.scalars(select(User.name)).all()
    assert len(executed) == 2


def test_invoke_statement_asks_the_listeners_that_follow(session: Session) -> None:
    told: list[str] = []

    @event.listens_for(session, "do_orm_execute")
    def first(state: ORMExecuteState) -> Any:
        told.append("first")
        return state.invoke_statement(
            state.statement.order_by(User.id.desc()), execution_options={"x": 1}, params={"least": 1}
        )

    @event.listens_for(session, "do_orm_execute")
    def second(state: ORMExecuteState) -> None:
        told.append(f"second {dict(state.execution_options)} {state.parameters}")

    rows = session.execute(select(User.id).where(text("id >= :least")), {"least": 2}).scalars().all()
    assert rows == [2, 1]
    assert told == ["first", "second {'x': 1} {'least': 1}"]


def test_invoke_statement_with_many_parameters(session: Session) -> None:
    @event.listens_for(session, "do_orm_execute")
    def rename(state: ORMExecuteState) -> Any:
        return state.invoke_statement(params=[{"name": "a"}, {"name": "b"}])

    session.execute(insert(User), [{"id": 8, "name": "x"}, {"id": 9, "name": "y"}])
    with pytest.raises(InvalidRequestError, match="given 2 sets of parameters where the statement has 1"):
        session.execute(insert(User), [{"id": 10, "name": "x"}])
    event.remove(session, "do_orm_execute", rename)
    assert session.execute(select(User.id, User.name).where(User.id > 7)).all() == [(8, "a"), (9, "b")]


def test_lazy_loaded_from_is_for_selects(session: Session) -> None:
    event.listen(session, "do_orm_execute", lambda state: state.lazy_loaded_from)
    with pytest.raises(InvalidRequestError, match="is for SELECT statements"):
        session.execute(delete(Kid))


class Carried(UserDefinedOption):
    propagate_to_loaders = True


class Local(UserDefinedOption):
    pass


def test_options_of_the_programs_own(session: Session) -> None:
    seen: list[tuple[bool, list[Any]]] = []
    event.listen(
        session,
        "do_orm_execute",
        lambda state: seen.append((state.is_relationship_load, [o.payload for o in state.user_defined_options])),
    )
    for name in ("north", "south"):  # the second statement is not to find the plan of the first
        session.expunge_all()
        seen.clear()
        user = session.scalars(select(User).options(Carried(name), Local("here")).where(User.id == 1)).one()
        assert len(user.kids) == 2
        assert seen == [(False, [name, "here"]), (True, [name])]


def test_options_stay_when_the_columns_are_replaced(session: Session) -> None:
    seen: list[Any] = []
    event.listen(session, "do_orm_execute", lambda s: seen.append([o.payload for o in s.user_defined_options]))
    session.execute(select(User).options(Local("here")).with_only_columns(User.id).options(Local("there"))).all()
    session.query(User).options(Local("query")).with_entities(User.id).all()
    assert seen == [["here", "there"], ["query"]]


def test_columns_and_functions_show_their_mappers(session: Session, seen: list[str]) -> None:
    session.scalar(select(func.count(User.id)))
    session.scalar(select(func.max(Kid.id), User.name).join(Kid.user))
    session.scalars(select(select(User.id).subquery())).all()
    assert seen == ["select orm_statement <User>", "select orm_statement <Kid> <User>", "select orm_statement"]


@pytest.fixture
def options(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """The options of the program's own that each statement has, as the listeners see it and as Core executes it."""
    found: list[tuple[str, dict[str, Any]]] = []

    def own(options: Any) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name.startswith("own_")}

    def told(state: ORMExecuteState) -> None:
        found.append(("relationship" if state.is_relationship_load else "column", own(state.execution_options)))
        state.update_execution_options(own_added=1)

    def sent(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        found.append(("sent", own(context.execution_options)))

    event.listen(session, "do_orm_execute", told)
    event.listen(session.get_bind(), "before_cursor_execute", sent)
    return found


@pytest.mark.parametrize("way", [selectinload, immediateload, subqueryload])
@pytest.mark.parametrize("streamed", [False, True])
def test_options_go_on_to_what_is_loaded_along(
    session: Session, options: list[tuple[str, dict[str, Any]]], way: Any, streamed: bool
) -> None:
    statement = select(User).options(way(User.kids)).where(User.id == 1).execution_options(own_a=1, own_b=1)
    given = {"own_b": 2, **({"yield_per": 10} if streamed else {})}
    user = session.scalars(statement, execution_options=given).one()
    first, all_of_them = {"own_a": 1, "own_b": 2}, {"own_a": 1, "own_b": 2, "own_added": 1}
    assert options == [
        ("column", first),
        ("sent", all_of_them),
        ("relationship", all_of_them),
        ("sent", all_of_them),
    ]
    options.clear()
    session.expire(user, ["kids"])
    assert len(user.kids) == 2  # on demand, so without them
    assert options == [("relationship", {}), ("sent", {"own_added": 1})]


def test_options_of_an_update_go_on_to_what_is_loaded_with_its_objects(
    session: Session, options: list[tuple[str, dict[str, Any]]]
) -> None:
    statement = update(User).where(User.id == 1).values(name="new").returning(User).options(selectinload(User.kids))
    user = session.scalars(statement, execution_options={"own_a": 1}).one()
    assert len(user.kids) == 2
    with_added = {"own_a": 1, "own_added": 1}
    assert options == [
        ("column", {"own_a": 1}),
        ("sent", with_added),
        ("relationship", with_added),
        ("sent", with_added),
    ]


def test_a_refresh_is_seen_with_what_it_loads(session: Session, seen: list[str]) -> None:
    column, relationship = "select orm_statement column_load <User>", "select orm_statement relationship_load <Kid>"
    user = session.get_one(User, 1)
    seen.clear()
    session.refresh(user)
    session.refresh(user, ["name"])
    assert seen == [column, column]
    seen.clear()
    session.refresh(user, ["kids"])
    assert seen == [column, relationship]


@pytest.mark.parametrize("way", [joinedload, selectinload])
def test_a_refresh_with_relationships_is_seen(session: Session, seen: list[str], way: Any) -> None:
    users = session.scalars(select(User).options(way(User.kids)).order_by(User.id)).unique().all()
    along = [] if way is joinedload else ["select orm_statement relationship_load <Kid>"]
    seen.clear()
    session.expire_all()
    assert [user.name for user in users] == ["ed", "jo"]
    assert seen == ["select orm_statement column_load <User>", *along]
    assert [len(user.kids) for user in users] == [2, 0]
    assert len(seen) == 1 + len(along)
    seen.clear()
    session.refresh(users[0])
    assert seen == ["select orm_statement column_load <User>", *along]


def test_a_listener_may_change_the_statement_of_a_refresh(session: Session) -> None:
    user = session.scalars(select(User).options(selectinload(User.kids)).where(User.id == 1)).one()

    @event.listens_for(session, "do_orm_execute")
    def only_the_second(state: ORMExecuteState) -> None:
        if state.is_relationship_load:
            state.statement = state.statement.where(Kid.id == 2)
        else:
            state.statement = state.statement.with_hint(User, "", "*")  # another statement with the same meaning

    session.refresh(user)
    assert [kid.id for kid in user.kids] == [2] and user.name == "ed"


def test_an_error_in_a_listener_reaches_the_program(session: Session) -> None:
    @event.listens_for(session, "do_orm_execute")
    def fail(state: ORMExecuteState) -> None:
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        session.query(User).all()
    event.remove(session, "do_orm_execute", fail)
    assert session.query(User).count() == 2


# -- queries --------------------------------------------------------------------------------


@pytest.fixture
def visible() -> Iterator[list[str]]:
    told: list[str] = []

    def only_ed(query: Any) -> Any:
        told.append("select")
        return query.filter(User.name == "ed") if query.column_descriptions[0]["entity"] is User else None

    event.listen(Query, "before_compile", only_ed, retval=True)
    yield told
    event.remove(Query, "before_compile", only_ed)


def test_before_compile(session: Session, visible: list[str]) -> None:
    assert [user.name for user in session.query(User)] == ["ed"]
    assert session.query(User).filter_by(id=2).one_or_none() is None
    assert session.query(User).count() == 1
    assert "name" in str(session.query(User).statement.whereclause)
    inner = session.query(User.id).subquery()
    assert session.query(inner).all() == [(1,)]
    assert len(session.query(Kid).all()) == 2
    assert visible


def test_before_compile_needs_retval(session: Session) -> None:
    def ignored(query: Any) -> Any:
        return query.filter(User.id == 77)

    event.listen(Query, "before_compile", ignored)
    assert session.query(User).count() == 2
    event.remove(Query, "before_compile", ignored)


def test_updates_and_deletes_of_queries(session: Session) -> None:
    told: list[Any] = []

    def not_ed(query: Any, context: Any) -> Any:
        if context.values is not None:
            context.values["note"] = "stamped"
        return query.filter(User.name != "ed")

    event.listen(Query, "before_compile_update", not_ed, retval=True)
    event.listen(Query, "before_compile_delete", not_ed, retval=True)
    event.listen(session, "after_bulk_update", lambda context: told.append((context.verb, context.result.rowcount)))
    event.listen(session, "after_bulk_delete", lambda context: told.append((context.verb, context.rowcount)))
    try:
        assert session.query(User).update({"name": "new"}) == 1
        assert session.query(User).delete() == 1
    finally:
        event.remove(Query, "before_compile_update", not_ed)
        event.remove(Query, "before_compile_delete", not_ed)
    assert told == [("update", 1), ("delete", 1)]
    assert session.query(User.name).all() == [("ed",)]
