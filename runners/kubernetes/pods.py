"""Why a pod failed, and why one does not run: typed reasons from pod and container statuses and from events."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runners.kubernetes.reading import (
    Object,
    condition,
    events_about,
    first_seen,
    holds,
    is_being_deleted,
    name_of,
    sentence,
    status_of,
    time_of,
    uid_of,
)
from runners.kubernetes.standing import Verdict

GRACE = timedelta(seconds=30)
"""How long a pod may be refused its image or its configuration before that decides: both may yet come right."""

IMAGE_PULL = "image_pull"
CONFIG_ERROR = "config_error"
OOM_KILLED = "oom_killed"
EVICTED = "evicted"
DISRUPTION = "disruption"
UNSCHEDULABLE = "unschedulable"
CRASH_LOOP = "crash_loop"
EXIT_CODE = "exit_code"
SIGNAL = "signal"
POD_LOST = "pod_lost"

_IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "ErrImageNeverPull", "RegistryUnavailable"}
    | {"SignatureValidationFailed"}
)
_CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"}
    | {"PreStartHookError", "PostStartHookError"}
)
_START_REASONS = frozenset({"StartError", "ContainerCannotRun", *_CONFIG_REASONS})
_NODE_REASONS = frozenset({"NodeShutdown", "Shutdown", "Terminated", "NodeLost", "Preempting", "Preempted"})
_FAILING_EVENTS = frozenset({"Failed", "BackOff", "InspectFailed", "ErrImageNeverPull"})
_ADVICE = (
    (
        ("unauthorized", "authentication required", "denied", "forbidden", "no basic auth"),
        "The registry refused: correct 'image_name', or name a secret that may pull it in 'image_pull_secrets'.",
    ),
    (("not found", "notfound", "manifest unknown", "does not exist"), "Correct 'image_name': there is no such image."),
    (
        ("toomanyrequests", "too many requests", "qps", "timeout", "no such host", "connection refused", "dial tcp"),
        "The registry did not answer the node: try again later, and check that the nodes reach it.",
    ),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not run; `is_fatal` once waiting longer would not help."""

    reason: str
    message: str
    is_fatal: bool = False


def trouble_of(pod: Object, *, main: str, events: Sequence[Object], now: datetime) -> Trouble | None:
    """Return what keeps a pod that has not ended from running, if anything does; `main` names its own container."""
    if is_being_deleted(pod) or status_of(pod).get("phase") in ("Succeeded", "Failed"):
        return None
    scheduled = condition(pod, kind="PodScheduled") or {}
    if scheduled.get("status") == "False":
        return _unscheduled(scheduled)
    found = (_waiting(pod, status, events=events, now=now) for status in _container_statuses(pod, main=main))
    return next((each for each in found if each), None)


def failure_of(pod: Object, *, main: str) -> Verdict:
    """Return why a pod that ended failed, without evidence: its own word first, then its containers' in their order."""
    status, disrupted = status_of(pod), holds(pod, kind="DisruptionTarget")
    reason, said = str(status.get("reason") or ""), sentence(status.get("message"))
    ended = _failed_container(pod, main=main)
    if disrupted or reason == "Evicted" or reason in _NODE_REASONS:
        return _taken_away(pod, main=main, reason=reason, said=said, disrupted=disrupted)
    if reason and not _has_run(pod, main=main):
        message = f"The node refused the pod {name_of(pod)} ({reason}). {said} It is tried again off the job's retries."
        return Verdict("lost", reason=DISRUPTION, message=message)
    if ended is None:
        message = f"The pod {name_of(pod)} failed and no container says why. {said} Look at the node it ran on."
        return Verdict("lost", reason=POD_LOST, message=message)
    return _ended(pod, *ended)


def _unscheduled(scheduled: Object) -> Trouble:
    if scheduled.get("reason") == "SchedulingGated":
        message = "Waits for its scheduling gates to be removed: something in the cluster holds the pod back."
        return Trouble(UNSCHEDULABLE, message)
    advice = "Ask for less in 'resources', correct 'node_selector', or add a node; a 'timeout' bounds the wait."
    return Trouble(UNSCHEDULABLE, f"No node can take the pod. {sentence(scheduled.get('message'))} {advice}")


def _waiting(pod: Object, status: Object, *, events: Sequence[Object], now: datetime) -> Trouble | None:
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, said = waiting.get("reason"), sentence(waiting.get("message"))
    image = str(status.get("image") or _image(pod, name=status.get("name")))
    is_fatal = now - (_failing_since(pod, events=events) or now) >= GRACE
    if reason == "InvalidImageName":
        message = f"'{image}' is no name of an image: correct 'image_name'. {said}"
        return Trouble(CONFIG_ERROR, message, is_fatal=True)
    if reason in _IMAGE_REASONS:
        # The container only says that the kubelet waits; what went wrong may be in the events alone.
        told = said if len(said) > 100 else f"{said} {_told(pod, events=events)}"
        message = f"The image '{image}' cannot be pulled ({reason}). {told.strip()} {_advice(reason, told)}"
        return Trouble(IMAGE_PULL, message, is_fatal=is_fatal)
    if reason in _CONFIG_REASONS:
        message = f"The container {status.get('name')} cannot be made ({reason}). {said} {_correct(said)}"
        return Trouble(CONFIG_ERROR, message, is_fatal=is_fatal)
    if reason == "CrashLoopBackOff":
        ended = (status.get("lastState") or {}).get("terminated") or {}
        verdict = _ended(pod, str(status.get("name")), ended)
        return Trouble(CRASH_LOOP, f"It starts and ends again and again. {verdict.message}")
    return None


def _failing_since(pod: Object, *, events: Sequence[Object]) -> datetime | None:
    """Return since when it fails: from its events, or else, too early rather than too late, since it had a node."""
    failing = (
        first_seen(event) for event in events_about(uid_of(pod), among=events) if event.get("reason") in _FAILING_EVENTS
    )
    seen = min((each for each in failing if each), default=None)
    ready = holds(pod, kind="PodReadyToStartContainers") or holds(pod, kind="PodScheduled") or {}
    return seen or time_of(ready.get("lastTransitionTime")) or time_of(status_of(pod).get("startTime"))


def _told(pod: Object, *, events: Sequence[Object]) -> str:
    failed = (event for event in events_about(uid_of(pod), among=events) if event.get("reason") == "Failed")
    return sentence(max((str(event.get("message") or "") for event in failed), key=len, default=""))


def _advice(reason: str, told: str) -> str:
    if reason == "ErrImageNeverPull":
        return "The node does not have it and 'image_pull_policy' is Never: choose another policy."
    lower = told.lower()
    found = (advice for words, advice in _ADVICE if any(word in lower for word in words))
    return next(found, "Check 'image_name', 'image_pull_secrets', and that the nodes reach the registry.")


def _correct(said: str) -> str:
    if "secret" in said.lower() or "configmap" in said.lower():
        return "Make what it refers to in the namespace."
    return "Correct 'command', 'args', 'env' or the image."


def _taken_away(pod: Object, *, main: str, reason: str, said: str, disrupted: Object | None) -> Verdict:
    why = str((disrupted or {}).get("reason") or reason)
    said = said or sentence((disrupted or {}).get("message"))
    typed = EVICTED if reason == "Evicted" or why == "EvictionByEvictionAPI" else DISRUPTION
    if typed == EVICTED and disrupted is None and _has_run(pod, main=main):
        # Nobody but the pod itself: under pressure of the node the kubelet says so.
        message = f"The pod {name_of(pod)} was evicted for what it used. {said} Raise its limits in 'resources', "
        return Verdict("failed", reason=EVICTED, message=message + "'ephemeral-storage' above all, or use less.")
    message = f"The cluster took the pod {name_of(pod)} away ({why}). {said} It is tried again off the job's retries."
    return Verdict("lost", reason=typed, message=message)


def _ended(pod: Object, container: str, ended: Object) -> Verdict:
    """Return what the end of a container that did not succeed means."""
    code, reason, said = ended.get("exitCode"), ended.get("reason"), sentence(ended.get("message"))
    code = code if isinstance(code, int) else None
    number = ended.get("signal") or (code - 128 if code is not None and 128 < code <= 128 + 64 else None)
    if reason == "OOMKilled":
        message = (
            f"{container} used more memory than it may{_memory_limit(pod, name=container)}: raise the memory limit "
        )
        return Verdict("failed", OOM_KILLED, message + "in 'resources', or use less.", exit_code=code, signal=number)
    if reason in _START_REASONS:
        message = f"{container} could not be started. {said} Correct 'command', 'args' or the image."
        return Verdict("failed", CONFIG_ERROR, message, exit_code=code)
    if reason == "ContainerStatusUnknown":
        message = f"The node lost sight of {container} in the pod {name_of(pod)}. {said} Look at the node it ran on."
        return Verdict("lost", POD_LOST, message)
    if number is not None:
        message = f"{container} was killed by signal {number} ({_signal_name(number)}), not by this service. {said}"
        return Verdict("failed", SIGNAL, message.strip(), exit_code=code, signal=number)
    message = f"{container} exited with code {code}; its log may say why. {said}"
    return Verdict("failed", EXIT_CODE, message.strip(), exit_code=code)


def _failed_container(pod: Object, *, main: str) -> tuple[str, Object] | None:
    for status in _container_statuses(pod, main=main):
        for state in (status.get("state") or {}, status.get("lastState") or {}):
            ended = state.get("terminated")
            if ended and ended.get("exitCode") != 0:
                return str(status.get("name")), ended
    return None


def _has_run(pod: Object, *, main: str) -> bool:
    """Tell whether the main container ever ran."""
    for status in status_of(pod).get("containerStatuses") or ():
        if status.get("name") == main:
            states = {**(status.get("lastState") or {}), **(status.get("state") or {})}
            started = str(states.get("terminated", {}).get("startedAt") or "")
            # The runtime says the epoch of what it never started.
            return "running" in states or (bool(started) and not started.startswith("1970-"))
    return False


def _container_statuses(pod: Object, *, main: str) -> Iterator[Object]:
    """Yield the statuses of containers in the order in which they explain a failure: init, main, what others put in."""
    status = status_of(pod)
    yield from status.get("initContainerStatuses") or ()
    yield from sorted(status.get("containerStatuses") or (), key=lambda each: each.get("name") != main)


def _containers(pod: Object) -> list[dict[str, Any]]:
    spec = pod.get("spec") or {}
    return [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]


def _image(pod: Object, *, name: object) -> object:
    return next((each.get("image") for each in _containers(pod) if each.get("name") == name), "")


def _memory_limit(pod: Object, *, name: str) -> str:
    limits = (
        (each.get("resources") or {}).get("limits") or {} for each in _containers(pod) if each.get("name") == name
    )
    limit = next(limits, {}).get("memory")
    return f" ({limit})" if limit else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unnamed"
