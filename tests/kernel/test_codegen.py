"""Generated functions: as easy to debug as written ones."""

import linecache
import traceback

import pytest

from ropewalk.kernel.codegen import compile_function, identifier, source_of

DIVIDE = "def divide(a):\n    b = a - a\n    return a / b  # by nought\n"


def test_the_function_does_what_its_source_says():
    assert compile_function("twice", "def twice(x):\n    return 2 * x\n", {}, "double")(21) == 42


def test_names_given_are_what_the_source_refers_to():
    add = compile_function("add", "def add(x):\n    return x + offset\n", {"offset": 5}, "add")
    assert add(1) == 6


def test_the_dictionary_of_names_stays_as_it_was():
    names = {"offset": 5}
    compile_function("add", "def add(x):\n    return x + offset\n", names, "add")
    assert names == {"offset": 5}


def test_a_traceback_shows_the_line_and_what_it_was_generated_for():
    divide = compile_function("divide", DIVIDE, {}, "load User")
    with pytest.raises(ZeroDivisionError) as caught:
        divide(1)
    shown = "".join(traceback.format_exception(caught.value))
    assert "return a / b  # by nought" in shown
    assert "<ropewalk load User #" in shown
    assert "line 3, in divide" in shown


def test_the_line_is_still_shown_after_linecache_looked_for_changed_files():
    divide = compile_function("divide", DIVIDE, {}, "load User")
    linecache.checkcache()
    assert source_of(divide) == DIVIDE


def test_source_of_gives_the_whole_source():
    assert source_of(compile_function("divide", DIVIDE, {}, "load User")) == DIVIDE


def test_functions_of_one_label_keep_their_own_sources():
    first = compile_function("f", "def f():\n    return 1\n", {}, "same")
    second = compile_function("f", "def f():\n    return 2\n", {}, "same")
    assert (first(), second()) == (1, 2)
    assert source_of(first) != source_of(second)


def test_a_source_with_a_mistake_names_its_label():
    with pytest.raises(SyntaxError) as caught:
        compile_function("f", "def f(:\n", {}, "load User")
    assert "load User" in str(caught.value.filename)


@pytest.mark.parametrize("name", ["naïve", "two words", "a-b", "class", "7", "", "x" * 200, "d['a']"])
def test_an_identifier_is_one_whatever_the_name(name):
    made = identifier(3, name)
    assert made.isidentifier()
    assert made.isascii()
    assert made.startswith("v3_")


def test_names_that_look_alike_get_different_identifiers():
    assert len({identifier(i, name) for i, name in enumerate(["a b", "a-b", "a_b", "a.b"])}) == 4


def test_an_identifier_keeps_a_readable_name():
    assert identifier(0, "user_id") == "v0_user_id"
