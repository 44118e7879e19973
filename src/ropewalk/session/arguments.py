"""What a program gives to a session is looked at where it comes in, and refused by the name of the argument.

Else it would fail far inside, with an error about something that the program has never heard of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..exc import ArgumentError

OPTIONS = '{"isolation_level": "SERIALIZABLE"}'


def as_mapping(given: Any, name: str, example: str) -> Mapping[Any, Any]:
    """Return a dictionary that was given.

    :raises ArgumentError: it is none.
    """
    if isinstance(given, Mapping):
        return given
    raise ArgumentError(f"{name} takes a dictionary, such as {example}; got {given!r:.100}.")


def as_options(given: Any, name: str = "execution_options=") -> Mapping[str, Any]:
    """Return execution options that were given.

    :raises ArgumentError: they are no dictionary, or the isolation level in it is no text.
    """
    options = as_mapping(given, name, OPTIONS)
    level = options.get("isolation_level", "")
    if not isinstance(level, str):
        raise ArgumentError(f"{name} isolation_level is a text, such as 'SERIALIZABLE'; got {level!r:.100}.")
    return options


def check_options(execution_options: Any, bind_arguments: Any, of_statement: bool = False) -> None:
    """Refuse what is no dictionary, and of a statement what it cannot have of its own.

    :raises ArgumentError: as it says.
    """
    if execution_options is not None:
        options = as_options(execution_options)
        if of_statement and "isolation_level" in options:
            raise ArgumentError(
                "A statement has no isolation_level of its own: it is that of the transaction. Give it to "
                "session.begin(execution_options=...), to session.connection(execution_options=...) before anything "
                "else, or to the Session."
            )
    if bind_arguments is not None:
        as_mapping(bind_arguments, "bind_arguments=", '{"mapper": User}')


def as_function(given: Any, name: str, example: str) -> Callable[..., Any]:
    """Return a function that was given.

    :raises ArgumentError: it is none.
    """
    if callable(given):
        return given  # type: ignore[no-any-return]
    raise ArgumentError(f"{name} takes a function, such as {example}; got {given!r:.100}.")


def as_several(given: Any, name: str, one: str) -> Iterable[Any]:
    """Return what can be gone through.

    :param one: what takes a single one.
    :raises ArgumentError: it is none, or one of what a list was asked for.
    """
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping)):
        return given
    raise ArgumentError(f"{name} takes a list, or anything else that can be gone through; {one}. Got {given!r:.100}.")


def names_in(given: Any) -> list[str]:
    """Return the names of attributes that were given; one alone needs no list.

    :raises ArgumentError: they are none.
    """
    if isinstance(given, str):
        return [given]
    return list(as_several(given, "attribute_names=", "such as ['name', 'price']"))


def check_number(given: Any, name: str, least: float = 0.0) -> None:
    """Refuse what is no number, or too small."""
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not given >= least:
        what = "a number that is not negative" if not least else "a number"
        raise ArgumentError(f"{name} takes {what}; got {given!r:.100}.")
