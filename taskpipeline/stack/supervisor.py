"""Start every process of the service, keep them running, stop them in order."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import IO, Any, Self

from taskpipeline.engines import embedded
from taskpipeline.engines.engine import rotate, tail
from taskpipeline.engines.records import Urls
from taskpipeline.engines.spawn import spawn
from taskpipeline.environment import text
from taskpipeline.stack.address import Address
from taskpipeline.stack.child import Child, Program
from taskpipeline.stack.exceptions import StackError, StoppedError
from taskpipeline.stack.holding import Holding
from taskpipeline.stack.interrupts import Interrupts
from taskpipeline.stack.programs import environment, preparation, programs
from taskpipeline.stack.watching import Watched, WatchedEngine, look_after

MOMENT_SECONDS = 0.05
TEND_SECONDS = 1.0
ROTATE_SECONDS = 60.0
READY_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a stack lies and listens; an engine whose URL the environment names is not ours."""

    base_dir: Path
    var_dir: Path
    address: Address
    stop_grace_seconds: float = 10.0

    def to_json(self) -> str:
        """Return it as text that may be seen by everybody on the machine."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the layout of which `to_json` made this."""
        fields = json.loads(text)
        return cls(
            base_dir=Path(fields["base_dir"]),
            var_dir=Path(fields["var_dir"]),
            address=Address(**fields["address"]),
            stop_grace_seconds=fields["stop_grace_seconds"],
        )


class Supervisor:
    """A stack, up while this context is entered.

    Entering raises StackError or EngineError, with everything stopped again, if the stack does not come up.
    """

    def __init__(self, layout: Layout, *, say: Callable[[str], None], introduce: bool) -> None:
        self.layout = layout
        self.introduce = introduce  # make an operator's login, and have `made` tell what nobody has been told yet
        self.interrupts = Interrupts()
        self.made: dict[str, Any] = {}  # secrets in clear
        self._say = say
        self._children: list[Child] = []
        self._watched: list[Watched] = []
        self._cleanup = ExitStack()
        self._rotate_at = 0.0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._say("Stopping ...")
        self._cleanup.close()

    def tend(self, *, seconds: float = TEND_SECONDS) -> bool:
        """Sleep until something happens, at most so long, and restart what died; False when asked to stop."""
        self.interrupts.wait(seconds)
        if self.interrupts.count:
            return False
        started = [watched for watched in self._watched if look_after(watched, say=self._say)]
        if started:
            self._record()
        if time.monotonic() >= self._rotate_at:
            self._rotate_at = time.monotonic() + ROTATE_SECONDS
            for watched in self._watched:
                rotate(watched.log)
        return True

    def _start(self) -> None:
        layout = self.layout
        try:
            (layout.var_dir / "log").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"VAR_DIR cannot be used: {error}") from error
        self._cleanup.enter_context(self.interrupts)
        self._holding = Holding(layout.var_dir)
        self._cleanup.callback(self._holding.release)
        layout.address.require_free()
        base = environment(urls=self._start_engines(), var_dir=layout.var_dir, address=layout.address)
        self._prepare(base)
        self._start_children(base)
        self._await_ready()

    def _start_engines(self) -> Urls:
        """Start the engines that nobody named, and return where all of them are."""
        # Those of the environment: the settings' own may be those of engines that are about to go.
        named = Urls(text("DATABASE_URL"), text("REDIS_URL"))
        if named.database_url and named.redis_url:
            return named
        self._say("Starting the engines ...")
        engines = embedded.start(self.layout.var_dir, postgres=not named.database_url, redis=not named.redis_url)
        self._cleanup.callback(engines.stop)
        self._watched += [WatchedEngine(engine, engines=engines) for engine in engines.members]
        return Urls(named.database_url or engines.urls.database_url, named.redis_url or engines.urls.redis_url)

    def _prepare(self, base: Mapping[str, str]) -> None:
        """Bring the database up to date; what was made for a first start is in `made`."""
        self._say("Preparing the database ...")
        program = preparation(base, manage=self._manage, introduce=self.introduce)
        log = self.layout.var_dir / "log" / f"{program.name}.log"
        rotate(log)
        with log.open("ab") as errors, self._spawn_for_output(program, errors=errors) as process:
            while process.poll() is None:
                self.interrupts.wait(MOMENT_SECONDS)
                if self.interrupts.count:
                    process.terminate()
            output = process.stdout.read() if process.stdout else b""
        if self.interrupts.count:
            raise StoppedError
        if process.returncode != 0:
            raise StackError(f"The database could not be prepared. The end of {log}:\n{tail(log)}")
        self.made = json.loads(output.splitlines()[-1])

    def _spawn_for_output(self, program: Program, *, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        return spawn(
            program.argv,
            env=program.env,
            cwd=self.layout.base_dir,
            output=subprocess.PIPE,
            errors=errors,
            death_signal=SIGTERM,
        )

    def _start_children(self, base: Mapping[str, str]) -> None:
        self._say("Starting web, control worker, beat and runner ...")
        layout = self.layout
        self._copy_examples()
        for program in programs(
            base,
            address=layout.address,
            manage=self._manage,
            tools=layout.var_dir / "examples" / "bin",
            stop_grace_seconds=layout.stop_grace_seconds,
        ):
            child = Child(program, log_dir=layout.var_dir / "log", cwd=layout.base_dir)
            self._cleanup.callback(child.stop, patience=self._patience)
            child.start()
            child.backoff.started(now=time.monotonic())
            self._children.append(child)
            self._watched.append(child)
            self._record()

    def _copy_examples(self) -> None:
        """Put the examples where the runner's jobs may use them, artefacts included, without touching the checkout."""
        examples = self.layout.base_dir / "examples"
        shutil.copytree(examples, self.layout.var_dir / "examples", dirs_exist_ok=True)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.layout.address.answers():
            if not self.tend(seconds=2 * MOMENT_SECONDS):
                raise StoppedError
            if time.monotonic() > deadline:
                log = self.layout.var_dir / "log" / "web.log"
                raise StackError(f"The web process does not answer. The end of {log}:\n{tail(log)}")

    def _record(self) -> None:
        running = [child.process for child in self._children if child.process]
        self._holding.record(running, url=self.layout.address.url)

    def _patience(self) -> bool:
        """Wait a moment for something to stop; False once somebody asked a second time."""
        self.interrupts.wait(MOMENT_SECONDS)
        return self.interrupts.count < 2

    @property
    def _manage(self) -> Path:
        return self.layout.base_dir / "manage.py"
