"""What can go wrong in the agent."""

from __future__ import annotations


class AgentError(Exception):
    """The agent cannot go on; the message says what to do."""


class ConfigurationError(AgentError):
    """Something that the agent was started with is not usable."""


class RequestError(AgentError):
    """A message on the queue is not an execute request."""


class StartError(AgentError):
    """The work of a request cannot be started here; the message goes into the attempt."""


class GuardianLostError(AgentError):
    """The guardian process ended: nobody watches over the work any more."""
