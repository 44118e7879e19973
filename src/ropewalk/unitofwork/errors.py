"""What a flush says when it cannot do its work: which object, which value, what to do.

An error of the database leaves as Core's exception (IntegrityError …) and is never replaced
by one of ours. It gets a note that names the object, where that can be found out; how is in
blame.py.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, select, tuple_
from sqlalchemy.exc import DBAPIError, StatementError

from ..exc import FlushError, SAWarning, StaleDataError
from ..kernel.core import bind_processor
from .blame import blamed_rows, odd_value
from .plan import Row, TablePlan, Values
from .versions import cannot_verify

if TYPE_CHECKING:
    from ..state.instance import InstanceState
    from .batches import Batch

SHOWN = 3


def explain(error: BaseException, statement: Any, batch: Batch, connection: Connection, rows: Any = None) -> None:
    """Add to an error of the database which object it is about.

    :param rows: the parameters as the driver got them.
    """
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        found = _refused(batch, connection) or odd_value(error, batch)
    else:
        found = odd_value(error, batch)
    if found is not None:
        error.add_note(_about_value(batch, *found))
        return
    places = blamed_rows(error, statement, batch, connection, rows)
    if not places:
        error.add_note(f"It came from {_several(batch)}; the database does not say which of them it is about.")
    elif len(places) == 1:
        error.add_note(f"It came from the {batch.verb} of {_one(batch, places[0])}.")
    else:
        named = "; ".join(_one(batch, i) for i in places[:SHOWN])
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        error.add_note(f"It came from the {batch.verb} of one of these: {named}{more}.")


def refused_value(error: Exception, statement: Any, batch: Batch, connection: Connection) -> StatementError:
    """Return the error for a value that its column type does not take, as Core would put it."""
    place, column = _refused(batch, connection) or (0, batch.columns[0])
    cls = type(error)
    refused = StatementError(
        f"({cls.__module__}.{cls.__qualname__}) {error}", statement.single, batch.rows[place], error
    )
    refused.add_note(_about_value(batch, place, column))
    return refused


def _refused(batch: Batch, connection: Connection) -> tuple[int, Column[Any]] | None:
    """Return row and column of the first value that its column type cannot convert."""
    processors = [bind_processor(column.type, connection.dialect) for column in batch.columns]
    for i, row in enumerate(batch.rows):
        for column, process, value in zip(batch.columns, processors, row, strict=True):
            try:
                if process is not None:
                    process(value)
            except Exception:
                return i, column
    return None


def no_key(plan: TablePlan, state: InstanceState, key: str, asked: bool = False) -> FlushError:
    """Return the error for an object that would have no primary key.

    :param asked: the database was asked for one and gave none.
    """
    column = plan.column_of[key]
    if asked:
        return FlushError(
            f"{plan.table.name}.{column.name} was left to the database, which made no key for {state.describe()}. "
            f"Give the object a key, or create the table so that this column counts up (on SQLite its type must "
            f"then be INTEGER)."
        )
    return FlushError(
        f"{state.describe()} cannot be inserted: its primary key attribute {key!r} is None, and nothing makes a value "
        f"for {plan.table.name}.{column.name}. Set it before the flush, or give the column a default, such as "
        f"default=uuid.uuid4, a Sequence or Identity(), or autoincrement=True for an integer."
    )


def refuse_null_keys(verb: str, plan: TablePlan, states: list[InstanceState], keys: list[Row]) -> None:
    """Raise for an object whose key is NULL in part: no comparison would find its row."""
    if not plan.partial_keys:
        return
    for state, key in zip(states, keys, strict=True):
        if None in key:
            column = plan.pk_columns[key.index(None)]
            raise FlushError(
                f"{verb} of {state.describe()} cannot find its row: NULL stands in its primary key, in "
                f"{plan.table.name}.{column.name}, and equals nothing. Change the row with a statement of your own."
            )


def check_matched(verb: str, batch: Batch, matched: int, connection: Connection) -> None:
    """Compare how many rows an UPDATE or DELETE found with how many objects it was for.

    A missing row is an error for an UPDATE. For a DELETE it is a warning: what was wanted is so.
    """
    expected = len(batch.rows)
    dialect = connection.dialect
    version = batch.plan.version
    if not dialect.supports_sane_rowcount and version is not None:
        cannot_verify(verb, connection)
    if matched == expected or matched < 0 or not dialect.supports_sane_rowcount:
        return
    if expected > 1 and not dialect.supports_sane_multi_rowcount:
        return
    plan = batch.plan
    counts = (
        f"{verb} on table {plan.table.name!r} was for {expected} {plan.mapper.class_.__name__} "
        f"object{'s' if expected > 1 else ''}, but {matched} row{'s were' if matched != 1 else ' was'} matched"
    )
    if verb == "UPDATE" or version is not None:
        missing = _missing(batch, connection, matched) if matched < expected else []
        who = f": {', '.join(missing[:SHOWN])}{', …' if len(missing) > SHOWN else ''}" if missing else ""
        raise StaleDataError(
            f"{counts}{who}. Another transaction has {'changed or ' if version is not None else ''}deleted rows or "
            f"changed their keys, or a trigger or rule keeps them from being seen: roll back, and load the objects "
            f"anew.",
            plan.mapper,
            expected,
            matched,
        )
    warnings.warn(
        f"{counts}. The rows may have been deleted by another transaction or by ON DELETE CASCADE; if that is as it "
        f"should be, map the class with confirm_deleted_rows=False.",
        SAWarning,
        stacklevel=2,
    )


def _missing(batch: Batch, connection: Connection, matched: int) -> list[str]:
    """Say which objects have no row any more, or one of another version; nothing if that cannot be found out."""
    plan = batch.plan
    if len(batch.states) == 1 and plan.version is None:
        return [f"no row for {batch.states[0].describe()}"]
    pk, width = plan.pk_columns, len(plan.match_columns)
    keys = [row[len(row) - width :][: len(pk)] for row in batch.rows]
    missing, gone = [], []
    try:
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            among = pk[0].in_([key for (key,) in part]) if len(pk) == 1 else tuple_(*pk).in_(part)
            rows = connection.execute(select(*plan.match_columns).where(among))
            found = {tuple(row[: len(pk)]): row[-1] for row in rows}
            for place, key in enumerate(part, start):
                name = batch.states[place].describe()
                if key in found:
                    if _is_other_version(batch, place, found[key], matched):
                        missing.append(f"{name} has version {found[key]!r} now, and had {batch.rows[place][-1]!r}")
                else:
                    gone.append(name)
    except (DBAPIError, TypeError):
        return []
    lost = len(keys) - matched - len(missing)
    if batch.verb != "delete" or lost == len(gone):
        return missing + [f"no row for {name}" for name in gone]
    # the others were deleted by us, just now, and nobody knows which
    return [*missing, f"no row for {lost} of {', '.join(gone[:SHOWN])}{', …' if len(gone) > SHOWN else ''}"]


def _is_other_version(batch: Batch, place: int, found: Any, matched: int) -> bool:
    """Whether a row has a version that is neither the old one nor the one that our UPDATE gave it."""
    version = batch.plan.version
    if version is None or version.by_server:
        return False
    row = batch.rows[place]
    if not matched:
        return bool(found != row[-1])
    given = row[batch.columns.index(version.column)]  # the new one stands before what finds the row
    return bool(found not in (row[-1], given))


def explain_association(error: BaseException, verb: str, table: Any, pairs: list[Any]) -> None:
    """Add to an error of the database which pairs of objects the rows of an association table stand for."""
    named = [
        f"{one._sa_instance_state.describe()} and {other._sa_instance_state.describe()}" for _, one, other in pairs
    ]
    more = f" and {len(named) - SHOWN} more pairs" if len(named) > SHOWN else ""
    error.add_note(
        f"It came from the {verb} of rows of {table.name!r} for {pairs[0][0].prop}, which relate "
        f"{'; '.join(named[:SHOWN])}{more}."
    )


# -- words -----------------------------------------------------------------------------


def _about_value(batch: Batch, place: int, column: Any) -> str:
    value = batch.rows[place][batch.columns.index(column)]
    attribute = f"{batch.plan.mapper.class_.__name__}.{batch.plan.columns[column]}"
    return (
        f"It is about {attribute} of {batch.states[place].describe()}: column type {column.type!r} was given "
        f"{_shortened(value)}, of type {type(value).__qualname__}."
    )


def _one(batch: Batch, place: int) -> str:
    """Name an object by its key, if it has one, and the values that were to be written."""
    state: Any = batch.states[place]
    written: Values = dict(zip(batch.shape.keys, batch.rows[place], strict=False))
    if batch.verb == "delete":
        return str(state.describe())
    values = ", ".join(f"{key}={_shortened(value)}" for key, value in written.items())
    return f"{state.describe()} with {values}" if values else str(state.describe())


def _several(batch: Batch) -> str:
    name = batch.plan.mapper.class_.__name__
    if len(batch.states) == 1:
        return f"the {batch.verb} of {_one(batch, 0)}"
    return (
        f"the {batch.verb} of {len(batch.states)} {name} objects, "
        f"from {_one(batch, 0)} to {_one(batch, len(batch.states) - 1)}"
    )


def _shortened(value: Any) -> str:
    try:
        shown = repr(value)
    except Exception:
        shown = f"<{type(value).__qualname__}>"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
