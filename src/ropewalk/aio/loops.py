"""An engine belongs to the event loop in which its connections were made: what to say where that is over."""

from __future__ import annotations

_SIGNS = ("attached to a different loop", "Event loop is closed")


def explain(error: BaseException) -> None:
    """Add to an error of asyncio's why an engine cannot be used in a second loop, and what to do."""
    if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS):
        error.add_note(
            "The engine's pool holds connections that were made in another event loop, such as that of an earlier "
            "asyncio.run(). Make an engine for each loop and await engine.dispose() at its end, or give it "
            "poolclass=NullPool."
        )
