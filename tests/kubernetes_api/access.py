"""Who may do what: bearer tokens and the rules of Roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.status import ApiError, forbidden

ADMIN_TOKEN = "an-admin-token-for-tests"
EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]

Rule = dict[str, Any]


@dataclass
class Account:
    """A service account: its rules hold in its namespaces, everywhere if there are none."""

    name: str
    rules: list[Rule]
    namespaces: list[str] = field(default_factory=list)

    def may(self, request: Request, *, verb: str) -> bool:
        if request.resource is None:
            return True  # /version and the like are everybody's
        if self.namespaces and request.namespace not in self.namespaces:
            return False
        asked = (request.resource.group, request.plural, verb)
        return any(
            all(
                wanted in allowed or "*" in allowed
                for wanted, allowed in zip(asked, (rule["apiGroups"], rule["resources"], rule["verbs"]), strict=True)
            )
            and (not rule.get("resourceNames") or request.name in rule["resourceNames"])
            for rule in self.rules
        )


@dataclass
class Access:
    accounts: dict[str, Account] = field(default_factory=lambda: {ADMIN_TOKEN: Account("admin", EVERYTHING)})
    certificates: dict[str, Account] = field(default_factory=dict)
    """By the name in a client's certificate."""
    denied: set[tuple[str, str]] = field(default_factory=set)
    """Verb and resource that nobody may, for tests that take a right away."""
    used: set[tuple[str, str, str]] = field(default_factory=set)
    """Group, resource and verb of every right that was asked for and there."""

    def check(self, request: Request, *, verb: str = "") -> None:
        """Hold the request's account against its rules, for another verb than its own if one is named.

        Raises ApiError 401 or 403.
        """
        verb = verb or request.verb
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        account = self.accounts.get(token) if scheme == "Bearer" else self.certificates.get(request.peer)
        if account is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        if request.resource is None:
            return
        if account.may(request, verb=verb) and (verb, request.plural) not in self.denied:
            self.used.add((request.resource.group, request.plural, verb))
            return
        where = f' in the namespace "{request.namespace}"' if request.namespace else " at the cluster scope"
        why = f'User "system:serviceaccount:tests:{account.name}" cannot {verb} resource "{request.plural}" in'
        raise forbidden(request.resource, request.name, f'{why} API group "{request.resource.group}"{where}')
