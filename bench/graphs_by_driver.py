"""The works of graphs.py as a careful programmer would do them by hand: what no ORM over the driver can beat."""

import timeit
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, insert

from .harness import Run, expect

CUSTOMERS, ORDERS, LINES = 1_000, 5, 4
ROWS_EACH = 1 + ORDERS + ORDERS * LINES
"""Rows that one customer stands for."""

SQLITE_BATCH = 500

_metadata = MetaData()
_customer = Table(
    "customer", _metadata, Column("id", Integer, primary_key=True), Column("name", String, nullable=False)
)
_order = Table(
    "customer_order",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("customer_id", ForeignKey("customer.id"), nullable=False, index=True),
)
_line = Table(
    "order_line",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("amount", Integer, nullable=False),
    Column("order_id", ForeignKey("customer_order.id"), nullable=False, index=True),
)


def fill(connection: Any, customers: int, tables: Iterable[Table] = (_customer, _order, _line)) -> None:
    """Fill the three tables through Core, with the keys 1, 2, 3 …"""
    customer, order, line = tables
    orders = [(1 + i, c) for i, c in enumerate(c for c in range(1, customers + 1) for _ in range(ORDERS))]
    lines = [(1 + i, o) for i, o in enumerate(o for o, _ in orders for _ in range(LINES))]
    fill_customers(connection, customers, customer)
    connection.execute(insert(order), [{"id": o, "number": o, "customer_id": c} for o, c in orders])
    connection.execute(insert(line), [{"id": n, "amount": n % 7, "order_id": o} for n, o in lines])


def fill_customers(connection: Any, customers: int, table: Table = _customer) -> None:
    connection.execute(insert(table), [{"id": c, "name": f"c{c}"} for c in range(1, customers + 1)])


@contextmanager
def _tables(run: Run, filled: Callable[[Any, int], None] | None = None) -> Iterator[Any]:
    """Make the tables for the block, and give it a connection of the bare driver."""
    engine = run.database.engine()
    try:
        _metadata.drop_all(engine)
        _metadata.create_all(engine)
        if filled:
            with engine.begin() as connection:
                filled(connection, run.count)
        with run.database.connection() as connection:
            yield connection
        _metadata.drop_all(engine)
    finally:
        engine.dispose()


def _insert(run: Run, connection: Any, table: Table, rows: list[tuple[Any, ...]]) -> list[int]:
    """Insert in batches and return the new keys."""
    columns = [column for column in table.c if not column.primary_key]
    names = ", ".join(column.name for column in columns)
    if run.database.name == "postgresql":
        arrays = ", ".join(
            "%b::varchar[]" if isinstance(column.type, String) else "%b::integer[]" for column in columns
        )
        statement = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) RETURNING id"
        cursor = connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        return [key for (key,) in cursor.fetchall()]
    keys: list[int] = []
    row = "(" + ", ".join("?" * len(columns)) + ")"
    source = iter(rows)
    while batch := list(islice(source, SQLITE_BATCH)):
        values = ", ".join([row] * len(batch))
        statement = f"INSERT INTO {table.name} ({names}) VALUES {values} RETURNING id"
        keys.extend(key for (key,) in connection.execute(statement, tuple(chain.from_iterable(batch))))
    return keys


def build(run: Run) -> None:
    with _tables(run) as connection:
        with run.timed():
            customers = _insert(run, connection, _customer, [(f"c{c}",) for c in range(run.count)])
            orders = [(number, customer) for customer in customers for number in range(ORDERS)]
            keys = _insert(run, connection, _order, orders)
            _insert(run, connection, _line, [(amount, order) for order in keys for amount in range(LINES)])
            connection.commit()
        count = connection.execute("SELECT count(*) FROM order_line").fetchone()[0]
        expect(count, run.count * ORDERS * LINES, "lines")
        connection.commit()
    assert run.figure is not None
    run.record(run.figure / ROWS_EACH)


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    """Rows by their last value."""
    groups: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        groups[row[-1]].append(row)
    return groups


def walk(run: Run) -> None:
    """Three SELECTs, put together by their keys."""
    with _tables(run, fill) as connection:
        with run.timed():
            customers = connection.execute("SELECT id, name FROM customer").fetchall()
            orders = _grouped(connection.execute("SELECT id, number, customer_id FROM customer_order").fetchall())
            lines = _grouped(connection.execute("SELECT id, amount, order_id FROM order_line").fetchall())
            count = sum(len(lines[order[0]]) for customer in customers for order in orders[customer[0]])
        expect(count, run.count * ORDERS * LINES, "items")
        connection.commit()


def walk_joined(run: Run) -> None:
    """One SELECT, taken apart by its keys."""
    with _tables(run, fill) as connection:
        with run.timed():
            rows = connection.execute(
                "SELECT c.id, c.name, o.id, o.number, l.id, l.amount FROM customer c"
                " LEFT JOIN customer_order o ON o.customer_id = c.id LEFT JOIN order_line l ON l.order_id = o.id"
            ).fetchall()
            customers: dict[int, dict[int, list[Any]]] = {}
            for customer, _, order, _, line, amount in rows:
                customers.setdefault(customer, {}).setdefault(order, []).append((line, amount))
            count = sum(len(lines) for orders in customers.values() for lines in orders.values())
        expect(count, run.count * ORDERS * LINES, "items")
        connection.commit()


class _Plain:
    """An object that no ORM knows."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def append_remove(run: Run) -> None:
    """A list and a reference back, kept in step by hand."""
    customer = _Plain(orders=[_Plain(number=n, customer=None) for n in range(run.count)])
    new = [_Plain(number=n, customer=None) for n in range(run.count)]
    with run.timed():
        for order in new:
            customer.orders.append(order)
            order.customer = customer
        for order in reversed(new):
            customer.orders.remove(order)
            order.customer = None
    expect(len(customer.orders), run.count, "orders in the end")


def read_loaded(run: Run) -> None:
    timer = timeit.Timer("\n".join(["c.orders"] * 10), "import gc; gc.enable()", globals={"c": _Plain(orders=[])})
    run.record(timer.timeit(10_000) / 100_000 * 1e9)


def refresh(run: Run) -> None:
    """Read all rows again and give their values to the objects that there are."""
    with _tables(run, fill_customers) as connection:
        customers = {key: _Plain(id=key, name=None) for key in range(1, run.count + 1)}
        with run.timed():
            for key, name in connection.execute("SELECT id, name FROM customer").fetchall():
                customers[key].name = name
            names = {customer.name for customer in customers.values()}
        expect(len(names), run.count, "names")
        connection.commit()
