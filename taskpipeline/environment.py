from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def _refuse(name: str, *, value: str, expected: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}={value!r} is not usable: expected {expected}.")


def text(name: str, *, default: str = "") -> str:
    """Return the variable, or the default where it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def choice(name: str, *, among: Iterable[str], default: str) -> str:
    """Return the variable, one of the words; raise ImproperlyConfigured for any other."""
    value = text(name, default=default)
    if value not in among:
        raise _refuse(name, value=value, expected=" or ".join(among))
    return value


def boolean(name: str, *, default: bool) -> bool:
    """Return the variable as a truth value; raise ImproperlyConfigured for any other word."""
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise _refuse(name, value=value, expected="true or false")


def integer(name: str, *, default: int, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """Return the variable as a whole number within its bounds; raise ImproperlyConfigured otherwise."""
    value = text(name)
    if not value:
        return default
    expected = f"a whole number from {minimum} to {maximum}"
    try:
        number = int(value)
    except ValueError:
        raise _refuse(name, value=value, expected=expected) from None
    if not minimum <= number <= maximum:
        raise _refuse(name, value=value, expected=expected)
    return number


def optional_integer(name: str, *, minimum: int = 0) -> int | None:
    """Return the variable as a whole number, or None where it is unset: no limit."""
    return integer(name, default=0, minimum=minimum) if text(name) else None


def seconds(name: str, *, default: float, minimum: float = 0.1) -> float:
    """Return the variable as a duration in seconds; raise ImproperlyConfigured otherwise."""
    value = text(name)
    if not value:
        return default
    expected = f"a number of seconds, at least {minimum:g}"
    try:
        number = float(value)
    except ValueError:
        raise _refuse(name, value=value, expected=expected) from None
    if not minimum <= number <= 10**9:
        raise _refuse(name, value=value, expected=expected)
    return number


def words(name: str, *, default: Iterable[str] = ()) -> list[str]:
    """Return the variable as a list split at commas."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else list(default)


def url(name: str, *, schemes: Iterable[str], default: str = "") -> str:
    """Return the variable as a URL of one of the schemes; raise ImproperlyConfigured otherwise.

    The value itself is not repeated in the error: URLs carry passwords.
    """
    value = text(name, default=default)
    if value and urlsplit(value).scheme not in schemes:
        raise ImproperlyConfigured(f"{name} is not usable: expected a URL starting with {' or '.join(schemes)}://.")
    return value


def directory(name: str, *, default: Path) -> Path:
    """Return the variable as an absolute path."""
    return Path(text(name, default=str(default))).expanduser().absolute()
