from __future__ import annotations

import pytest
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.urls("tests.clients.urls")


def test_the_document_shows_both_ways_of_a_client_and_the_session_of_staff() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)

    schemes = document["components"]["securitySchemes"]
    flow = schemes["clientCredentials"]["flows"]["clientCredentials"]
    assert (flow["tokenUrl"], list(flow["scopes"])) == ("/oauth/token/", ["api"])
    assert schemes["clientSecret"]["scheme"] == "basic"
    ways = document["paths"]["/things/"]["get"]["security"]
    assert [name for way in ways for name in way] == ["clientCredentials", "clientSecret", "cookieAuth"]
