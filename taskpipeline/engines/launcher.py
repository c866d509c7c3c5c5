"""Become the program named, as an unprivileged user if asked, and end when the parent ends.

Run as a script by `spawn` in a process of its own, so that nothing here happens between fork and exec of a program
with threads. It imports nothing of the project: after the user has changed it may not be readable any more.

usage: launcher.py ORDERS PROGRAM [ARGUMENT ...]     ORDERS: JSON, see `spawn.Orders`
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable

# linux/prctl.h, linux/capability.h
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2

# None suffices where every directory above may be entered by all. A checkout below /root needs the right to walk
# through it; an ordinary container gives root only the stronger of the two.
CHOICES: tuple[int | None, ...] = (None, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE)

libc = ctypes.CDLL(None, use_errno=True)


class Capabilities(ctypes.Structure):
    """The first 32 capabilities and the rest, as capget and capset exchange them."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
        ("effective_rest", ctypes.c_uint32),
        ("permitted_rest", ctypes.c_uint32),
        ("inheritable_rest", ctypes.c_uint32),
    )


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _prctl(option: int, second: int, third: int = 0) -> None:
    _check(libc.prctl(option, ctypes.c_ulong(second), ctypes.c_ulong(third), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)


def _permitted() -> int:
    held = Capabilities()
    _check(libc.capget(_header(), ctypes.byref(held)))
    return int(held.permitted)


def _hold(*, effective: int, permitted: int) -> None:
    wanted = Capabilities(effective=effective, permitted=permitted, inheritable=effective)
    _check(libc.capset(_header(), ctypes.byref(wanted)))


def unreachable(paths: Iterable[str]) -> str | None:
    """Return the first path that this process, as it now is, may not use: read, and enter or run if that is its use."""
    for path in paths:
        runs = os.path.isdir(path) or path == sys.argv[2]
        if not os.access(path, os.R_OK | (os.X_OK if runs else 0)):
            return path
    return None


def become(*, uid: int, gid: int, needs: Iterable[str]) -> None:
    """Turn into the user for good, with the weakest capability that lets it reach what it needs.

    No directory's mode is changed for its sake: the tree above may belong to somebody else.
    """
    needs = list(needs)
    linux = sys.platform == "linux"
    if linux:
        # access(2), with which PostgreSQL looks for its own files, disregards the capabilities of whoever is not root,
        # unless the user's number has been made to mean nothing to them. That itself is a privilege; without it
        # `unreachable`, which asks access(2) too, tells the truth.
        with contextlib.suppress(OSError):
            _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    permitted = _permitted() & (1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH) if linux else 0
    blocked: str | None = None
    for choice in CHOICES:
        mask = 0 if choice is None else 1 << choice
        if mask & ~permitted:
            continue
        if linux:
            _hold(effective=mask, permitted=permitted)
        blocked = unreachable(needs)
        if blocked is None:
            if linux:
                _hold(effective=mask, permitted=mask)
            if choice is not None:
                _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, choice)
            return
    sys.exit(
        f"The user with number {uid} cannot reach {blocked}, and this system does not let us help it: move the "
        "checkout and VAR_DIR to where it may enter (not below /root, say), or set DATABASE_URL."
    )


def die_with(*, parent: int, number: int) -> None:
    """Ask for the signal when the parent dies; end now if it already has."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit("The process that wanted this one has ended.")


def main() -> None:
    orders = json.loads(sys.argv[1])
    argv = sys.argv[2:]
    if orders["uid"] is not None:
        become(uid=orders["uid"], gid=orders["gid"], needs=[argv[0], *orders["needs"]])
    for number in (signal.SIGINT, signal.SIGHUP):  # ignored, if a shell put us in the background
        signal.signal(number, signal.SIG_DFL)
    die_with(parent=orders["parent"], number=orders["death_signal"])  # after `become`: a change of user clears it
    os.execv(argv[0], argv)  # noqa: S606  # a list of arguments, no shell: the whole point of this file


if __name__ == "__main__":
    main()
