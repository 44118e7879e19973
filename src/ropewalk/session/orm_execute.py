"""``do_orm_execute``: who wants to see each statement of a session before it goes to the database.

A listener is given an :class:`ORMExecuteState`. It may look, change statement, parameters and options, or
execute the statement itself, any number of times, and return the result that the caller will get::

    @event.listens_for(Session, "do_orm_execute")
    def only_mine(state):
        if state.is_select and not state.is_column_load:
            state.statement = state.statement.options(with_loader_criteria(Note, Note.owner == me()))

Nothing here runs while nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql.base import Executable
from sqlalchemy.util import immutabledict

from ..exc import InvalidRequestError
from ..kernel.core import raw_columns, statement_entity
from ..kernel.options import options_of
from ..loading.filtering import entities_named
from ..loading.from_statement import FromStatement

if TYPE_CHECKING:
    from sqlalchemy import Result

    from ..mapping.mapper import Mapper
    from ..state.instance import InstanceState
    from .session import Session

Run = Callable[[Any, Any, Mapping[str, Any], Mapping[str, Any]], "Result[Any]"]
"""Executes: statement, parameters, execution options, bind arguments."""


class LoadOptions:
    """What the execution options say of loading, as far as they are ours."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.populate_existing = bool(options.get("populate_existing", False))
        self.autoflush = bool(options.get("autoflush", True))
        self.yield_per = options.get("yield_per")
        self.peers = options.get("peers") is not False


class ORMExecuteState:
    """A statement of a session on its way to the database, as a listener to ``do_orm_execute`` is given it.

    :ivar session: the session.
    :ivar statement: what is to be executed; may be replaced.
    :ivar parameters: a dictionary, or a list of them; may be changed or replaced.
    :ivar execution_options: those of the statement and of the call, as they were at the start.
    :ivar local_execution_options: those of the call, and what listeners have added.
    :ivar bind_arguments: what the session finds the engine by.
    :ivar is_relationship_load: it loads a relationship, on demand or along with other objects.
    :ivar is_column_load: it loads columns of objects that are there: expired or deferred ones.
    """

    def __init__(
        self,
        session: Session,
        statement: Any,
        parameters: Any,
        options: Mapping[str, Any],
        bind_arguments: Mapping[str, Any],
        listeners: Sequence[Callable[..., Any]],
        run: Run,
        about: About,
    ) -> None:
        self.session = session
        self.statement = statement
        self.parameters = parameters
        self.local_execution_options: Mapping[str, Any] = immutabledict(options)
        own = {**session.execution_options, **_options_in(statement), **options}
        self.execution_options: Mapping[str, Any] = immutabledict(own)
        self.bind_arguments = dict(bind_arguments)
        if "mapper" not in self.bind_arguments and (mapper := about.mapper or _mapper_in(statement)) is not None:
            self.bind_arguments["mapper"] = mapper
        self.is_relationship_load = about.kind == "relationship"
        self.is_column_load = about.kind == "column"
        self._about = about
        self._listeners = listeners
        self._place = 0
        self._run = run

    def __call__(self) -> Result[Any]:
        """Ask one listener after the other, and execute if none has."""
        for place, listener in enumerate(self._listeners):
            self._place = place
            result: Result[Any] | None = listener(self)
            if result:
                return result
        self._place = len(self._listeners)
        return self._run(self.statement, self.parameters, self.local_execution_options, self.bind_arguments)

    def invoke_statement(
        self,
        statement: Any = None,
        params: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Result[Any]:
        """Execute, now, and return the result; the listeners after this one are asked first.

        :param statement: in place of the statement.
        :param params: over the parameters that there are; for a list of them, a list of the same length.
        :param execution_options: beside those that there are; likewise ``bind_arguments``.
        """
        state = ORMExecuteState(
            self.session,
            self.statement if statement is None else statement,
            self._with(params),
            {**self.local_execution_options, **(execution_options or {})},
            {**self.bind_arguments, **(bind_arguments or {})},
            self._listeners[self._place + 1 :],
            self._run,
            self._about,
        )
        return state()

    def _with(self, params: Any) -> Any:
        if not params:
            return self.parameters
        if not self.is_executemany:
            return {**(self.parameters or {}), **params}
        if len(params) != len(self.parameters):
            raise InvalidRequestError(
                f"invoke_statement() was given {len(params)} sets of parameters where the statement has "
                f"{len(self.parameters)}: each goes over the one in its place, so there must be as many."
            )
        return [{**own, **new} for own, new in zip(self.parameters, params, strict=True)]

    def update_execution_options(self, **opts: Any) -> None:
        """Add execution options to those of the call."""
        self.local_execution_options = immutabledict({**self.local_execution_options, **opts})

    # -- what it is -------------------------------------------------------------------------

    @property
    def is_executemany(self) -> bool:
        """Whether there is a list of parameter dictionaries."""
        return isinstance(self.parameters, list)

    @property
    def is_orm_statement(self) -> bool:
        """Whether it deals with mapped classes."""
        return bool(self._about.kind) or self.is_from_statement or statement_entity(self.statement) is not None

    @property
    def is_from_statement(self) -> bool:
        """Whether it takes objects from the rows of a statement written by hand."""
        return isinstance(self.statement, FromStatement)

    @property
    def is_select(self) -> bool:
        return self._is("is_select")

    @property
    def lazy_loaded_from(self) -> InstanceState | None:
        """The state of the object whose relationship is loaded on demand, or None.

        :raises InvalidRequestError: the statement loads nothing.
        """
        if not self.is_select:
            raise InvalidRequestError(
                "lazy_loaded_from is for SELECT statements; look at is_select, is_insert, is_update or is_delete first."
            )
        return self._about.lazy_loaded_from

    @property
    def is_insert(self) -> bool:
        return self._is("is_insert")

    @property
    def is_update(self) -> bool:
        return self._is("is_update")

    @property
    def is_delete(self) -> bool:
        return self._is("is_delete")

    def _is(self, name: str) -> bool:
        statement = self.statement.element if self.is_from_statement else self.statement
        return bool(getattr(statement, name, False))

    @property
    def bind_mapper(self) -> Mapper[Any] | None:
        """The mapper that decides on the engine, or None."""
        found = self.bind_arguments.get("mapper")
        return getattr(found, "__mapper__", found)

    @property
    def all_mappers(self) -> list[Mapper[Any]]:
        """The mappers of all classes in what is selected, or changed, each once."""
        if self._about.kind and self._about.mapper is not None:
            return [self._about.mapper]
        statement = self.statement
        if self.is_from_statement:
            entities = [entity.mapper for entity in statement.entities]
        elif self.is_select and hasattr(statement, "_raw_columns"):
            found = [next(entities_named(column), None) for column in raw_columns(statement)]
            entities = [entity.mapper for entity in found if entity is not None]
        else:
            subject = statement_entity(statement)
            entities = [] if subject is None else [subject.mapper]
        return list(dict.fromkeys(entities))

    @property
    def user_defined_options(self) -> Sequence[Any]:
        """The options of the program's own making (:class:`UserDefinedOption`) that the statement has."""
        statement = self.statement
        found = statement.with_options if self.is_from_statement else options_of(statement)
        return [option for option in found if getattr(option, "_is_user_defined", False)]

    @property
    def load_options(self) -> LoadOptions:
        """What the execution options say of loading."""
        return LoadOptions({**self.execution_options, **self.local_execution_options})

    update_delete_options = load_options

    def __repr__(self) -> str:
        return f"<ORMExecuteState of {self.statement!r:.200}>"


class About:
    """What a statement is executed for.

    :ivar kind: ``"relationship"`` or ``"column"`` for what is loaded on behalf of objects, else ``""``.
    """

    __slots__ = ("kind", "lazy_loaded_from", "mapper")

    def __init__(
        self, kind: str = "", mapper: Mapper[Any] | None = None, lazy_loaded_from: InstanceState | None = None
    ) -> None:
        self.kind = kind
        self.mapper = mapper
        self.lazy_loaded_from = lazy_loaded_from


_PROGRAM = About()


def ask_listeners(
    session: Session,
    statement: Any,
    parameters: Any,
    options: Mapping[str, Any] | None,
    bind_arguments: Mapping[str, Any] | None,
    run: Run,
    about: About = _PROGRAM,
    added: Callable[..., Any] | None = None,
) -> Result[Any]:
    """Execute a statement as the listeners want it.

    :param run: what executes it if no listener does.
    :param added: one more listener, for this statement alone.
    """
    listeners = list(session.dispatch.do_orm_execute)
    if added is not None:
        listeners.append(added)
    if parameters is None:
        parameters = {}
    return ORMExecuteState(session, statement, parameters, options or {}, bind_arguments or {}, listeners, run, about)()


def _options_in(statement: Any) -> Mapping[str, Any]:
    if isinstance(statement, (Executable, FromStatement)):
        return statement.get_execution_options()
    return {}


def _mapper_in(statement: Any) -> Mapper[Any] | None:
    if isinstance(statement, FromStatement):
        entities = statement.entities
        return entities[0].mapper if entities else None
    entity = statement_entity(statement)
    return None if entity is None else entity.mapper
