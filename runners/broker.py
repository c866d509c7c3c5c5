"""The broker's user of a server runner: it takes from its own queue, and reaches nothing else of the broker."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from runners.exceptions import InvalidRunner
from runners.models import Runner, RunnerType

# What the agent's consumer does (runners.agent.consumer), a message that it could not hand over put back included.
_COMMANDS = ("ping", "select", "brpop", "lpush")


@dataclass(frozen=True)
class BrokerUser:
    """A user of the broker; the password is known here alone, its line holds no more than its digest."""

    name: str
    queue: str
    password: str = field(repr=False)

    @property
    def acl(self) -> str:
        """Return the Redis command that makes the user, or replaces it with all its rights and its password."""
        digest = hashlib.sha256(self.password.encode()).hexdigest()
        commands = " ".join(f"+{command}" for command in _COMMANDS)
        return f"ACL SETUSER {self.name} reset on #{digest} resetchannels ~{self.queue} -@all {commands}"

    def url(self, broker_url: str) -> str:
        """Return the broker's URL as this user's; whoever's it was is not in it any more."""
        parts = urlsplit(broker_url)
        address = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{self.name}:{self.password}@{address}"))

    def shown(self) -> dict[str, str]:
        """Return what a command prints of it as JSON."""
        return {
            "broker_user": self.name,
            "broker_password": self.password,
            "broker_acl": self.acl,
            "broker_url": self.url(settings.REDIS_URL),
        }

    def explained(self) -> list[str]:
        """Return what a command prints of it for a person."""
        return [
            f"Its broker user, for redis-cli or the ACL file of the service's Redis: {self.acl}",
            f"Its BROKER_URL, shown only now (mind the address): {self.url(settings.REDIS_URL)}",
        ]


def new_broker_user(runner: Runner) -> BrokerUser:
    """Return a broker user for the runner, its password new; raise InvalidRunner for one without a queue.

    Nothing is kept and nobody told: its line is for whoever looks after the broker.
    """
    if runner.type != RunnerType.SERVER:
        raise InvalidRunner(f"Runner {runner.name} is of type {runner.type}; only a server runner has a queue.")
    # Of a runner's name nothing is special in an ACL or a URL: letters, digits, '.', '_' and '-'.
    return BrokerUser(name=runner.queue, queue=runner.queue, password=secrets.token_urlsafe(32))
