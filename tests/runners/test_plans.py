"""Plans are kept: what is on the way of every job must not be planned for tables that are still empty."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pipelines.api import summaries
from tests.scenes import STARTED, SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, report

pytestmark = pytest.mark.django_db

GROWING = re.compile(r"Seq Scan on pipelines_(job|stage|pipeline|event)|Seq Scan on runners_(attempt|logchunk)")


def test_no_statement_of_a_job_s_way_reads_a_growing_table_whole() -> None:
    a_runner()
    client = a_client()
    with CaptureQueriesContext(connection) as asked:
        a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
        for _ in range(2):
            (job,) = claim_all()
            report(job, STARTED, SUCCEEDED)
        summaries.newest(client, at_most=51)
    statements = [query["sql"] for query in asked if re.match(r"\s*(SELECT|WITH|UPDATE|INSERT)", query["sql"])]
    plans = {}
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement.replace('%', '%%')}")
            plans[statement] = "\n".join(line for (line,) in cursor.fetchall())
    assert len(plans) > 20
    assert "Sort Key: pipelines_pipeline.id" not in plans[statements[-1]]  # of all that the client ever had
    assert {statement: plan for statement, plan in plans.items() if GROWING.search(plan)} == {}
