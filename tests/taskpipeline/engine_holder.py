"""Hold engines as a supervisor does, in a process of its own that a test can kill (run with -m)."""

from __future__ import annotations

import argparse
import ctypes
import signal
import sys
from pathlib import Path
from unittest.mock import patch

from taskpipeline.engines.embedded import start
from taskpipeline.engines.launcher import Capabilities
from taskpipeline.engines.spawn import spawn

PR_CAPBSET_DROP = 24


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("var_dir", type=Path)
    parser.add_argument("--without-capability", type=int, help="give this one up first, as a container does")
    parser.add_argument("--orphans", action="store_true", help="leave engines that do not follow us when we are killed")
    parser.add_argument("--postgres-home", type=Path, help="use the binaries here")
    arguments = parser.parse_args()
    if arguments.without_capability:
        give_up(arguments.without_capability)
    if arguments.orphans:
        patch(
            "taskpipeline.engines.engine.spawn", lambda argv, **wanted: spawn(argv, **wanted | {"death_signal": 0})
        ).start()
    if arguments.postgres_home:
        patch("taskpipeline.engines.binaries.postgres_home", lambda: arguments.postgres_home).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    engines = start(arguments.var_dir, durable=False)
    print(engines.urls.database_url, engines.urls.redis_url, flush=True)  # noqa: T201  # what the test waits for
    try:
        signal.pause()
    finally:
        engines.stop()


def give_up(capability: int) -> None:
    libc = ctypes.CDLL(None)
    header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), Capabilities()
    assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
    assert libc.capget(header, ctypes.byref(held)) == 0
    held.effective &= ~(1 << capability)
    held.permitted &= ~(1 << capability)
    assert libc.capset(header, ctypes.byref(held)) == 0


if __name__ == "__main__":
    main()
