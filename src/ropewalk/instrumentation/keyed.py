"""Dictionaries whose keys come from their objects: ``attribute_keyed_dict("name")`` and its kin."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..exc import InvalidRequestError, SAWarning
from ..kernel.core import as_argument
from ..kernel.symbols import NO_VALUE
from ..state.instance import state_of
from .adapter import collection_adapter
from .custom import collection, instrument_collection_class
from .dicts import InstrumentedDict

K = TypeVar("K")
V = TypeVar("V")


class KeyFuncDict(InstrumentedDict[K, V]):
    """A dictionary of objects under the keys that a function gives for them.

    :param keyfunc: object → key.
    :param ignore_unpopulated_attribute: leave an object out whose key is not known yet, in place of an error.
    """

    _pickled_as: type | None = None  # for classes that pickle would not find again

    def __init__(
        self, keyfunc: Callable[[Any], Any], *dict_args: Any, ignore_unpopulated_attribute: bool = False
    ) -> None:
        self.keyfunc = keyfunc
        self.ignore_unpopulated_attribute = ignore_unpopulated_attribute
        super().__init__(*dict_args)

    def _key_of(self, value: Any) -> Any:
        key = self.keyfunc(value)
        if key is NO_VALUE and not self.ignore_unpopulated_attribute:
            adapter = collection_adapter(self)
            where = "a dictionary" if adapter is None else f"the dictionary {adapter.relation.prop}"
            raise InvalidRequestError(
                f"Cannot put {value!r} into {where}: the attribute that gives its key has not been set. Set it "
                f"first, or pass ignore_unpopulated_attribute=True to leave such objects out until the dictionary is "
                f"loaded again."
            )
        if key is None and isinstance(self.keyfunc, (_AttributeGetter, _ColumnGetter)):
            if self.ignore_unpopulated_attribute:
                return NO_VALUE
            warnings.warn(
                f"The attribute that gives {value!r} its key in the dictionary is None, and so is the key. Pass "
                f"ignore_unpopulated_attribute=True to leave such objects out.",
                SAWarning,
                stacklevel=3,
            )
        return key

    @collection.appender
    @collection.internally_instrumented
    def set(self, value: Any, _sa_initiator: Any = None) -> None:
        """Put an object in under its key."""
        key = self._key_of(value)
        if key is not NO_VALUE:
            self.__setitem__(key, value, _sa_initiator)  # type: ignore

    @collection.remover
    @collection.internally_instrumented
    def remove(self, value: Any, _sa_initiator: Any = None) -> None:
        """Take an object out, under the key that it has now."""
        key = self._key_of(value)
        if key is NO_VALUE:
            return
        if self[key] != value:
            raise InvalidRequestError(
                f"Cannot remove {value!r} from the dictionary for key {key!r}, which holds {self[key]!r}. Has the "
                f"attribute that gives the key changed since the object came in?"
            )
        self.__delitem__(key, _sa_initiator)  # type: ignore

    def __reduce__(self) -> Any:
        return (KeyFuncDict._blank, (self._pickled_as or type(self),), self.__getstate__(), None, iter(self.items()))

    @staticmethod
    def _blank(class_: Any) -> Any:
        return class_.__new__(class_)


MappedCollection = KeyFuncDict
instrument_collection_class(KeyFuncDict)


class _AttributeGetter:
    """Object → its attribute, NO_VALUE where that is not set; it can be pickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, value: Any) -> Any:
        held = value.__dict__
        if self.name in held:
            return held[self.name]
        state = state_of(value)
        if state is None or state.pk is not None:
            return getattr(value, self.name)
        prop = state.mapper.props.get(self.name)
        while prop is not None and prop.is_synonym:
            prop = state.mapper.props.get(prop.name)  # type: ignore[attr-defined]
        if prop is None or prop.key in held:
            return getattr(value, self.name)
        return NO_VALUE


class _ColumnGetter:
    """Object → the values of some columns as it has them; it can be pickled where the mapping can be found."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def __call__(self, value: Any) -> Any:
        props = type(value).__mapper__
        found = [_AttributeGetter(props.get_property_by_column(column).key)(value) for column in self.columns]
        if NO_VALUE in found:
            return NO_VALUE
        return found[0] if len(found) == 1 else tuple(found)

    def __reduce__(self) -> Any:
        return (_ColumnNames, ([(c.key, getattr(c.table, "key", None)) for c in self.columns],))


class _ColumnNames(_ColumnGetter):
    """The same after pickling: columns are known by name."""

    def __init__(self, names: list[tuple[str, str]]) -> None:
        self.names = names

    def __call__(self, value: Any) -> Any:
        mapper = type(value).__mapper__
        tables = {table.key: table for table in mapper.tables}
        columns = [tables[table].c[key] if table in tables else mapper.local_table.c[key] for key, table in self.names]
        return _ColumnGetter(columns)(value)

    def __reduce__(self) -> Any:
        return (_ColumnNames, (self.names,))


def keyfunc_mapping(
    keyfunc: Callable[[Any], Any], *, ignore_unpopulated_attribute: bool = False
) -> type[KeyFuncDict[Any, Any]]:
    """Return a ``collection_class``: a dictionary under the keys that ``keyfunc`` gives.

    It is made as ``dict`` is, so that whoever copies with ``type(held)(items)``, as dataclasses do, can.
    """

    class Keyed(KeyFuncDict[Any, Any]):
        _pickled_as = KeyFuncDict

        def __init__(self, *dict_args: Any) -> None:
            super().__init__(keyfunc, *dict_args, ignore_unpopulated_attribute=ignore_unpopulated_attribute)

    return Keyed


def attribute_keyed_dict(attr_name: str, *, ignore_unpopulated_attribute: bool = False) -> type[KeyFuncDict[Any, Any]]:
    """Return a ``collection_class``: a dictionary under the objects' attribute ``attr_name``."""
    return keyfunc_mapping(_AttributeGetter(attr_name), ignore_unpopulated_attribute=ignore_unpopulated_attribute)


def column_keyed_dict(mapping_spec: Any, *, ignore_unpopulated_attribute: bool = False) -> type[KeyFuncDict[Any, Any]]:
    """Return a ``collection_class``: a dictionary under the value of a column, or a tuple of several."""
    given = mapping_spec if isinstance(mapping_spec, (list, tuple)) else [mapping_spec]
    columns = [as_argument(column, "mapping_spec") for column in given]
    return keyfunc_mapping(_ColumnGetter(columns), ignore_unpopulated_attribute=ignore_unpopulated_attribute)


mapped_collection = keyfunc_mapping
attribute_mapped_collection = attribute_keyed_dict
column_mapped_collection = column_keyed_dict

__all__ = [
    "KeyFuncDict",
    "MappedCollection",
    "attribute_keyed_dict",
    "attribute_mapped_collection",
    "column_keyed_dict",
    "column_mapped_collection",
    "keyfunc_mapping",
    "mapped_collection",
]
