"""What a relationship is told late: strings and lambdas that are evaluated when all classes are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import MetaData
from sqlalchemy.sql.operators import ColumnOperators

from ..exc import ArgumentError, InvalidRequestError
from .marks import foreign, remote

if TYPE_CHECKING:
    from .mapper import Mapper

_FUNCTIONS: dict[str, Any] = {**vars(sqlalchemy), "foreign": foreign, "remote": remote}


def evaluate(value: Any, parent: Mapper[Any], where: str, *, tables_first: bool = False) -> Any:
    """Return what ``value`` stands for.

    :param value: a string with a Python expression over class names, table names and SQLAlchemy's functions,
        a callable without parameters, or the thing itself.
    :param parent: whose registry knows the classes and tables.
    :param where: what is being read, for messages, such as ``"User.addresses: primaryjoin"``.
    :param tables_first: whether a string is the name of a table.
    :raises InvalidRequestError: a name is unknown.
    """
    if isinstance(value, str):
        return _evaluate_text(value, parent, where, tables_first)
    if callable(value) and not isinstance(value, type) and not hasattr(value, "__clause_element__"):
        produced: Callable[[], Any] = value
        value = produced()  # which may be a string in its turn
        return _evaluate_text(value, parent, where, tables_first) if isinstance(value, str) else value
    return value


def _evaluate_text(text: str, parent: Mapper[Any], where: str, tables_first: bool) -> Any:
    names = _Names(parent)
    if tables_first:
        return _named(text, names, where)
    try:
        # The text is the program's own; it is an expression as it would stand in a lambda.
        return _plain(eval(text, {"__builtins__": {}}, names))
    except _Unknown as unknown:
        raise InvalidRequestError(f"{where} = {text!r} cannot be understood: {unknown}") from None
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{where} = {text!r} cannot be understood: {error}") from error
    except Exception as error:
        raise ArgumentError(
            f"{where} = {text!r} cannot be evaluated: {type(error).__name__}: {error}. A string here is a Python "
            "expression over the names of mapped classes, of tables, and of SQLAlchemy's functions."
        ) from error


def _named(text: str, names: _Names, where: str) -> Any:
    """Return the table, or else the class, of that name; an association table is not computed from a string."""
    if text in names.tables:
        return names.tables[text]
    try:
        return names._registry.find_class(text)
    except (InvalidRequestError, AttributeError):
        raise InvalidRequestError(
            f"{where} = {text!r} is not the name of a table. There are {', '.join(names.tables) or 'none'}. A join, or "
            f"any other expression, is given as it is or as a lambda."
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, _ClassName):
        return object.__getattribute__(value, "_class")
    if isinstance(value, _Path):
        raise value._unknown
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


class _Unknown(Exception):
    """A name that is neither a class nor a table nor a function."""


class _Names(dict[str, Any]):
    """The names that a string may use."""

    def __init__(self, parent: Mapper[Any]) -> None:
        super().__init__()
        self._registry = parent.registry
        self._class = parent.class_
        metadata = getattr(parent.class_, "metadata", None)
        if not isinstance(metadata, MetaData):
            metadata = getattr(parent.local_table, "metadata", None)
        self.tables: dict[str, Any] = dict(metadata.tables) if metadata is not None else {}

    def __missing__(self, name: str) -> Any:
        unknown = f"{name!r} is no mapped class and no table."
        if self._registry is not None:
            try:
                return _ClassName(self._registry.find_class(name))
            except InvalidRequestError as error:
                unknown = str(error)
        if name == self._class.__name__:
            return _ClassName(self._class)
        if name in self.tables:
            return self.tables[name]
        if name in _FUNCTIONS:
            return _FUNCTIONS[name]
        return _Path(self, name, _Unknown(unknown))


class _Path(ColumnOperators):
    """The beginning of a dotted name: of a module before a class, or of a schema before a table.

    It takes operators, so that a name that leads nowhere is noticed and ``Nope.id == 5`` is not simply False.
    """

    def __init__(self, names: _Names, path: str, unknown: _Unknown) -> None:
        self._names = names
        self._path = path
        self._unknown = unknown

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise self._unknown
        path = f"{self._path}.{name}"
        if path in self._names.tables:
            return self._names.tables[path]
        registry = self._names._registry
        try:
            return _ClassName(registry.find_class(path))
        except (InvalidRequestError, AttributeError):
            # Whose path ends here in nothing is told of its first name, unless that may be a module.
            return _Path(self._names, path, self._unknown)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._unknown

    def operate(self, *args: Any, **kwargs: Any) -> Any:
        raise self._unknown

    reverse_operate = operate


class _ClassName:
    """A class in a string: its attributes are the columns, so that no mapping has to be complete yet."""

    def __init__(self, class_: type) -> None:
        object.__setattr__(self, "_class", class_)

    def __getattribute__(self, name: str) -> Any:
        class_: Any = object.__getattribute__(self, "_class")
        if name == "__class__":
            return _ClassName
        mapper = class_.__mapper__
        prop = mapper.props.get(name)
        while prop is not None and prop.is_synonym:
            prop = mapper.props.get(prop.name)
        if prop is not None and prop.is_column:
            return prop.columns[0]
        if prop is None and not hasattr(class_, name):
            raise InvalidRequestError(
                f"Class {class_.__name__} has no attribute {name!r}; it has {', '.join(mapper.props)}."
            )
        return getattr(class_, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise InvalidRequestError(
            f"{object.__getattribute__(self, '_class').__name__} is a class and is not called here."
        )
