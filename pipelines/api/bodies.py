"""Bodies as they were sent: the domain reads pipelines and jobs itself, so that every mistake keeps its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.utils.http import parse_header_parameters
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.exceptions import UnsupportedMediaType as UnsupportedType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from pipelines.definition import Limits

_PIECE = 1 << 16
# Of a body that is too large so much is read and dropped, so that the answer arrives: who closes a connection while
# the other side still sends has it reset, and the answer is lost.
_DRAINED_BYTES = 256 << 20
_CHARSETS = ("utf-8", "utf8", "us-ascii")


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class LengthRequired(APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the body with a Content-Length."


@dataclass(frozen=True)
class Body:
    """The bytes of a body and the media type they were sent as."""

    content: bytes
    media_type: str


class RawParser(BaseParser):
    """Hands the body over unread, up to MAX_DOCUMENT_BYTES; raises TooLarge, or UnsupportedMediaType for a charset."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        main, parameters = parse_header_parameters(media_type or "")
        # A parser is chosen for `application/*` as well, and whatever the charset says.
        if main != self.media_type or parameters.get("charset", "utf-8").lower() not in _CHARSETS:
            raise UnsupportedType(media_type or "")
        return Body(content=read_bounded(stream, limit=settings.MAX_DOCUMENT_BYTES), media_type=self.media_type)


def read_bounded(stream: IO[Any], *, limit: int) -> bytes:
    """Return the whole stream; raise TooLarge, once it is drained, if it holds more than `limit` bytes."""
    content: bytes = stream.read(limit + 1)
    if len(content) <= limit:
        return content
    drained = len(content)
    while drained < _DRAINED_BYTES and (piece := stream.read(_PIECE)):
        drained += len(piece)
    raise TooLarge(f"The body holds more than {limit} bytes.")


def body_of(request: Request) -> Body:
    """Return the body of a request to a view with these parsers; raise what they raise, and LengthRequired."""
    data: object = request.data
    if isinstance(data, Body):
        return data
    # No parser was asked where no length was given: there is no body, or the server hands chunks over as they come.
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        raise LengthRequired
    return Body(content=b"", media_type=RawJSONParser.media_type)


class RawJSONParser(RawParser):
    media_type = "application/json"


class RawYAMLParser(RawParser):
    media_type = "application/yaml"


class RawXYAMLParser(RawParser):
    media_type = "application/x-yaml"


class RawTextYAMLParser(RawParser):
    media_type = "text/yaml"


PARSERS: list[type[RawParser]] = [RawJSONParser, RawYAMLParser, RawXYAMLParser, RawTextYAMLParser]


def limits() -> Limits:
    """Return the document limits of this service."""
    return Limits(max_jobs=settings.MAX_JOBS_PER_PIPELINE, max_characters=settings.MAX_DOCUMENT_BYTES)
