"""Horizontal partitioning: the rows of a table lie on several databases, and one session works with all of them.

::

    Session = sessionmaker(
        class_=ShardedSession,
        shards={"north": create_engine(...), "south": create_engine(...)},
        shard_chooser=lambda mapper, instance, clause=None: instance.region,
        identity_chooser=lambda mapper, primary_key, **kw: ["north", "south"],
        execute_chooser=lambda context: ["north", "south"],
    )

A new object goes where ``shard_chooser`` says, and stays there: the shard is part of its identity. A query asks
the shards that ``execute_chooser`` names, all at once, and gives one result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import SADeprecationWarning
from sqlalchemy.sql.dml import UpdateBase

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.options import StatementOption, options_of
from ..loading import ondemand
from ..loading.peers import ENABLED
from ..session import bulk, moves, reading, spreading
from ..session.arguments import as_function, as_mapping, as_several, check_options
from ..session.binds import check_bind
from ..session.orm_execute import ask_listeners
from ..session.query import Query
from ..session.session import Session
from ..session.shard_crossing import refuse_crossing
from ..session.shard_face import Face
from ..state.instance import InstanceState
from ..state.sharded import ShardedIdentityMap

__all__ = ["ShardExecuteState", "ShardedQuery", "ShardedSession", "set_shard_id"]

T = TypeVar("T")
_OPTION = "_shard_id"  # the execution option that Query.set_shard() sets
_MARK = "propagated_shard"  # what an object remembers of set_shard_id()


class set_shard_id(StatementOption):
    """An option for ``statement.options()``: ask this shard and no other.

    :param propagate_to_loaders: where lazy loads ask the ``execute_chooser``, those of the objects loaded don't.
    """

    def __init__(self, shard_id: Any, propagate_to_loaders: bool = True) -> None:
        self.shard_id = shard_id
        self.propagate_to_loaders = propagate_to_loaders


class ShardedQuery(Query[T]):
    """A Query over several shards."""

    def set_shard(self, shard_id: Any) -> ShardedQuery[T]:
        """Ask this shard and no other."""
        return self.execution_options(**{_OPTION: shard_id})

    def all(self) -> list[T]:
        """Execute and return everything as a list."""
        return list(self._execute())

    def _run(self, session: Any, statement: Any) -> Any:
        return session.execute(statement, dict(self._params) or None, execution_options=self._execution)

    def get(self, ident: Any) -> Any:
        """Return the object with that primary key, on the shard that was set or on any."""
        shard_id = self._execution.get(_OPTION)
        if shard_id is None or self._mapper is None:
            return super().get(ident)
        return self._open_session().get(self._mapper.class_, ident, identity_token=shard_id)


class ShardExecuteState:
    """What an ``execute_chooser`` is told of a statement.

    :ivar lazy_loaded_from: the state for which a relationship is being loaded, or None.
    """

    def __init__(
        self,
        session: Any,
        statement: Any,
        parameters: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        lazy_loaded_from: InstanceState | None = None,
    ) -> None:
        self.session = session
        self.statement = statement
        self.parameters = parameters
        self.execution_options = dict(execution_options or {})
        self.bind_arguments = dict(bind_arguments or {})
        self.lazy_loaded_from = lazy_loaded_from

    @property
    def is_select(self) -> bool:
        return bool(getattr(self.statement, "is_select", False))

    @property
    def is_insert(self) -> bool:
        return bool(getattr(self.statement, "is_insert", False))

    @property
    def is_update(self) -> bool:
        return bool(getattr(self.statement, "is_update", False))

    @property
    def is_delete(self) -> bool:
        return bool(getattr(self.statement, "is_delete", False))

    @property
    def bind_mapper(self) -> Any:
        """The mapper of the first class that the statement deals with, or None."""
        return spreading.mapper_in(self.statement)

    @property
    def user_defined_options(self) -> tuple[Any, ...]:
        return options_of(self.statement)


class ShardedSession(Session):
    """A session over several databases that hold the same tables and different rows.

    :param shard_chooser: ``(mapper, instance, clause=None)`` → the shard for a new object.
    :param identity_chooser: ``(mapper, primary_key, *, lazy_loaded_from, execution_options, bind_arguments)`` → the
        shards that may have an object with that key, in the order in which to ask them.
    :param execute_chooser: ``(context)`` → the shards that a statement is for; the context is a
        :class:`ShardExecuteState`.
    :param shards: an engine for each shard.
    :param lazy_loads_stay: relationships are looked for on the shard of their object; with ``False`` the
        ``execute_chooser`` is asked, whose context has ``lazy_loaded_from``.
    """

    def __init__(
        self,
        shard_chooser: Callable[..., Any],
        identity_chooser: Callable[..., Iterable[Any]] | None = None,
        execute_chooser: Callable[[Any], Iterable[Any]] | None = None,
        shards: Mapping[Any, Any] | None = None,
        query_cls: type[Query[Any]] = ShardedQuery,
        *,
        id_chooser: Callable[..., Iterable[Any]] | None = None,
        query_chooser: Callable[[Any], Iterable[Any]] | None = None,
        lazy_loads_stay: bool = ENABLED,
        **kw: Any,
    ) -> None:
        super().__init__(query_cls=query_cls, **kw)
        self.identity_map: ShardedIdentityMap = ShardedIdentityMap(self, not kw.get("weak_identity_map", True))
        self.shard_chooser = shard_chooser
        self.identity_chooser = identity_chooser or self._by_query(id_chooser)
        self.execute_chooser = execute_chooser or self._by_statement(query_chooser)
        self.lazy_loads_stay = lazy_loads_stay
        self._shards: dict[Any, Any] = {}
        for chooser, name in (
            (shard_chooser, "shard_chooser"),
            (self.identity_chooser, "identity_chooser"),
            (self.execute_chooser, "execute_chooser"),
        ):
            as_function(chooser, f"ShardedSession({name}=...)", f"def {name}(...)")
        for shard_id, bind in as_mapping({} if shards is None else shards, "shards=", '{"north": engine}').items():
            self.bind_shard(shard_id, bind)

    def _by_query(self, chooser: Any) -> Callable[..., Iterable[Any]]:
        """Return an ``identity_chooser`` that asks one in the manner of SQLAlchemy 1.3."""
        if chooser is None:
            return lambda *args, **kw: list(self._shards)
        _deprecated("id_chooser", "identity_chooser")
        return lambda mapper, primary_key, **kw: chooser(self.query(mapper.class_), primary_key)

    def _by_statement(self, chooser: Any) -> Callable[[Any], Iterable[Any]]:
        """Return an ``execute_chooser`` that asks one in the manner of SQLAlchemy 1.3."""
        if chooser is None:
            return lambda context: list(self._shards)
        _deprecated("query_chooser", "execute_chooser")
        return lambda context: chooser(context.statement)

    # -- shards ------------------------------------------------------------------------------

    def bind_shard(self, shard_id: Any, bind: Any) -> None:
        """Name the engine of a shard; it may be a new one."""
        if shard_id is None:
            raise InvalidRequestError("None cannot be the name of a shard: it stands for no shard at all.")
        if not isinstance(shard_id, Hashable):
            raise ArgumentError(f"A shard's name is a text, a number or another key of a dictionary; got {shard_id!r}.")
        self._shards[shard_id] = check_bind(bind, f"shards[{shard_id!r}]")

    def get_bind(
        self,
        mapper: Any = None,
        *,
        shard_id: Any = None,
        instance: Any = None,
        clause: Any = None,
        bind: Any = None,
        **kw: Any,
    ) -> Any:
        """Return the engine of a shard: of ``shard_id``, or of the one that is chosen for an instance.

        :raises InvalidRequestError: there is no such shard.
        """
        if bind is not None:
            return bind
        if shard_id is None:
            if instance is not None:
                shard_id = self.shard_of(moves.state_in(instance), instance)
            else:
                shard_id = self.shard_chooser(mapper, None, clause=clause)
                if shard_id is None:
                    raise InvalidRequestError(
                        "Which shard is meant? There is no object here by which the shard_chooser could tell, and it "
                        "returned None. Name the shard with bind_arguments={'shard_id': ...}, as execute() takes it, "
                        "or write objects."
                    )
        return self._bind_of(shard_id)

    def _bind_of(self, shard_id: Any) -> Any:
        try:
            return self._shards[shard_id]
        except (KeyError, TypeError):
            raise InvalidRequestError(
                f"There is no shard {shard_id!r}; there are {', '.join(map(repr, self._shards)) or 'none'}. "
                f"session.bind_shard() adds one."
            ) from None

    def _named_by(self, chooser: str, found: Any) -> list[Any]:
        """Return the shards that a chooser has named, each once.

        :raises InvalidRequestError: it named none, or gave no list.
        """
        if isinstance(found, (str, bytes)) or not isinstance(found, Iterable):
            raise InvalidRequestError(
                f"The {chooser} has to return a list of shards, such as {list(self._shards)!r:.100}; it returned "
                f"{found!r:.100}."
            )
        named: list[Any] = []
        for shard_id in found:
            if shard_id not in named:
                named.append(shard_id)
        if not named and chooser == "execute_chooser":
            raise InvalidRequestError("The execute_chooser named no shard for a statement: it has to name one.")
        return named

    def connection_callable(self, mapper: Any = None, instance: Any = None, shard_id: Any = None, **kw: Any) -> Any:
        """Return the connection to a shard, or to that of an object."""
        return self.connection(bind_arguments={"mapper": mapper, "instance": instance, "shard_id": shard_id})

    def shard_of(self, state: InstanceState, instance: Any) -> Any:
        """Return the shard that an object belongs to; it is chosen now for an object without a row."""
        if state.pk is not None and (token := state.identity_token) is not None:
            return token
        try:
            shard_id = self.shard_chooser(state.mapper, instance)
            self._bind_of(shard_id)
        except Exception as error:
            error.add_note(f"(raised when a shard was chosen for {state.describe()})")
            raise
        state.set_extra("token", shard_id)
        return shard_id

    def _face(self, shard_id: Any, elsewhere: Any = None, told: bool = False) -> Face:
        self._bind_of(shard_id)
        face = Face(self, shard_id, elsewhere)
        if told and self._heard is not None:
            face._heard = self._heard - {"do_orm_execute"}
        return face

    # -- asking ------------------------------------------------------------------------------

    def execute(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        mapper: Any = None,
        _add_event: Any = None,
    ) -> Any:
        """Execute a statement on the shards that it is for, and return one result.

        :param bind_arguments: ``{"shard_id": ...}`` names the shard.
        """
        if isinstance(statement, str):
            statement = text(statement)
        check_options(execution_options, bind_arguments, of_statement=True)
        if mapper is not None:
            bind_arguments = {**(bind_arguments or {}), "mapper": mapper}
        with self._guard("execute()"):
            if self._heard is not None and "do_orm_execute" in self._heard or _add_event is not None:
                given = execution_options, bind_arguments
                return ask_listeners(self, statement, params, *given, self._spread, added=_add_event)
            return self._spread(statement, params, execution_options, bind_arguments)

    def _spread(self, statement: Any, params: Any, execution_options: Any, bind_arguments: Any) -> Any:
        """Execute a statement on the shards that it is for."""
        options = dict(execution_options or {})
        given = options.pop(_OPTION, None)
        option = next((o for o in reversed(options_of(statement)) if isinstance(o, set_shard_id)), None)
        if given is None:
            given = option.shard_id if option is not None else (bind_arguments or {}).get("shard_id")
        if given is None:
            context = ShardExecuteState(self, statement, params, options, bind_arguments)
            chosen = self._named_by("execute_chooser", self.execute_chooser(context))
        else:
            chosen = [given]
        elsewhere = None if self.lazy_loads_stay or option is not None else self._elsewhere
        faces = [self._face(shard_id, elsewhere, told=True) for shard_id in chosen]
        marks = {_MARK: option.shard_id} if option is not None and option.propagate_to_loaders else None
        if len(faces) > 1 and isinstance(statement, UpdateBase) and statement.is_insert:
            raise InvalidRequestError(
                "An INSERT can go to one shard only. Name it with bind_arguments={'shard_id': ...}, or add objects "
                "to the session, for which the shard_chooser decides."
            )
        return spreading.execute(self, faces, statement, params or None, options, bind_arguments, marks)

    # -- writing -----------------------------------------------------------------------------

    def flush(self, objects: Iterable[Any] | None = None) -> None:
        """Write what is new, changed and deleted, each object on its shard; see :meth:`Session.flush`.

        :raises InvalidRequestError: an object refers to one on another shard, where its own looks for it.
        """
        if self.lazy_loads_stay and not self._flushing:
            with self._guard("flush()"):
                refuse_crossing(self, [*self._new.items(), *self.identity_map.modified.items()])
        super().flush(objects)

    def bulk_save_objects(
        self,
        objects: Iterable[object],
        return_defaults: bool = False,
        update_changed_only: bool = True,
        preserve_order: bool = True,
    ) -> None:
        """Insert or update the rows of objects, each on its shard; see :meth:`Session.bulk_save_objects`."""
        by_shard: dict[Any, list[Any]] = {}
        for instance in as_several(objects, "bulk_save_objects()", "one object is [obj]"):
            by_shard.setdefault(self.shard_of(moves.state_in(instance), instance), []).append(instance)
        for shard_id, together in by_shard.items():
            face: Any = self._face(shard_id)
            bulk.save_objects(face, together, return_defaults, update_changed_only)

    def _elsewhere(self, statement: Any, state: InstanceState | None) -> list[Face]:
        """Return the shards on which a relationship is looked for, where that is for the program to say."""
        if state is not None and state.extra is not None and _MARK in state.extra:
            return [self._face(state.extra[_MARK])]
        context = ShardExecuteState(self, statement, lazy_loaded_from=state)
        return [self._face(shard_id) for shard_id in self._named_by("execute_chooser", self.execute_chooser(context))]

    def get(
        self,
        entity: Any,
        ident: Any,
        *,
        options: Sequence[Any] | None = None,
        populate_existing: bool | None = None,
        with_for_update: Any = None,
        identity_token: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the object with that primary key, or None; see :meth:`Session.get`.

        :param identity_token: the shard, if it is known; else the ``identity_chooser`` is asked.
        """
        check_options(execution_options, bind_arguments, of_statement=True)
        mapper = reading.mapper_of(entity)
        pk = ondemand.identity_of(mapper, ident)
        option = next((o for o in options or () if isinstance(o, set_shard_id)), None)
        named = identity_token
        if named is None:
            named = option.shard_id if option is not None else (bind_arguments or {}).get("shard_id")
        with self._guard("get()"):
            if named is None:
                key = (pk,) if mapper.single_pk is not None else pk
                chosen = self.identity_chooser(
                    mapper,
                    key,
                    lazy_loaded_from=None,
                    execution_options=dict(execution_options or {}),
                    bind_arguments=dict(bind_arguments or {}),
                )
                shard_ids = self._named_by("identity_chooser", self._shards if chosen is None else chosen)
            else:
                shard_ids = [named]
            for shard_id in shard_ids:
                self._bind_of(shard_id)
            known = [s for s in shard_ids if self.identity_map.find(mapper, pk, s) is not None]
            for shard_id in [*known, *(s for s in shard_ids if s not in known)]:
                face = self._face(shard_id)
                try:
                    found = reading.get(
                        face,  # type: ignore[arg-type]
                        entity,
                        ident,
                        tuple(options or ()),
                        populate_existing,
                        with_for_update,
                        shard_id,
                        execution_options,
                        bind_arguments,
                    )
                finally:
                    self.identity_map.adopt()
                if found is not None:
                    return found
        return None

    def refresh(
        self, instance: object, attribute_names: Iterable[str] | None = None, with_for_update: Any = None
    ) -> None:
        """Read an object's attributes anew from its shard."""
        with self._guard("refresh()"):
            state = moves.state_in(instance)
            if state.owner is not self.identity_map or state.identity_token is None:
                super().refresh(instance, attribute_names, with_for_update)  # which says what is wrong
                return
            self._autoflush()  # while the object is known as the session's
            face = self._face(state.identity_token)
            state.owner = face.identity_map
            try:
                spreading.refresh(face, instance, attribute_names, with_for_update)
            finally:
                state.owner = self.identity_map
                self.identity_map.adopt()

    def load_attribute(self, state: InstanceState, instance: Any, key: str) -> Any:
        """Load an attribute that an object lacks; called by the attribute itself."""
        with self._guard("loading of an attribute"):
            stays = self.lazy_loads_stay or key not in state.mapper.relationship_props
            face = self._face(self.shard_of(state, instance), None if stays else self._elsewhere)
            face.lazy_state = state
            try:
                return reading.load_attribute(face, state, instance, key)  # type: ignore[arg-type]
            finally:
                self.identity_map.adopt()


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"The ``{name}`` parameter is deprecated: give {instead}.", SADeprecationWarning, stacklevel=4)
