from __future__ import annotations

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from clients.models import Client


def requesting_client(request: Request) -> Client | None:
    """Return the client that asks, or None if it is somebody else: staff, where the permissions let only these in."""
    user: object = request.user  # a Client too, which the stubs of DRF cannot know
    return user if isinstance(user, Client) else None


def submitting_client(request: Request) -> Client:
    """Return the client that a submission is for: the one that asks, or whom staff name by `?client=CLIENT_ID`.

    Raises ValidationError if staff name nobody, NotFound if there is no such client or, for a client, it is another.
    """
    named = request.query_params.get("client", "")
    asking = requesting_client(request)
    if asking is not None:
        if named not in ("", asking.client_id):
            raise NotFound("There is no such client.")
        return asking
    if not named:
        raise ValidationError({"client": ["Say for which client: add ?client=CLIENT_ID."]})
    client = None if "\0" in named else Client.objects.filter(client_id=named).first()
    if client is None:
        raise NotFound("There is no such client.")
    return client
