"""Rows to objects: one generated function per plan and dialect.

For a SELECT of one entity the source reads like this::

    def load(rows, owner, peers):
        m0 = owner.map_for(mapper0)
        for (v0_id, v1_name) in rows:
            s0 = m0.get(v0_id)
            if s0 is None or (e0 := s0()) is None:
                e0 = new0(class0)
                d = e0.__dict__
                d["id"] = v0_id
                ...

An object costs a lookup, an instance, its dictionary and its state: nothing else is
allocated for it, since what the garbage collector has to walk is what costs most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from ..kernel.codegen import compile_function, identifier
from ..kernel.core import result_processor
from ..kernel.listening import anybody
from ..state.instance import PERSISTENT, InstanceState, _object_gone
from ..state.mutable import is_atom, watch
from .entities import EntityColumns
from .links import link, node_lines
from .meeting import meet_again
from .overwriting import overwriting_lines
from .peers import Peers
from .results import itself
from .telling import refill, refreshed, tell_loaded

Loader = Callable[[Sequence[Any], Any, list[InstanceState]], list[Any]]


def compile_loader(
    slots: Sequence[Any],
    types: Sequence[Any],
    dialect: Dialect,
    description: Any,
    single: bool,
    populate: bool,
    links: Sequence[Any] = (),
    groups: Sequence[Any] = (),
) -> Loader:
    """Generate the loader of a plan.

    :param slots: for each member of the SELECT list an :class:`EntityColumns`, or None for a plain column.
    :param types: the type of each column of a row.
    :param description: the cursor's, for converters that depend on what the driver reports.
    :param single: give the entities themselves, and not rows of one.
    :param populate: overwrite what known objects hold (``populate_existing``).
    :param links: what was joined by relationships, its columns after those of the members.
    :param groups: which of the members are columns of a bundle, and become one.
    """
    source = _Source(bool(links))
    names = [f"c{i}" for i in range(len(types))]
    processors = []
    for i, type_ in enumerate(types):
        coltype = description[i][1] if description is not None and i < len(description) else None
        processors.append(result_processor(type_, dialect, coltype))
    values: list[str] = []
    position = 0
    members = [*slots, *(found.slot for found in links)]
    for number, slot in enumerate(members):
        if slot is None:
            values.append(source.converted(names[position], processors[position], position))
            position += 1
            continue
        width = len(slot.keys)
        span = range(position, position + width)
        for i, key in zip(span, slot.keys, strict=True):
            names[i] = identifier(i, key)
        start = len(source.body)
        source.entity(number, slot, [names[i] for i in span], [processors[i] for i in span], populate)
        if slot.node is not None:
            node_lines(source, number, slot.node, populate)
        collections = [i for i, found in enumerate(links, len(slots)) if found.parent == number and found.prop.uselist]
        if collections:
            source.once_for_each(number, start, [names[span[i]] for i in slot.pk_positions], collections)
        if number < len(slots):
            values.append(f"e{number}")
        else:
            link(source, number, links[number - len(slots)], populate)
        position += width
    if any(found.prop.uselist for found in links):
        source.no_row_twice(["s" + v[1:] if slot else f"itself({v})" for slot, v in zip(slots, values, strict=True)])
    for group in reversed(groups):
        source.globals[f"bundle{group.start}"] = group.make
        together = ", ".join(values[group.start : group.stop])
        values[group.start : group.stop] = [f"bundle{group.start}(({together},))"]
    result = values[0] if single else "(" + ", ".join(values) + ",)"
    if "later = []" in source.setup:
        source.tail.append("for tell, about in later: tell(*about)")
    label = "load " + ", ".join("column" if s is None else s.name for s in slots)

    def again() -> Loader:
        return compile_loader(slots, types, dialect, description, single, populate, links, groups)

    source.globals.update(anybody=anybody, version=anybody.version, anew=Anew(again))
    return compile_function("load", source.text(names, result), source.globals, label)


class Anew:
    """Makes a loader again, whose listeners are other ones now."""

    def __init__(self, make: Callable[[], Loader]) -> None:
        self._make = make
        self._version = -1
        self._loader: Loader | None = None

    def __call__(self, rows: Sequence[Any], owner: Any, peers: list[InstanceState]) -> list[Any]:
        if self._loader is None or self._version != anybody.version:
            self._loader, self._version = self._make(), anybody.version
        return self._loader(rows, owner, peers)


class _Source:
    """Gathers the lines of a loader and the names that they use."""

    def __init__(self, joined: bool) -> None:
        self.joined = joined
        self.globals: dict[str, Any] = {
            "gone": _object_gone,
            "watch": watch,
            "is_atom": is_atom,
            "fill": fill,
            "refill": refill,
            "Peers": Peers,
            "meet_again": meet_again,
        }
        self.setup: list[str] = []
        self.body: list[str] = []
        self.tail: list[str] = []

    def text(self, names: list[str], result: str) -> str:
        lines = [
            "def load(rows, owner, peers):",
            "    if anybody.version != version: return anew(rows, owner, peers)  # other listeners",
            "    result = []",
            "    append = result.append",
            "    peer = peers.append",
            *("    " + line for line in self.setup),
            f"    for ({', '.join(names)},) in rows:",
            *("        " + line for line in self.body),
            f"        append({result})",
            *("    " + line for line in self.tail),
            "    return result",
        ]
        return "\n".join(lines) + "\n"

    def once_for_each(self, n: int, start: int, pk: list[str], collections: list[int]) -> None:
        """Put the lines from ``start`` on under a condition: not where the row before had the same object.

        :param collections: the links that fill its collections.
        """
        key = pk[0] if len(pk) == 1 else f"({', '.join(pk)})"
        self.setup.append(f"k{n} = rows")
        lines = [f"if {key} != k{n}:  # another object than in the row before", f"    k{n} = {key}"]
        lines += ["    " + line for line in self.body[start:]]
        for i in collections:
            lines.append(f"    if e{n} is not None and (list{i} := lists{i}.get(s{n})) is None:")
            lines.append(f"        list{i} = lists{i}[s{n}] = []")
        self.body[start:] = lines

    def no_row_twice(self, values: list[str]) -> None:
        """Leave out a row that repeats another, as joined collections make them do."""
        self.globals["itself"] = itself
        self.setup.append("given = set()")
        row = values[0] if len(values) == 1 else f"({', '.join(values)})"
        self.body += [f"row = {row}", "if row in given: continue", "given.add(row)"]

    def converted(self, name: str, processor: Any, position: int) -> str:
        if processor is None:
            return name
        self.globals[f"p{position}"] = processor
        return f"p{position}({name})"

    def entity(self, n: int, slot: EntityColumns, names: list[str], processors: list[Any], populate: bool) -> None:
        mapper = slot.mapper
        class_: Any = mapper.class_
        manager = mapper.class_manager
        slot_descriptor = next(
            (vars(b)["_sa_instance_state"] for b in class_.__mro__ if "_sa_instance_state" in vars(b)), None
        )
        self.globals.update(
            {
                f"new{n}": class_.__new__,
                f"class{n}": class_,
                f"state{n}": manager.state_class,
                f"mapper{n}": mapper,
                f"attach{n}": getattr(slot_descriptor, "__set__", None),
            }
        )
        self.setup.append(f"m{n} = owner.map_for(mapper{n})")
        own = n if slot.node is not None else ""
        values = []
        for key, name, processor in zip(slot.keys, names, processors, strict=True):
            if processor is None:
                values.append(name)
            else:
                self.globals[f"p{n}_{key}"] = processor
                values.append(f"p{n}_{key}({name})")
        pk_names = [names[i] for i in slot.pk_positions]
        line = self.body.append
        for i in slot.pk_positions:
            if processors[i] is not None:  # the key is needed whether or not the object is new
                line(f"{names[i]} = {values[i]}")
                values[i] = names[i]
        pk = pk_names[0] if len(pk_names) == 1 else f"({', '.join(pk_names)})"
        missing = " and ".join(f"{name} is None" for name in pk_names)
        if mapper.allow_partial_pks is False:
            missing = " or ".join(f"{name} is None" for name in pk_names)
        line(f"if {missing}:  # an outer join that met nothing")
        line(f"    e{n} = s{n} = None")
        line("else:")
        line(f"    s{n} = m{n}.get({pk})")
        line(f"    if s{n} is None or (e{n} := s{n}()) is None:")
        new = line
        new(f"        e{n} = new{n}(class{n})")
        new(f"        d = e{n}.__dict__")
        for key, value in zip(slot.keys, values, strict=True):
            new(f"        d[{key!r}] = {value}")
        new(f"        s{n} = m{n}[{pk}] = state{n}(e{n}, gone)")
        if slot_descriptor is not None:
            new(f"        attach{n}(e{n}, s{n})")
        else:
            new(f"        d['_sa_instance_state'] = s{n}")
        new(f"        s{n}.owner = owner; s{n}.pk = {pk}; s{n}.status = {PERSISTENT}; s{n}.expired = False")
        new(f"        s{n}.first_key = s{n}.mutables = s{n}.extra = None; s{n}.peers = peers{own}")
        new(f"        peer{own}(s{n})")
        for key, prop in zip(slot.keys, slot.props, strict=True):
            if prop.may_be_mutable:
                new(f"        if not is_atom(d[{key!r}]): watch(s{n}, {key!r}, d[{key!r}])")
        if mapper.reconstructor is not None:
            self.globals[f"reconstruct{n}"] = mapper.reconstructor
            new(f"        reconstruct{n}(e{n})")
        if slot.forbidden:
            self.globals[f"forbidden{n}"] = slot.forbidden
            new(f"        s{n}.set_extra('forbidden', forbidden{n})")
        overwriting = overwriting_lines(self, n, mapper) if populate else ([], [])
        for more in overwriting[0]:
            new(f"        {more}")
        for tells in tell_loaded(self, n, manager):
            new("        " + tells)
        self.globals[f"keys{n}"] = slot.keys
        self.globals[f"all{n}_keys"] = frozenset(slot.keys)
        row = "(" + ", ".join(values) + ",)"
        line("    else:")
        line(f"        if s{n}.peers is not peers{own}:")
        line(f"            if type(s{n}.peers) is Peers: meet_again(s{n}, s{n}.peers, peers{own}, {populate})")
        line(f"            else: s{n}.peers = peers{own}; peer{own}(s{n})")
        for more in overwriting[1]:
            line(f"        {more}")
        if manager.dispatch.refresh:
            later = ", None, later" if self.joined else ""
            line(f"        refill(s{n}, e{n}, keys{n}, {row}, {populate}, owner{later})")
            return
        if populate:
            line(f"        fill(s{n}, e{n}, keys{n}, {row}, True)")
            return
        if not any(prop.may_be_mutable for prop in slot.props):
            # expired, and nothing else happened to it: all is put in at once
            bare = 0 if slot_descriptor is not None else 1
            untouched = f"s{n}.first_key is s{n}.extra is None"
            line(f"        if s{n}.expired and len(d := e{n}.__dict__) <= {bare} and {untouched}:")
            for key, value in zip(slot.keys, values, strict=True):
                line(f"            d[{key!r}] = {value}")
            line(f"            s{n}.expired = {not slot.complete}")
            line(f"        elif s{n}.expired or not e{n}.__dict__.keys() >= all{n}_keys:")
        else:
            line(f"        if s{n}.expired or not e{n}.__dict__.keys() >= all{n}_keys:")
        line(f"            fill(s{n}, e{n}, keys{n}, {row}, False)")


def hold(owner: Any, states: Sequence[InstanceState]) -> None:
    """Keep the objects just loaded, for a session with ``weak_identity_map=False``."""
    for state in states:
        instance = state()
        if instance is not None:
            owner.held[state] = instance


def fill(state: InstanceState, instance: Any, keys: Sequence[str], values: Sequence[Any], overwrite: bool) -> None:
    """Give a known object the values of a row: all of them, or those that it lacks."""
    held = instance.__dict__
    committed = state.committed
    props = state.mapper.column_props
    for key, value in zip(keys, values, strict=True):
        if overwrite:
            if committed is not None:
                committed.pop(key, None)
        elif key in held or (committed is not None and key in committed):
            continue
        held[key] = value
        if props[key].may_be_mutable:
            watch(state, key, value)
    if committed is not None and not committed:
        state.committed = None
        if state.owner is not None:
            state.owner.modified.pop(state, None)
    if state.expired:
        state.expired = any(p.key not in held and not p.left_out for p in props.values())
    if state.extra and "expired_keys" in state.extra:
        state.extra["expired_keys"] = {k for k in state.extra["expired_keys"] if k not in held}


def put_in(state: InstanceState, instance: Any, values: dict[str, Any]) -> None:
    """Give an object values that its row is known to have by now."""
    fill(state, instance, list(values), list(values.values()), True)
    if anybody.refresh and values:
        refreshed(state, instance, values)
