"""The server of tests: store, rules, controllers and socket together, with handles for what tests do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from runners.kubernetes.connection import Connection
from tests.kubernetes_api.access import ADMIN_TOKEN, Access, Account, Rule
from tests.kubernetes_api.clock import Clock
from tests.kubernetes_api.controllers.base import Controller
from tests.kubernetes_api.controllers.garbage import GarbageCollector
from tests.kubernetes_api.controllers.jobs import JobController
from tests.kubernetes_api.controllers.pods import Kubelet
from tests.kubernetes_api.controllers.replicas import ReplicaSetController
from tests.kubernetes_api.controllers.rollouts import DeploymentController
from tests.kubernetes_api.faults import Dropped, Fault, Faults, Page
from tests.kubernetes_api.logs import Logs
from tests.kubernetes_api.ownership import Owner
from tests.kubernetes_api.patches import merge
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.resources import NAMESPACES, RESOURCES, Object
from tests.kubernetes_api.status import ApiError
from tests.kubernetes_api.store import Store
from tests.kubernetes_api.verbs import Api
from tests.kubernetes_api.wire import Listener


class ApiServer:
    """A cluster of one node. Methods that tests call do not count as requests."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.clock = Clock()
        self.store = Store(self.clock)
        self.logs = Logs(self.clock)
        self.access = Access()
        self.faults = Faults()
        self.log: list[Request] = []
        self.service_accounts = {"default"}
        self._api = Api(self.store, self.logs, self.access)
        self._controllers: Sequence[Controller] = (
            GarbageCollector(self.store),
            JobController(self.store),
            DeploymentController(self.store),
            ReplicaSetController(self.store),
            Kubelet(self.store, self.logs),
        )
        for controller in self._controllers:
            controller.service_accounts = self.service_accounts
        for namespace in ("default", "kube-system"):
            self.create_namespace(namespace)
        self._address = ("127.0.0.1", port)
        self._tls = tls
        self._listener: Listener | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{self._address[0]}:{self._address[1]}"

    @property
    def violations(self) -> list[str]:
        """What broke the published types, in bodies of either direction."""
        return self.store.violations

    def connection(self, *, token: str = ADMIN_TOKEN) -> Connection:
        return Connection(server=self.url, token=token)

    def start(self) -> None:
        """Listen, at the same address as before."""
        if self._listener is None:
            self._listener = Listener(self._address, self._handle, tls=self._tls)
            self._address = (self._address[0], self._listener.server_address[1])

    def stop(self) -> None:
        """Be unreachable; the cluster lives on."""
        self.faults.heal()
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def step(self, rounds: int = 1) -> None:
        """Let every controller, and then every pod, do one thing."""
        with self.store.lock:
            for _ in range(rounds):
                for controller in self._controllers:
                    controller.step()

    def settle(self, *, rounds: int = 100) -> None:
        """Step until nothing changes any more."""
        for _ in range(rounds):
            before = self.store.version
            self.step()
            if self.store.version == before and not any(controller.busy for controller in self._controllers):
                return
        raise AssertionError(f"the cluster does not come to rest within {rounds} rounds")

    def advance(self, seconds: float) -> None:
        """Move the cluster's clock on and let the controllers see it."""
        self.clock.advance(seconds)
        self.step()

    def create_namespace(self, name: str) -> None:
        self.store.create(NAMESPACES, "", {"metadata": {"name": name}})

    def objects(self, plural: str, namespace: str | None = None) -> list[Object]:
        with self.store.lock:
            return self.store.all(RESOURCES[plural], namespace)

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        with self.store.lock:
            return self.store.find(RESOURCES[plural], namespace, name)

    def delete(self, plural: str, namespace: str, name: str, *, propagation: str = "Background") -> None:
        """What somebody does with kubectl."""
        with self.store.lock:
            options = {"propagationPolicy": propagation}
            self.store.delete(RESOURCES[plural], namespace, name, options=options)

    def patch(self, plural: str, namespace: str, name: str, change: Object, *, manager: str = "kubectl") -> Object:
        """What somebody else does: a merge patch under another field manager."""
        with self.store.lock:
            resource = RESOURCES[plural]
            after: Object = merge(self.store.get(resource, namespace, name), change)
            subresource = "status" if set(change) == {"status"} else ""
            return self.store.update(resource, namespace, name, after, owner=Owner(manager, "Update", subresource))

    def write_log(self, pod: Object, text: str, *, container: str = "") -> None:
        """A container says something more."""
        with self.store.lock:
            self.logs.write(pod, text, container=container)

    def add_token(self, token: str, *, rules: list[Rule], namespaces: Sequence[str] = ()) -> None:
        """Let a token do what the rules of a Role say, in these namespaces (none: in all)."""
        self.access.accounts[token] = Account(f"account-{len(self.access.accounts)}", rules, list(namespaces))

    def revoke(self, token: str = ADMIN_TOKEN) -> None:
        self.access.accounts.pop(token)

    def deny(self, verb: str, resource: str) -> None:
        """Take a right from everybody."""
        self.access.denied.add((verb, resource))

    def fail(self, **what: Any) -> None:
        """Let requests go wrong; see `Fault`. Until `heal`, unless `times` says how often."""
        self.faults.add(Fault(**what))

    def heal(self) -> None:
        self.faults.heal()
        self.access.denied.clear()

    def expire_continues(self) -> None:
        """Answer 410 to every list that is continued from before now."""
        with self.store.lock:
            self._api.expire_lists()

    def count(self, *, verb: str = "", resource: str = "") -> int:
        return sum(request.verb == (verb or request.verb) and resource in ("", request.plural) for request in self.log)

    def _handle(self, request: Request) -> tuple[int, Object | bytes, bool]:
        self.log.append(request)
        try:
            cut = self.faults.strike(request, after=False) is not None
            self.access.check(request)
            request.status, answer = self._api.answer(request)
            cut = cut or self.faults.strike(request, after=True) is not None
            return request.status, answer, cut
        except ApiError as error:
            request.status = error.code
            raise
        except Page as page:
            request.status = page.status
            raise
        except Dropped:
            request.status = 0
            raise


@contextmanager
def serving(*, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[ApiServer]:
    """A server until the block ends. Fails if a body broke the published types."""
    server = ApiServer(port=port, tls=tls)
    try:
        yield server
    finally:
        server.stop()
    assert not server.violations, server.violations
