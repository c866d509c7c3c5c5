"""Make .venv and install a requirements file into it; usage: virtualenv.py REQUIREMENTS

Called by the Makefile. It does nothing, fast, when what is installed came from the same requirements. Two calls at
once wait for each other. It runs on the machine's own Python, so it uses the standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


def main() -> None:
    if sys.version_info < OLDEST:
        sys.exit(f"Task Pipeline needs Python {'.'.join(map(str, OLDEST))} or newer; this is {sys.version.split()[0]}.")
    requirements = Path(sys.argv[1])
    here = os.open(".", os.O_RDONLY)
    fcntl.flock(here, fcntl.LOCK_EX)  # the checkout itself is the lock: no file to leave behind
    stamp = VENV / f"{requirements.name}.installed"
    wanted = fingerprint(requirements)
    if stamp.exists() and stamp.read_text() == wanted and works("-c", "pass"):
        return
    print(f"Installing {requirements} into {VENV}/ ...", file=sys.stderr)
    make()
    done = subprocess.run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "-r", requirements]
    )
    if done.returncode != 0:
        sys.exit(f"pip could not install {requirements}: see above.")
    for file in (requirements, *included(requirements)):
        (VENV / f"{file.name}.installed").write_text(fingerprint(file))


def make() -> None:
    """Make the virtualenv unless it is there and works; a half-made one, or one that was moved, is made anew."""
    if works("-m", "pip", "--version"):
        return
    try:
        venv.create(VENV, clear=True, symlinks=True, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit("Python's venv module does not work here; on Debian and Ubuntu: apt-get install python3-venv")


def works(*arguments: str) -> bool:
    """Tell whether the virtualenv's Python runs this."""
    try:
        return (
            subprocess.run([PYTHON, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        )
    except OSError:
        return False


def included(requirements: Path) -> list[Path]:
    """Return the requirements files that this one takes in."""
    lines = requirements.read_text().splitlines()
    return [requirements.with_name(line.split()[1]) for line in lines if line.startswith("-r ")]


def fingerprint(requirements: Path) -> str:
    """Return what the virtualenv is made from: the files and the Python."""
    content = sys.version.encode()
    for file in (requirements, *included(requirements)):
        content += file.read_bytes()
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
