from __future__ import annotations

import datetime
import typing
from typing import TYPE_CHECKING, Annotated, ClassVar, ForwardRef

import pytest

from ropewalk.declare import Mapped, WriteOnlyMapped
from ropewalk.declare.annotations import forward_references, is_class_var, read_annotation
from ropewalk.exc import MappedAnnotationError

if TYPE_CHECKING:
    pass

Json = typing.Union[dict[str, "Json"], str]


class Owner:
    Local = int


def inner(raw):
    return read_annotation(raw, Owner, Owner).inner


def test_string_of_a_module_name():
    assert inner("Mapped[datetime.date]") is datetime.date


def test_quoted_inside_and_outside():
    assert inner(Mapped["datetime.date"]) is datetime.date
    assert inner("'Mapped[int]'") is int


def test_name_of_the_class_body():
    assert inner("Mapped[Local]") is int


def test_the_class_itself():
    assert inner("Mapped[Owner]") is Owner


def test_unknown_names_are_left_as_forward_references():
    assert inner("Mapped[Address]") == ForwardRef("Address")
    assert inner("Mapped[list[Address]]") == list[ForwardRef("Address")]
    assert inner(Mapped[list["Address"]]) == list[ForwardRef("Address")]  # noqa: F821
    assert inner("Mapped[Address | None]") == typing.Union[ForwardRef("Address"), None]
    assert inner("Mapped[None | Address]") == typing.Union[ForwardRef("Address"), None]
    assert inner("Mapped[dict[str, models.Address]]") == dict[str, ForwardRef("models.Address")]
    assert inner("Mapped[Box[int]]") == ForwardRef("Box[int]")


def test_known_container_of_unknown_things_tells_their_names():
    assert list(forward_references(inner("Mapped[dict[str, Address | None]]"))) == ["Address"]


def test_container_is_told():
    assert read_annotation("Mapped[int]", Owner, Owner).container is Mapped
    assert read_annotation("WriteOnlyMapped[Address]", Owner, Owner).container is WriteOnlyMapped
    assert read_annotation("int", Owner, Owner).container is None


def test_type_that_names_itself():
    assert inner(Mapped[Json]) is Json


def test_annotated_keeps_its_extras():
    extra = object()
    assert inner(Mapped[Annotated["str", extra]]).__metadata__ == (extra,)


def test_class_var():
    assert is_class_var(read_annotation("ClassVar[int]", Owner, Owner))
    assert is_class_var(read_annotation(ClassVar, Owner, Owner))
    assert not is_class_var(read_annotation("Mapped[int]", Owner, Owner))


def test_broken_annotation_names_class_and_text():
    with pytest.raises(MappedAnnotationError, match=r"'Mapped\[int' of Owner .*SyntaxError"):
        inner("Mapped[int")
