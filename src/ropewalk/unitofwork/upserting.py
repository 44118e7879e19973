"""INSERT of objects whose rows may be there already: ``ON CONFLICT`` or ``ON DUPLICATE KEY`` in a flush.

Rows of one shape go in one statement. The database gives back whole rows, since what the program did not
say of an object may have been there before; they are told apart by the columns that may meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, or_, select

from ..exc import FlushError, InvalidRequestError
from .batches import Batch
from .changes import ChangeSet
from .defaults import RowContext, fill_in
from .errors import explain
from .inserting import write_inserts
from .journal import Journal
from .plan import Row, TablePlan, Values
from .values import is_expression

if TYPE_CHECKING:
    from ..state.instance import InstanceState

CHUNK = 500
Shape = tuple["Upsert", tuple[str, ...], tuple[str, ...]]


class Upsert:
    """What is wanted where the row of a new object is there already.

    :ivar on: the attributes that tell whether it is.
    :ivar update: those that the row then gets from the object; None for all that the object has.
    """

    def __init__(self, on: tuple[str, ...], update: tuple[str, ...] | None) -> None:
        self.on = on
        self.update = update

    @property
    def _key(self) -> Any:
        return self.on, self.update

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Upsert) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def write_inserts_and_upserts(
    change_set: ChangeSet, connection: Connection, journal: Journal, upserts: Mapping[InstanceState, Upsert]
) -> None:
    """Insert the rows of a change set, some of which may be there already."""
    places = range(len(change_set.states))
    special = [i for i in places if change_set.states[i] in upserts]
    if len(special) < len(change_set.states):
        write_inserts(change_set.part(i for i in places if change_set.states[i] not in upserts), connection, journal)
    if special:
        _Writer(change_set.part(special), connection, journal).write(upserts)


class _Writer:
    """Writes the upserts of one change set."""

    def __init__(self, change_set: ChangeSet, connection: Connection, journal: Journal) -> None:
        self.plan: TablePlan = change_set.plan
        self.states = change_set.states
        self.objects = change_set.objects
        self.connection = connection
        self.journal = journal
        mapper = self.plan.mapper
        loaded = {k for k, p in mapper.column_props.items() if not p.deferred and not p.query_expression}
        loaded.update(mapper.pk_keys)
        #: what comes back of each row
        self.fetched = [(c, k) for c, k in self.plan.columns.items() if k in loaded]

    def write(self, upserts: Mapping[InstanceState, Upsert]) -> None:
        plan = self.plan
        said = [self._said(values) for values in self.objects]  # before defaults come in, which are for new rows only
        if plan.client_defaults:
            fill_in(plan, self.connection, self.objects, self.journal)
        groups: dict[Shape, list[int]] = {}
        for i, (state, values) in enumerate(zip(self.states, self.objects, strict=True)):
            groups.setdefault((upserts[state], said[i], self._said(values)), []).append(i)
        for (upsert, given, inserted), places in groups.items():
            statement = self._statement(upsert, given)
            plain = [i for i in places if not any(is_expression(self.objects[i][key]) for key in inserted)]
            for start in range(0, len(plain), CHUNK):
                self._send(statement, upsert, inserted, plain[start : start + CHUNK])
            for i in set(places).difference(plain):
                self._send_one(statement, upsert, inserted, i)

    def _said(self, values: Values) -> tuple[str, ...]:
        """Return the attributes that have a value, as an INSERT sees it."""
        optional = {key: keeps_none for _, key, keeps_none in (*self.plan.optional, *self.plan.client_defaults)}
        return tuple(
            key
            for key in self.plan.columns.values()
            if key in values and (values[key] is not None or optional.get(key, True))
        )

    # -- the statement ------------------------------------------------------------------------

    def _statement(self, upsert: Upsert, given: tuple[str, ...]) -> Any:
        plan, name = self.plan, self.connection.dialect.name
        untouched = {*upsert.on, *plan.pk_keys}
        changed = [key for key in (given if upsert.update is None else upsert.update) if key not in untouched]
        columns = [plan.column_of[key] for key in changed]
        on = [plan.column_of[key] for key in upsert.on]
        made = self._onupdates(set(changed)) if changed else {}
        if name in ("postgresql", "sqlite"):
            statement = _insert(name, plan.table)
            new = {c: statement.excluded[c.key] for c in columns or on[:1]}
            return statement.on_conflict_do_update(index_elements=on, set_={**new, **made})
        if name in ("mysql", "mariadb"):
            statement = _insert("mysql", plan.table)
            values = {str(c.key): statement.inserted[c.key] for c in columns} or {str(on[0].key): on[0]}
            values.update((str(c.key), value) for c, value in made.items())
            return statement.on_duplicate_key_update(values)
        raise InvalidRequestError(
            f"session.upsert() needs ON CONFLICT or ON DUPLICATE KEY, which {name} does not have. Use session.merge()."
        )

    def _onupdates(self, changed: set[str]) -> dict[Any, Any]:
        """Return what ``onupdate`` gives for columns that the program says nothing of."""
        found: dict[Any, Any] = {}
        for column, key in self.plan.columns.items():
            onupdate: Any = column.onupdate
            if onupdate is None or key in changed:
                continue
            context = RowContext(self.plan, self.connection, {}, False)
            found[column] = onupdate.arg(context) if onupdate.is_callable else onupdate.arg
        return found

    # -- sending ----------------------------------------------------------------------------------

    def _send(self, statement: Any, upsert: Upsert, inserted: tuple[str, ...], places: list[int]) -> None:
        """Send rows in one statement, and give each object its row."""
        if len(places) == 1:
            self._send_one(statement, upsert, inserted, places[0])
            return
        rows = [self._row(inserted, i) for i in places]
        dialect = self.connection.dialect
        self.journal.statements += 1
        try:
            if dialect.insert_executemany_returning and self.plan.table.implicit_returning:
                found = self.connection.execute(statement.returning(*(c for c, _ in self.fetched)), rows).all()
            else:
                self.connection.execute(statement, rows)
                found = self._select(upsert, places)
        except Exception as error:
            self._explain(error, inserted, places)
            raise
        by_key = {self._key_in(row, upsert): tuple(row) for row in found}
        keys = [tuple(self.objects[i][key] for key in upsert.on) for i in places]
        if len(by_key) == len(places) and set(keys) == by_key.keys():
            self._take(places, [by_key[key] for key in keys])
            return
        # The database gives the columns that met in another form than the program did (a text that folds case,
        # a rounded number), so the rows cannot be told apart. To write a row again changes nothing.
        for i in places:
            self._send_one(statement, upsert, inserted, i)

    def _send_one(self, statement: Any, upsert: Upsert, inserted: tuple[str, ...], place: int) -> None:
        dialect = self.connection.dialect
        row = self._row(inserted, place)
        statement = statement.values(row) if row else statement
        self.journal.statements += 1
        try:
            if dialect.insert_returning and self.plan.table.implicit_returning:
                found = self.connection.execute(statement.returning(*(c for c, _ in self.fetched))).all()
            else:
                self.connection.execute(statement)
                found = self._select(upsert, [place])
        except Exception as error:
            self._explain(error, inserted, [place])
            raise
        if len(found) != 1:
            raise FlushError(
                f"The upsert of {self.states[place].describe()} met {len(found)} rows where one was to come back: "
                f"are {', '.join(upsert.on)} unique in table {self.plan.table.name!r}?"
            )
        self._take([place], [tuple(found[0])])

    def _row(self, inserted: tuple[str, ...], place: int) -> dict[str, Any]:
        values = self.objects[place]
        return {str(self.plan.column_of[key].key): values[key] for key in inserted}

    def _select(self, upsert: Upsert, places: Iterable[int]) -> list[Any]:
        """Read rows that the database does not give back with the statement."""
        columns = [self.plan.column_of[key] for key in upsert.on]
        criteria = [and_(*(c == self.objects[i][k] for c, k in zip(columns, upsert.on, strict=True))) for i in places]
        self.journal.statements += 1
        return list(self.connection.execute(select(*(c for c, _ in self.fetched)).where(or_(*criteria))))

    def _key_in(self, row: Sequence[Any], upsert: Upsert) -> Row:
        places = [next(i for i, (_, k) in enumerate(self.fetched) if k == key) for key in upsert.on]
        return tuple(row[i] for i in places)

    def _take(self, places: list[int], rows: list[Row]) -> None:
        """Give objects the values of their rows: keys at once, others at the end."""
        objects = [self.objects[i] for i in places]
        for place, (column, key) in enumerate(self.fetched):
            values = [row[place] for row in rows]
            if column in self.plan.pk_columns:
                self.journal.fill(key, objects, values, replaces=True)
            else:
                self.journal.fetched(key, objects, values)

    def _explain(self, error: Exception, inserted: tuple[str, ...], places: list[int]) -> None:
        """Name the object, where there is only one that can be meant."""
        if len(places) != 1:
            return
        shape = self.plan.insert_shape(tuple(key in inserted for _, key, _ in self.plan.optional))
        objects = [self.objects[i] for i in places]
        batch = Batch("insert", shape, shape.columns, [self.states[i] for i in places], objects, shape.read(objects))
        explain(error, None, batch, self.connection)


def _insert(name: str, table: Any) -> Any:
    """Return the dialect's own INSERT; to import the dialects of all databases takes 55 ms, so each is when needed."""
    return import_module(f"sqlalchemy.dialects.{name}").insert(table)
