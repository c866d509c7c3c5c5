"""What the benchmarks run on: each part is started when it is first asked for, and all are stopped at the end."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import bare_side, stack
from benchmarks.bare_side import Bare
from benchmarks.canvas import side
from benchmarks.canvas.side import Canvas
from benchmarks.databases import Databases
from benchmarks.stack import Stack
from taskpipeline.engines import embedded
from taskpipeline.engines.records import Urls


class Ground:
    """The stack under test, the engines of the baselines, and the baselines."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @cached_property
    def stack(self) -> Stack:
        return self._cleanup.enter_context(stack.started(self.directory / "stack"))

    @cached_property
    def engines(self) -> Urls:
        """The baselines' own PostgreSQL and Redis, the same programs with the same settings as the stack's."""
        engines = embedded.start(self.directory / "baselines")
        self._cleanup.callback(engines.stop)
        return engines.urls

    @cached_property
    def canvas(self) -> Canvas:
        return self._cleanup.enter_context(side.started(self.directory / "canvas", redis_url=self.engines.redis_url))

    @cached_property
    def databases(self) -> Databases:
        return Databases(self.engines, var_dir=self.directory / "inside")

    @cached_property
    def bare(self) -> Bare:
        bare = bare_side.started(self.directory / "bare", database_url=self.engines.database_url)
        return self._cleanup.enter_context(bare)
