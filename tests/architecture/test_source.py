"""What ARCHITECTURE.md promises of the source text, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "ropewalk"
SOURCES = sorted(PACKAGE.rglob("*.py"))

ORM = ("sqlalchemy.orm", "sqlalchemy.ext.asyncio")  # the second imports the first
# Core's async types are in that second one, and found again by private names. One file brings them in, for
# programs that import ropewalk.ext.asyncio; test_imports.py sees that nothing else imports it.
ASYNC_BRIDGE = PACKAGE / "aio" / "bridge.py"
PRIVATE_IMPORTS_ALLOWED = (PACKAGE / "kernel" / "core.py", ASYNC_BRIDGE)

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


@each_source
def test_a_file_has_at_most_500_lines(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 500, f"{path} has {lines} lines: it holds more than one idea"


@each_source
def test_no_file_imports_the_orm_of_sqlalchemy(path: Path) -> None:
    found = [
        f"{path}:{line} imports {name}"
        for line, name in imports(path)
        if any(is_inside(name, package) for package in (ORM[:1] if path == ASYNC_BRIDGE else ORM))
    ]
    assert not found, "\n".join(found)


@each_source
def test_private_names_of_core_are_imported_in_one_file(path: Path) -> None:
    if path in PRIVATE_IMPORTS_ALLOWED:
        return
    found = [
        f"{path}:{line} imports {name}; kernel/core.py is the place for that"
        for line, name in imports(path)
        if is_inside(name, "sqlalchemy") and is_private(name)
    ]
    assert not found, "\n".join(found)


def test_the_checks_see_every_form_of_import(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(
        "import sqlalchemy.orm.session\n"
        "from sqlalchemy import orm\n"
        "from . import orm\n"
        "def f():\n    from sqlalchemy.sql._typing import x\n"
        "from sqlalchemy import __version__\n"
    )
    names = [name for _, name in imports(file)]
    assert names == [
        "sqlalchemy.orm.session",
        "sqlalchemy.orm",
        "sqlalchemy.__version__",
        "sqlalchemy.sql._typing.x",
    ]
    assert [is_inside(name, "sqlalchemy.orm") for name in names] == [True, True, False, False]
    assert [is_private(name) for name in names] == [False, False, False, True]
