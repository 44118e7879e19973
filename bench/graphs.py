"""Object graphs: customers with five orders each, of four items each, in and out through relationships."""

import timeit
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, func, select

from . import graphs_by_driver as by_driver
from .graphs_by_driver import CUSTOMERS, LINES, ORDERS, ROWS_EACH
from .harness import Bar, Run, Work, expect


def _tables(run: Run) -> Any:
    """Make the tables anew for this run and return the mapped classes."""
    assert run.orm is not None and run.engine is not None
    graph = run.orm.graph
    graph.metadata.drop_all(run.engine)
    graph.metadata.create_all(run.engine)
    return graph


def _filled(run: Run) -> Any:
    """Make the tables and fill them without any ORM."""
    graph = _tables(run)
    assert run.engine is not None
    with run.engine.begin() as connection:
        by_driver.fill(connection, run.count, [c.__table__ for c in (graph.Customer, graph.Order, graph.Line)])
    return graph


def _drop(run: Run) -> None:
    assert run.orm is not None and run.engine is not None
    run.orm.graph.metadata.drop_all(run.engine)


def _rows(engine: Engine, graph: Any) -> int:
    with engine.connect() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(c.__table__))
            for c in (graph.Customer, graph.Order, graph.Line)
        ]
    return sum(count or 0 for count in counts)


def build(run: Run) -> None:
    graph = _tables(run)
    with run.session() as session:
        with run.timed():
            session.add_all(
                graph.Customer(
                    name=f"c{c}",
                    orders=[
                        graph.Order(number=o, items=[graph.Line(amount=n) for n in range(LINES)]) for o in range(ORDERS)
                    ],
                )
                for c in range(run.count)
            )
            session.commit()
        assert run.engine is not None
        expect(_rows(run.engine, graph), run.count * ROWS_EACH, "rows")
    assert run.figure is not None
    run.record(run.figure / ROWS_EACH)
    _drop(run)


def _walk(customers: Any) -> int:
    return sum(len(order.items) for customer in customers for order in customer.orders)


def _walker(options: Callable[[Any, Any], list[Any]]) -> Callable[[Run], None]:
    """Return the work that loads all customers with some options and touches every order and item."""

    def work(run: Run) -> None:
        assert run.orm is not None
        graph = _filled(run)
        with run.session() as session:
            with run.timed():
                statement = run.select(graph.Customer).options(*options(run.orm.module, graph))
                lines = _walk(session.scalars(statement).unique().all())
            expect(lines, run.count * ORDERS * LINES, "items")
        _drop(run)

    return work


lazy = _walker(lambda orm, graph: [])
selectin = _walker(lambda orm, graph: [orm.selectinload(graph.Customer.orders).selectinload(graph.Order.items)])
joined = _walker(lambda orm, graph: [orm.joinedload(graph.Customer.orders).joinedload(graph.Order.items)])


def append_remove(run: Run) -> None:
    graph = _tables(run)
    with run.session() as session:
        customer = graph.Customer(name="c", orders=[graph.Order(number=n) for n in range(run.count)])
        session.add(customer)
        session.commit()
        expect(len(customer.orders), run.count, "orders")
        new = [graph.Order(number=n) for n in range(run.count)]
        with run.timed():
            for order in new:
                customer.orders.append(order)
            for order in reversed(new):
                customer.orders.remove(order)
        expect(len(customer.orders), run.count, "orders in the end")
        expect(new[0].customer, None, "the other side")
    _drop(run)


def read_loaded(run: Run) -> None:
    graph = _filled(run)
    with run.session() as session:
        customer = session.scalars(run.select(graph.Customer)).first()
        expect(len(customer.orders), ORDERS, "orders")
        timer = timeit.Timer("\n".join(["c.orders"] * 10), "import gc; gc.enable()", globals={"c": customer})
        run.record(timer.timeit(10_000) / 100_000 * 1e9)
    _drop(run)


def refresh(run: Run) -> None:
    """Read one attribute of each object after a commit has expired it."""
    graph = _tables(run)
    assert run.engine is not None
    with run.engine.begin() as connection:
        by_driver.fill_customers(connection, run.count, graph.Customer.__table__)
    with run.session() as session:
        customers = session.scalars(run.select(graph.Customer)).all()
        session.commit()
        with run.timed():
            names = {customer.name for customer in customers}
        expect(len(names), run.count, "names")
    _drop(run)


def works() -> list[Work]:
    def work(name: str, title: str, does: Any, driver: Any, count: int, bar: float, unit: str = "µs") -> Work:
        bars = {"sqlite": Bar(bar), "postgresql": Bar(bar)}
        return Work(name, title, does, driver, count=count, bars=bars, unit=unit, rounds=1 if does is refresh else 3)

    d = by_driver
    return [
        work("graph-insert", "build and save 26,000 rows as a graph, per row", build, d.build, CUSTOMERS, 4),
        work("graph-lazy", "walk 1,000 customers × 5 × 4, no options, per customer", lazy, d.walk, CUSTOMERS, 15),
        work("graph-selectin", "the same with selectinload", selectin, d.walk, CUSTOMERS, 4),
        work("graph-joined", "the same with joinedload", joined, d.walk_joined, CUSTOMERS, 4),
        work("collection", "append and remove on 1,000, both sides", append_remove, d.append_remove, 1_000, 2),
        work("read-related", "read a loaded relationship", read_loaded, d.read_loaded, 50, 4, "ns"),
        work("refresh", "refresh 10,000 after a commit by reading", refresh, d.refresh, 10_000, 20),
    ]
