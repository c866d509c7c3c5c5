from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.definition import Document, DocumentErrors, Limits, parse, parse_job, parse_job_changes
from pipelines.wording import MANY
from tests.pipelines.documents import document, job

LIMITS = Limits(max_jobs=50)
Names = Callable[[], Any]


def known(*names: str) -> Names:
    return lambda: frozenset(names)


def read(value: object, *, secrets: Names = frozenset, dumps: Callable[[object], str] = json.dumps) -> Document:
    return parse(dumps(value).encode(), media_type="application/json", limits=LIMITS, secrets=secrets)


def refused(value: object, *, secrets: Names = frozenset) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as refusal:
        read(value, secrets=secrets)
    return {error.pointer: error.detail for error in refusal.value.errors}


def asking(*commands: str, **env: str) -> dict[str, Any]:
    jobs = [job(name=f"job {number}", params={"command": text}) for number, text in enumerate(commands)]
    jobs[0]["params"] |= {"env": env} if env else {}
    return document(*jobs)


def test_a_known_name_stays_as_it_is_written() -> None:
    spec = read(asking("echo ${{ secrets.TOKEN }}"), secrets=known("TOKEN")).jobs[0]
    assert spec.params == {"command": "echo ${{ secrets.TOKEN }}"}


def test_all_unknown_names_come_back_with_everything_else_that_is_wrong() -> None:
    asked = asking("echo ${{ secrets.TOKE }}", "echo ${{ secrets.NOTHING_LIKE_IT }}", A="${{ secrets.TOKEN }}")
    asked["jobs"][1]["timeout"] = "soon"
    found = refused(asked, secrets=known("TOKEN"))
    assert list(found) == ["/jobs/0/params/command", "/jobs/1/params/command", "/jobs/1/timeout"]
    assert found["/jobs/0/params/command"] == "there is no secret 'TOKE': did you mean 'TOKEN'?"
    assert "PUT me/secrets/NAME/" in found["/jobs/1/params/command"]


@pytest.mark.parametrize(
    "text", ["${{ secrets.1A }}", "${{ secrets }}", "${{secrets.A-B}}", "${{ secrets.TOKEN }", "${{ secrets.TOKEN\n}}"]
)
def test_what_is_meant_as_a_reference_and_is_none_is_refused(text: str) -> None:
    (found,) = refused(asking(text), secrets=known("TOKEN")).items()
    assert found[0] == "/jobs/0/params/command" and "${{ secrets.NAME }}" in found[1]


def test_it_is_refused_where_it_stands_in_yaml() -> None:
    text = """\
stages: [build]
jobs:
- {name: a, stage: build, kind: Shell, version: 1.0.0,
   params: {command: [echo, '${{ secrets.NO }}']}}
"""
    with pytest.raises(DocumentErrors) as refusal:
        parse(text.encode(), media_type="application/yaml", limits=LIMITS)
    (error,) = refusal.value.errors
    assert (error.pointer, error.line, error.column) == ("/jobs/0/params/command/1", 4, 29)


@pytest.mark.parametrize("escaped", ["\\u0024{{ secrets.NO }}", "$\\u007b{ secrets.NO }}", "${\\u007b secrets.NO }}"])
def test_one_that_is_written_with_escapes_is_seen_too(escaped: str) -> None:
    body = json.dumps(asking("HERE")).replace("HERE", escaped).encode()
    for media_type in ("application/json", "application/yaml"):
        with pytest.raises(DocumentErrors, match="one mistake"):
            parse(body, media_type=media_type, limits=LIMITS)


def test_names_are_asked_for_once_and_only_when_something_refers_to_one() -> None:
    asked: list[str] = []

    def names() -> frozenset[str]:
        asked.append("names")
        return frozenset({"A"})

    read(asking("echo ${A} {{ secrets.A }}", "x\n"), secrets=names)
    assert not asked
    read(asking("echo ${{ secrets.A }}", "echo ${{ secrets.A }} ${{ secrets.A }}"), secrets=names)
    assert asked == ["names"]


def test_one_job_and_changes_of_one_are_checked_likewise() -> None:
    asked = job(params={"command": "echo ${{ secrets.TOKEN }}"})
    assert parse_job(asked, secrets=known("TOKEN")).params == asked["params"]
    changes = {"params": asked["params"]}
    assert parse_job_changes(changes, kind="Shell", version="1.0.0", secrets=known("TOKEN")) == changes
    for check in (
        lambda: parse_job(asked),
        lambda: parse_job_changes(changes, kind="Shell", version="1.0.0"),
    ):
        with pytest.raises(DocumentErrors) as refusal:
            check()
        assert [error.pointer for error in refusal.value.errors] == ["/params/command"]


def test_a_bomb_of_references_is_refused_without_much_ado(monkeypatch: pytest.MonkeyPatch) -> None:
    suggested: list[str] = []

    def suggestion(name: str, *, known: Any) -> None:
        suggested.extend(known)

    monkeypatch.setattr("pipelines.definition.secrets.suggestion", suggestion)
    texts = [" ".join(f"${{{{ secrets.N{number}_{each} }}}}" for each in range(20)) for number in range(3000)]
    with pytest.raises(DocumentErrors) as refusal:
        read(document(job(params={"command": texts})), secrets=known("NAME"))
    assert len(refusal.value.errors) == 100
    assert refusal.value.errors_omitted > MANY
    assert len(suggested) == 10


@pytest.mark.parametrize("text", ["${{ " * 200_000, "${{" + " " * 400_000, "${{ secrets." * 80_000])
def test_text_that_only_begins_like_references_is_read_in_one_go(text: str) -> None:
    assert "/jobs/0/params/command" in refused(asking(text))  # a search that goes back would not end
