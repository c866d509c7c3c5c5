"""`make chaos SEED=n`: one run with every fault, in an order that follows from the seed alone."""

from __future__ import annotations

import argparse
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="which run it is; without it, any")
    parser.add_argument("--faults", type=int, default=None, help="how many faults come (default: each once)")
    parser.add_argument("--only", nargs="+", choices=sorted(FAULTS), default=sorted(FAULTS), help="of which sorts")
    parser.add_argument("--keep", action="store_true", help="keep the directory of a run that found nothing too")
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    place = Path(tempfile.mkdtemp(prefix="taskpipeline-chaos-"))
    length = len(arguments.only) if arguments.faults is None else arguments.faults
    _say(f"SEED={seed}, {length} faults, in {place}")
    found = run(place / "var", seed=seed, length=length, say=_say, faults=arguments.only, small_disk=_may_mount())
    for finding in found:
        _say(f"FOUND {finding}")
    _say(f"SEED={seed}: {f'{len(found)} findings; see {place}' if found else 'all as it has to be'}")
    if not found and not arguments.keep:
        shutil.rmtree(place)
    return 1 if found else 0


def _may_mount() -> bool:
    """Tell whether we may mount: the disk of a runner can then really be full."""
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", place], check=True)
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
