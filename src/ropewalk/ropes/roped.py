"""``@jenny.roped``: each run of a function, coroutine or generator is a scope."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

from ..exc import ArgumentError
from .options import Options
from .scope import Scope, run, run_async

if TYPE_CHECKING:
    from .jenny import SessionJenny

_getframe = sys._getframe


def rope_function(jenny: SessionJenny[Any], options: Options, function: Any) -> Any:
    """Wrap a function of whatever kind; a method keeps being one."""
    if isinstance(function, classmethod | staticmethod):
        return type(function)(rope_function(jenny, options, function.__func__))
    if isinstance(function, property):
        raise ArgumentError("@roped is for the function of a property, and so its place is below @property.")
    if isinstance(function, type) or not callable(function):
        raise ArgumentError(f"@roped is for functions, coroutines and generators, and not for {function!r}.")
    make = _plain
    if inspect.isasyncgenfunction(function):
        make = _async_generator
    elif inspect.isgeneratorfunction(function):
        make = _generator
    elif inspect.iscoroutinefunction(function):
        make = _coroutine
    if options.retries is not None and make in (_generator, _async_generator):
        raise ArgumentError(
            f"{_name(function)}() is a generator, and cannot be run again once it has given something out: leave out "
            f"retries=."
        )
    return functools.wraps(function)(make(jenny, options, function))


def _where(function: Any) -> tuple[str, int, str]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return "?", 0, _name(function)
    return code.co_filename, code.co_firstlineno, code.co_qualname


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _plain(jenny: SessionJenny[Any], options: Options, function: Any) -> Any:
    where = _where(function)

    nested = options.propagation == "nested"

    def once(args: tuple[Any, ...], kwargs: dict[str, Any], scope: Scope[Any]) -> Any:
        try:
            if nested:
                run(scope._begin(scope.rope))  # type: ignore[arg-type]
            result = function(*args, **kwargs)
        except BaseException as error:
            run(scope.leave(error))
            raise
        run(scope.leave(None))
        return result

    def call(*args: Any, **kwargs: Any) -> Any:
        scope = Scope(jenny, options)
        scope.open(_getframe(), "roped", where)  # a frame in a variable of its own would be garbage for the collector
        if options.retries is None or not scope._owns:
            return once(args, kwargs, scope)

        def attempt() -> Any:
            if scope.rope is None:
                scope.open(_getframe(), "roped", where)
            return once(args, kwargs, scope)

        return options.retries.run(attempt)

    return call


def _coroutine(jenny: SessionJenny[Any], options: Options, function: Any) -> Any:
    where = _where(function)

    async def once(args: tuple[Any, ...], kwargs: dict[str, Any], scope: Scope[Any]) -> Any:
        try:
            await run_async(scope._begin(scope.rope))  # type: ignore[arg-type]
            result = await function(*args, **kwargs)
        except BaseException as error:
            await run_async(scope.leave(error))
            raise
        await run_async(scope.leave(None))
        return result

    async def call(*args: Any, **kwargs: Any) -> Any:
        scope = Scope(jenny, options, is_async=True)
        scope.open(_getframe(), "roped", where)
        retries = options.retries
        if retries is None or not scope._owns:
            return await once(args, kwargs, scope)

        async def attempt() -> Any:
            if scope.rope is None:
                scope.open(_getframe(), "roped", where)
            return await once(args, kwargs, scope)

        return await retries.run_async(attempt)

    return call


def _generator(jenny: SessionJenny[Any], options: Options, function: Any) -> Any:
    where = _where(function)

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        scope = Scope(jenny, options)
        scope.open(_getframe(), "roped", where, bound=True)
        try:
            run(scope._begin(scope.rope))  # type: ignore[arg-type]
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            run(scope.leave(error))
            raise
        run(scope.leave(None))
        return result

    return call


def _async_generator(jenny: SessionJenny[Any], options: Options, function: Any) -> Any:
    where = _where(function)

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        scope = Scope(jenny, options, is_async=True)
        scope.open(_getframe(), "roped", where, bound=True)
        steps = function(*args, **kwargs)
        try:
            await run_async(scope._begin(scope.rope))  # type: ignore[arg-type]
            try:
                value = await steps.__anext__()
                while True:
                    try:
                        sent = yield value
                    except GeneratorExit:
                        await steps.aclose()
                        raise
                    except BaseException as error:
                        value = await steps.athrow(error)
                    else:
                        value = await steps.asend(sent)
            except StopAsyncIteration:
                pass
        except BaseException as error:
            await run_async(scope.leave(error))
            raise
        await run_async(scope.leave(None))

    return call
