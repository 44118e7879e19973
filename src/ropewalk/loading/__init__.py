"""Floor 5: statement → plan → generated row loader → objects. Nothing here writes."""

from . import compile_state as compile_state  # registers itself with Core
from . import returning as returning
