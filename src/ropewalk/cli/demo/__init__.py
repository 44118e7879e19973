"""A first look at Ropewalk: a unit of work handling real data.

The airports of the `airportsdata` package go into a SQLite file as objects; some are then found,
changed and deleted, with the number of statements that each step took.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

NEEDS = ("airportsdata", "rich")


def run(file: Path | None = None) -> int:
    """Show the demo, in a temporary file if none is given, and return the exit code."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        return _refuse(f'The demo needs {" and ".join(missing)}: pip install "ropewalk[demo]"')
    if file is not None and file.exists():
        return _refuse(f"{file} exists already, and the demo wants a new file: give another name")
    if file is not None and not file.absolute().parent.is_dir():
        return _refuse(f"{file} cannot be made: there is no folder {file.absolute().parent}")

    from .show import show
    from .steps import Disproved

    with TemporaryDirectory(prefix="ropewalk-demo-") as folder:
        try:
            show(file or Path(folder) / "airports.db", scratch=Path(folder), keeps_file=file is not None)
        except Disproved as failure:
            print(f"The demo failed: {failure}", file=sys.stderr)
            return 1
    return 0


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 2
