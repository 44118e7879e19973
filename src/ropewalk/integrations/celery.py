"""Celery: a scope for each run of a task."""

from __future__ import annotations

from typing import Any

from ..ropes.jenny import SessionJenny
from ..session.retrying import Retries
from .common import check_jenny


def roped_task(jenny: SessionJenny[Any], *, commit: bool = False, retries: int | Retries = 0) -> type:
    """Return a base class for tasks, each run of which is a scope.

    ::

        app = Celery("jobs", task_cls=roped_task(jenny, commit=True))

        @app.task
        def rename(key, name):
            jenny.session.get(User, key).name = name

    The session is closed when the task is done, before its worker takes the next one. Sessions of the process that
    forked the worker are let alone.

    :param commit: commit when the task has returned.
    :param retries: run the task's function again, in a new session, when the database asks for it. (Celery's own
        ``self.retry()`` is for all else, and commits nothing.)
    """
    check_jenny(jenny, "roped_task(jenny)")
    from celery import Task

    class RopedTask(Task):  # type: ignore[misc, unused-ignore]
        """A task whose runs are scopes."""

        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            rope = jenny.roped(commit=commit, retries=retries, propagation="requires_new")
            return rope(self.run)(*args, **kwargs)

    return RopedTask
