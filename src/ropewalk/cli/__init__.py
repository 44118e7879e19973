"""The command line: ``python -m ropewalk COMMAND``, or ``ropewalk COMMAND`` once installed.

A command is imported only when it is called, so that what one needs is no burden to the others.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 called in a way that cannot work."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 0
    code: int = options.run(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ropewalk", description="A fast unit of work over SQLAlchemy Core, with SQLAlchemy's ORM names."
    )
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")

    about = "import 28,000 airports into a SQLite file and work with them"
    demo = commands.add_parser("demo", help=about, description=f"{about[0].upper()}{about[1:]}.")
    demo.add_argument("--file", type=Path, metavar="FILE", help="keep the database there (default: a temporary file)")
    demo.set_defaults(run=_demo)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from .demo import run

    return run(options.file)
