"""`make breaks`: break a copy of the service in one place after another, and see that its tests notice."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.breaks.faults import Break
from tests.breaks.table import BREAKS

ROOT = Path(__file__).resolve().parents[2]
_TESTS_FAILED = 1  # pytest's exit code; others are: it found no test, it could not run


def main() -> int:
    parser = argparse.ArgumentParser(prog="make breaks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(BREAKS), default=list(BREAKS), help="which sorts")
    arguments = parser.parse_args()
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="taskpipeline-breaks-") as place:
        copy = Path(place) / "copy"
        _copy(copy)
        for sort in arguments.only:
            for each in BREAKS[sort]:
                noticed = _notices(each, copy=copy)
                unnoticed += len(noticed) < len(each.tests)
                for test in each.tests:
                    _say(f"{'noticed' if test in noticed else 'NOT NOTICED':11}  {sort}: {each.name}  [{test}]")
    return 1 if unnoticed else 0


def _copy(place: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)


def _notices(broken: Break, *, copy: Path) -> list[str]:
    """Return those of the tests that fail on the broken copy, which is whole again afterwards."""
    path = copy / broken.file
    whole = path.read_text()
    if whole.count(broken.old) != 1:
        raise SystemExit(f"{broken.name}: {broken.file} has changed; bring tests/breaks up to date.")
    path.write_text(whole.replace(broken.old, broken.new))
    try:
        return [test for test in broken.tests if _fails(test, copy=copy)]
    finally:
        path.write_text(whole)


def _fails(test: str, *, copy: Path) -> bool:
    pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    env = {**os.environ, "LIFECYCLE_SHRINKS": "0"}
    run = subprocess.run(pytest, cwd=copy, env=env, capture_output=True, check=False)
    return run.returncode == _TESTS_FAILED


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
