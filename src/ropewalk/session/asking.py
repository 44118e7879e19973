"""What a Session offers for asking: execute, query, get, refresh."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sqlalchemy import Result, ScalarResult, text

from ..exc import ArgumentError, PendingRollbackError
from . import orm_execute, reading, refreshing
from .arguments import as_several, check_options

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import TypedReturnsRows
    from sqlalchemy.util.typing import TupleAny, TypeVarTuple, Unpack

    from ..mapping.mapper import Mapper
    from ..state.identity import IdentityMap
    from ..state.instance import InstanceState
    from .guard import Guard
    from .query import Query

    Ts = TypeVarTuple("Ts")

T = TypeVar("T")


class Asking:
    """The asking half of a Session; the writing half is in ``writing.py``."""

    if TYPE_CHECKING:
        identity_map: IdentityMap
        _guard: Guard
        _query_cls: type[Query[Any]] | None
        execution_options: Mapping[str, Any]

    @overload
    def execute(
        self,
        statement: TypedReturnsRows[Unpack[Ts]],
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        mapper: Any = None,
    ) -> Result[Unpack[Ts]]: ...

    @overload
    def execute(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        mapper: Any = None,
    ) -> Result[Unpack[TupleAny]]: ...

    def execute(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        mapper: Any = None,
        _add_event: Any = None,
    ) -> Result[Any]:
        """Execute a statement and return its result.

        :param statement: a Core or entity statement, or SQL text with ``:name`` parameters.
        :param params: a dictionary of values, or a list of them for ``executemany``.
        :param mapper: the class whose engine serves it, where the statement does not say.
        """
        if isinstance(statement, str):
            statement = text(statement)
        if execution_options is not None or bind_arguments is not None:
            check_options(execution_options, bind_arguments, of_statement=True)
        if mapper is not None:
            bind_arguments = {**(bind_arguments or {}), "mapper": mapper}
        if _add_event is not None:  # one more listener to do_orm_execute, for this statement
            with self._guard("execute()"):
                return reading.execute_told(self, statement, params, execution_options, bind_arguments, _add_event)  # type: ignore[arg-type]
        return reading.execute(self, statement, params, execution_options, bind_arguments)  # type: ignore[arg-type]

    @overload
    def scalars(
        self, statement: TypedReturnsRows[T, Unpack[TupleAny]], params: Any = None, **kw: Any
    ) -> ScalarResult[T]: ...

    @overload
    def scalars(self, statement: Any, params: Any = None, **kw: Any) -> ScalarResult[Any]: ...

    def scalars(self, statement: Any, params: Any = None, **kw: Any) -> ScalarResult[Any]:
        """Execute a statement and return the first member of each row."""
        return self.execute(statement, params, **kw).scalars()

    @overload
    def scalar(self, statement: TypedReturnsRows[T, Unpack[TupleAny]], params: Any = None, **kw: Any) -> T | None: ...

    @overload
    def scalar(self, statement: Any, params: Any = None, **kw: Any) -> Any: ...

    def scalar(self, statement: Any, params: Any = None, **kw: Any) -> Any:
        """Execute a statement and return the first member of the first row, or None."""
        return self.execute(statement, params, **kw).scalar()

    @overload
    def query(self, entity: type[T], /) -> Query[T]: ...

    @overload
    def query(self, *entities: Any, **kw: Any) -> Query[Any]: ...

    def query(self, *entities: Any, **kw: Any) -> Query[Any]:
        """Return a Query of classes, attributes or SQL expressions."""
        cls: Any = self._query_cls
        if cls is None:
            from .query import Query as cls
        return cls(entities, self, **kw)  # type: ignore[no-any-return]

    def get(
        self,
        entity: type[T] | Mapper[T],
        ident: Any,
        *,
        options: Sequence[Any] | None = None,
        populate_existing: bool | None = None,
        with_for_update: Any = None,
        identity_token: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> T | None:
        """Return the object with that primary key, or None.

        An object that the session already holds is returned without any SQL.

        :param ident: the value, a tuple for a composite key, or a dictionary by attribute name.
        :raises InvalidRequestError: the key has another number of values.
        """
        asks_more = populate_existing or with_for_update or options or identity_token
        if not (asks_more or execution_options or self.execution_options):
            # The shortest road: a mapped class, a bare key, an object that is there.
            try:
                entries = self.identity_map.maps.get(entity.__mapper__.base_mapper.class_)  # type: ignore
                state = None if entries is None else entries.get(ident)
            except (AttributeError, TypeError):  # no mapped class, or a key that must be looked into
                state = None
            if state is not None and not state.expired and not self._guard.holder:
                found = state()
                if type(found) is entity:
                    return found
        if execution_options is not None or bind_arguments is not None:
            check_options(execution_options, bind_arguments, of_statement=True)
        if identity_token is not None and not isinstance(identity_token, Hashable):
            raise ArgumentError(f"identity_token= is the name of a shard; got {identity_token!r:.100}.")
        return reading.get(  # type: ignore[no-any-return]
            self,  # type: ignore[arg-type]
            entity,
            ident,
            tuple(as_several(options, "options=", "one option is options=[option]")) if options else (),
            populate_existing,
            with_for_update,
            identity_token,
            execution_options,
            bind_arguments,
        )

    def get_one(self, entity: type[T] | Mapper[T], ident: Any, **kw: Any) -> T:
        """Return the object with that primary key; NoResultFound where there is none."""
        found: T = reading.must_find(self.get(entity, ident, **kw), entity, ident)
        return found

    def refresh(
        self, instance: object, attribute_names: Iterable[str] | None = None, with_for_update: Any = None
    ) -> None:
        """Read an object anew, dropping what was changed in it and is not flushed.

        Relationships that its mapping, or the options of its query, load eagerly are loaded again; others when they
        are touched.

        :param attribute_names: read these alone, columns and relationships of any kind.
        :param with_for_update: lock the row: True, or options such as ``{"nowait": True}``.
        :raises InvalidRequestError: it is not persistent here, an attribute is unknown, or its row is gone.
        """
        with self._guard("refresh()"):
            refreshing.refresh(self, instance, attribute_names, with_for_update)  # type: ignore[arg-type]

    def _ask_listeners(
        self,
        statement: Any,
        parameters: Any,
        run: Any,
        kind: str,
        mapper: Any,
        asked_by: InstanceState | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Execute what is loaded on behalf of objects as the listeners to ``do_orm_execute`` want it."""
        about = orm_execute.About(kind, mapper, asked_by)
        return orm_execute.ask_listeners(self, statement, parameters, options, None, run, about)  # type: ignore[arg-type]

    def load_attribute(self, state: InstanceState, instance: Any, key: str) -> Any:
        """Load an attribute that an object lacks; called by the attribute itself."""
        with self._guard("loading of an attribute"):
            try:
                return reading.load_attribute(self, state, instance, key)  # type: ignore[arg-type]
            except PendingRollbackError as err:
                err.add_note(f"(raised while {state.mapper.class_.__name__}.{key} of {state.describe()} was loaded)")
                raise


def held(session: Asking, entity: Any, ident: Any) -> Any:
    """Return what ``session.get()`` finds on its shortest road, for who would rather not call it; None for all else.

    ``get()`` has these lines in itself, where a call more would be felt.
    """
    if type(session).get is not Asking.get or session.execution_options:
        return None
    try:
        state = session.identity_map.maps[entity.__mapper__.base_mapper.class_].get(ident)
    except (AttributeError, KeyError, TypeError):
        return None
    if state is None or state.expired or session._guard.holder:
        return None
    found = state()
    return found if type(found) is entity else None
