"""A pipeline that is deleted is there or not, whole, and stands in nobody's way meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db.models import QuerySet

from clients.registration import create_client
from pipelines import bulk, pruning
from pipelines.models import Pipeline
from tests.api import as_client, as_operator, document, shell
from tests.concurrency import PATIENCE_SECONDS, begin, eventually, result
from tests.scenes import a_runner, claim_all, run

pytestmark = pytest.mark.django_db(transaction=True)


def test_nobody_sees_half_of_it_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    api, operator = as_client(create_client("owner")), as_operator()
    a_runner()
    made = api.post("pipelines/", document(shell("a"), shell("b"), name="old")).json()["id"]
    for each in claim_all():
        run(each)
    halfway, go_on, delete = threading.Event(), threading.Event(), bulk.delete_with_dependants

    def slowly(rows: QuerySet[Any], **options: Any) -> None:
        if rows.model is Pipeline:  # its jobs are gone by now
            halfway.set()
            assert go_on.wait(PATIENCE_SECONDS)
        delete(rows, **options)

    monkeypatch.setattr(pruning, "delete_with_dependants", slowly)
    deletion = begin(lambda: operator.delete(f"pipelines/{made}/"))
    try:
        eventually(lambda: halfway.is_set() or deletion.done())
        shown = api.get(f"pipelines/{made}/").json()
        assert [len(stage["jobs"]) for stage in shown["stages"]] == [2]
        assert len(api.get(f"jobs/?pipeline={made}").json()["results"]) == 2
        # Another goes its whole way meanwhile.
        assert result(begin(lambda: api.post("pipelines/", document(name="new")))).status_code == 201
        (job,) = claim_all()
        assert run(job).state == "DONE"
    finally:
        go_on.set()
    assert result(deletion).status_code == 204
    assert api.get(f"pipelines/{made}/").status_code == 404
    assert Pipeline.objects.get().name == "new"
