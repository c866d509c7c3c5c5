"""Requests as servers hand them over, made fit for Django, which would misread or choke on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# More than any body; readers stop where the body ends, and those with a bound at their bound.
_UNKNOWN_LENGTH = str(2**63 - 1)


def mended(application: WSGIApplication) -> WSGIApplication:
    """Return the application behind what mends its requests.

    A body in chunks has no length, which Django takes for no body; a server that says `wsgi.input_terminated` has
    decoded it and ends it. A Content-Type that cannot be parsed raises where nothing of Django catches it: without
    one, the request is answered like any other of a media type that is not taken.
    """

    def call(environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]:
        if environ.get("wsgi.input_terminated") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            environ["CONTENT_LENGTH"] = _UNKNOWN_LENGTH
        try:
            parse_header_parameters(environ.get("CONTENT_TYPE", ""))
        except ValueError:
            environ["CONTENT_TYPE"] = ""
        return application(environ, start_response)

    return call
