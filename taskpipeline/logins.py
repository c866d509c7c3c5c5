"""Who tries to log in: from where, and what they are told once they tried too often (django-axes keeps count)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# What one caller of IPv6 has: whole networks of addresses, of which each try could come from another.
_OWN_PREFIX = 64
_NAME_LENGTH = 255


def client_address(request: HttpRequest) -> str | None:
    """Return where the request comes from, an IPv6 address as its network; None if that cannot be told.

    It is the peer's, and behind a proxy what the proxy added last to X-Forwarded-For: what stands before it there may
    be anybody's invention, and without a proxy all of it.
    """
    given = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        given = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() or given
    try:
        address: IPv4Address | IPv6Address | None = ip_address(given)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or IPv6Network((int(address), _OWN_PREFIX), strict=False).network_address
    return str(address)


def login_name(request: HttpRequest, credentials: Mapping[str, str] | None) -> str | None:
    """Return the name somebody tries, cut to what its column takes: the login form lets any length through."""
    name = (credentials or request.POST).get("username")
    return None if name is None else name[:_NAME_LENGTH]


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: object) -> HttpResponse:
    """Answer who tried too often, and for the time being whoever tries that name from that address."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    answer = render(request, "locked_out.html", {"minutes": -(-seconds // 60)}, status=429)
    answer.headers["Retry-After"] = str(seconds)
    answer.headers["Cache-Control"] = "no-store"
    return answer
