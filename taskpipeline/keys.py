from __future__ import annotations

import os
import secrets
from pathlib import Path


def local_secret_key(path: Path) -> str:
    """Return the key kept in the file, making it (mode 0600) at the first call.

    For a stack on one machine; production names its own SECRET_KEY. Where the file cannot be written the key lasts
    as long as the process.
    """
    key = secrets.token_urlsafe(64)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(key)
        try:
            # A link appears whole or not at all: processes that start together agree on one key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text()
    except OSError:
        return key
