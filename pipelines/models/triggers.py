"""Triggers that keep a table's states and write its history, whoever writes: Django, COPY or psql."""

from __future__ import annotations

import pgtrigger

from pipelines.states import EDGES, State

# What an event tells of the row that moved, by table.
_COLUMNS = {
    "pipeline": "{row}.id, NULL::bigint, NULL::bigint, 0, '', {row}.reason",
    "stage": "{row}.pipeline_id, {row}.id, NULL::bigint, 0, '', ''",
    "job": "{row}.pipeline_id, {row}.stage_id, {row}.id, {row}.attempt, {row}.runner_name, {row}.reason",
}


def _insert(table: str, *, row: str, from_state: str) -> str:
    return (
        "INSERT INTO pipelines_event "
        "(pipeline_id, stage_id, job_id, attempt, runner_name, reason, subject, from_state, to_state) "
        f"SELECT {_COLUMNS[table].format(row=row)}, '{table}', {from_state}, {row}.state"
    )


def state_events(table: str) -> list[pgtrigger.Trigger]:
    """Return the triggers that write one event a transition, the creation included, in the same transaction."""
    return [
        pgtrigger.Trigger(
            name=f"{table}_created_event",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=pgtrigger.Insert,
            referencing=pgtrigger.Referencing(new="created"),
            func=f"{_insert(table, row='created', from_state=repr(''))} FROM created ORDER BY created.id; RETURN NULL;",
        ),
        pgtrigger.Trigger(
            name=f"{table}_moved_event",
            when=pgtrigger.After,
            operation=pgtrigger.UpdateOf("state"),
            condition=pgtrigger.Q(old__state__df=pgtrigger.F("new__state")),
            func=f"{_insert(table, row='NEW', from_state='OLD.state')}; RETURN NULL;",
        ),
    ]


def only_along_edges(table: str) -> pgtrigger.Trigger:
    """Return the trigger that refuses a change of state along no edge; a change that may be calls no function."""
    edges = pgtrigger.Q()
    for source, target in sorted(EDGES):
        edges |= pgtrigger.Q(old__state=str(source), new__state=str(target))
    return pgtrigger.Trigger(
        name=f"{table}_edges",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf("state"),
        condition=pgtrigger.Q(old__state__df=pgtrigger.F("new__state")) & ~edges,
        func=(
            "RAISE EXCEPTION 'there is no transition from % to %', OLD.state, NEW.state "
            "USING ERRCODE = 'check_violation';"
        ),
    )


def only_ready_at_first(table: str) -> pgtrigger.Trigger:
    """Return the trigger that refuses a row created in any state but READY."""
    return pgtrigger.Protect(
        name=f"{table}_created_ready",
        operation=pgtrigger.Insert,
        condition=pgtrigger.Q(new__state__df=str(State.READY)),
    )
