"""Start a process for the guardian; standard library only."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from runners.agent.processes import find_program

_RESET = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]


class SpawnError(Exception):
    """The process could not be started; what is at fault: `cwd`, `command`, or `until`, its time."""

    def __init__(self, what: str, *, error: str) -> None:
        super().__init__(error)
        self.what = what


def spawn(argv: list[str], *, env: dict[str, str], cwd: str, output: int, standard_input: int, uid: int | None) -> int:
    """Start a session leader with default signals and nothing open but its three streams; return its pid.

    Call from a process with one thread. Raises SpawnError.
    """
    if uid is not None:
        return _spawn_as(uid, argv=argv, env=env, cwd=cwd, output=output, standard_input=standard_input)
    what = "cwd"
    try:
        os.chdir(cwd)  # ours for a moment: posix_spawn, much the cheapest way, cannot do it for the child
        what = "command"
        return os.posix_spawn(
            find_program(argv[0], path=env.get("PATH", os.defpath)),
            argv,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, standard_input, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_RESET,
        )
    except (OSError, ValueError) as error:
        raise SpawnError(what, error=_text(error)) from error
    finally:
        os.chdir("/")  # hold no directory of the work


def _spawn_as(uid: int, *, argv: list[str], env: dict[str, str], cwd: str, output: int, standard_input: int) -> int:
    """Start it as another user, by a fork of our own.

    To switch ourselves for a moment would cost less, but in that moment the user's other work could kill us.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(uid, argv=argv, env=env, cwd=cwd, output=output, standard_input=standard_input, complaints=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        complaint = file.read().decode(errors="replace")
    if complaint:
        os.waitpid(pid, 0)
        what, _, error = complaint.partition(":")
        raise SpawnError(what, error=error)
    return pid


def _become(
    uid: int,
    *,
    argv: list[str],
    env: dict[str, str],
    cwd: str,
    output: int,
    standard_input: int,
    complaints: int,
) -> NoReturn:
    """In the child: become the work, or say why not."""
    what = "cwd"
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        os.setresuid(uid, uid, uid)
        os.chdir(cwd)
        what = "command"
        os.dup2(standard_input, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execve(find_program(argv[0], path=env.get("PATH", os.defpath)), argv, env)  # noqa: S606
    except (OSError, ValueError) as error:
        os.write(complaints, f"{what}:{_text(error)}".encode(errors="replace"))
    finally:
        os._exit(127)


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
