from __future__ import annotations

from functools import partial

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class SlashMiddleware(CommonMiddleware):
    """Django's, but who forgets the slash is sent on with the method and body they came with (308).

    After a 301 most clients repeat a POST as a GET: a submission would turn into the list of pipelines, with a 200.
    """

    response_redirect_class = partial(HttpResponsePermanentRedirect, preserve_request=True)  # type: ignore[assignment]
