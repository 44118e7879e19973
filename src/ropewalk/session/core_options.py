"""Which execution options are a session's own, and which are Core's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Options that mean nothing to Core, or that it must not see: what is loaded at once is not left on the server.
OURS = (
    "populate_existing",
    "yield_per",
    "stream_results",
    "autoflush",
    "identity_token",
    "peers",
    "synchronize_session",
)


def for_core(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the execution options that are Core's; None where there are none."""
    return {k: v for k, v in options.items() if k not in OURS} or None
