"""A pipeline that is deleted is there or not, whole, and stands in nobody's way meanwhile."""

from __future__ import annotations

import pytest

from clients.registration import create_client
from pipelines import pruning
from pipelines.models import Pipeline
from tests.api import as_client, document, shell
from tests.concurrency import begin, held_elsewhere, result
from tests.scenes import a_runner, claim_all, run

pytestmark = pytest.mark.django_db(transaction=True)


def test_nobody_sees_half_of_it_and_nobody_waits_for_it() -> None:
    api = as_client(create_client("owner"))
    a_runner()
    made = api.post("pipelines/", document(shell("a"), shell("b"), name="old")).json()["id"]
    for each in claim_all():
        run(each)
    with held_elsewhere(lambda: pruning.delete_pipelines([made])):
        shown = result(begin(lambda: api.get(f"pipelines/{made}/"))).json()
        assert [len(stage["jobs"]) for stage in shown["stages"]] == [2]
        assert len(api.get(f"jobs/?pipeline={made}").json()["results"]) == 2
        # Another goes its whole way meanwhile.
        assert result(begin(lambda: api.post("pipelines/", document(name="new")))).status_code == 201
        (job,) = claim_all()
        assert run(job).state == "DONE"
    assert api.get(f"pipelines/{made}/").status_code == 404
    assert Pipeline.objects.get().name == "new"
