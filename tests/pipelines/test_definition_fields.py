"""The fields of a document: what each takes, and how a mistake is told."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.definition import DocumentErrors, JobSpec
from tests.pipelines.documents import document, job, parse_json, parse_value, refused

NUL_FREE_CONTROLS = ["a\nb", "tab\t", "\x7f", "\x9f"]


@pytest.mark.parametrize("field", ["stages", "jobs"])
def test_a_document_without_stages_or_jobs_is_refused(field: str) -> None:
    value = document()
    del value[field]

    assert refused(value) == {f"/{field}": f"'{field}' is required"}


@pytest.mark.parametrize("value", [None, 5, True, "stages", [], [document()]])
def test_what_is_no_object_is_refused_at_its_root(value: object) -> None:
    assert list(refused(value)) == [""]


@pytest.mark.parametrize("field", ["name", "stage", "kind", "version", "params"])
def test_each_required_field_of_a_job_is_missed_at_its_place(field: str) -> None:
    first = job()
    del first[field]

    assert refused(document(first, job(name="two")))[f"/jobs/0/{field}"] == f"'{field}' is required"


@pytest.mark.parametrize(
    ("field", "wrong", "expected"),
    [
        ("name", 5, "must be a string, not the number 5: put it in quotes"),
        ("name", True, "must be a string, not true: put it in quotes"),
        ("name", None, "must be a string, not null"),
        ("name", ["a"], "must be a string, not a list"),
        ("name", "", "must have at least 1 character, not 0"),
        ("name", "x" * 256, "must have at most 255 characters, not 256"),
        ("version", 1.0, "must be a string, not the number 1.0: put it in quotes"),
        ("version", "1.0", "'1.0' is not a semantic version like '1.0.0' (MAJOR.MINOR.PATCH)"),
        ("version", "v1.0.0", "'v1.0.0' is not a semantic version like '1.0.0' (MAJOR.MINOR.PATCH)"),
        ("version", "1.1.0", "Shell does not exist in version 1.1.0 or a later 1.x; there is 1.0.0"),
        ("version", "2.0.0", "Shell does not exist in version 2.0.0 or a later 2.x; there is 1.0.0"),
        ("kind", "shell", "there is no kind 'shell': did you mean 'Shell'?"),
        ("kind", "Cobol/Job", "there is no kind 'Cobol/Job'; there is K8S/Deployment, K8S/Job, Shell"),
        ("params", "true", "must be an object, not the string 'true'"),
        ("params", [], "must be an object, not a list"),
        ("params", None, "must be an object, not null"),
        ("priority", -1, "must be at least 0, not the number -1"),
        ("priority", 32768, "must be at most 32767, not the number 32768"),
        ("priority", True, "must be an integer, not true"),
        ("priority", 1.0, "must be an integer, not the number 1.0"),
        ("priority", "10", "must be an integer, not the string '10': remove the quotes"),
        ("priority", None, "must be an integer, not null"),
        ("retry_attempt", -1, "must be at least 0, not the number -1"),
        ("retry_attempt", 101, "must be at most 100, not the number 101"),
        ("allow_failure", 1, "must be true or false, not the number 1"),
        ("allow_failure", "yes", "must be true or false, not the string 'yes': write true or false, without quotes"),
        ("timeout", 0, "must be at least 1, not the number 0"),
        ("timeout", 31536001, "must be at most 31536000, not the number 31536001"),
        ("timeout", False, "must be an integer, not false"),
        ("timeout", "60s", "must be an integer, not the string '60s'"),
    ],
)
def test_a_wrong_value_in_a_job_is_refused_with_what_was_expected(field: str, wrong: object, expected: str) -> None:
    assert refused(document(job(), job(**{"name": "two", field: wrong}))) == {f"/jobs/1/{field}": expected}


@pytest.mark.parametrize("name", NUL_FREE_CONTROLS)
def test_names_have_no_control_characters(name: str) -> None:
    found = refused(document(job(name=name), name=name))

    assert list(found) == ["/jobs/0/name", "/name"]
    assert "control characters" in found["/name"]


@pytest.mark.parametrize("item", [5, "x", None, [job()]])
def test_a_job_that_is_no_object_is_refused(item: object) -> None:
    assert list(refused(document(job(), item))) == ["/jobs/1"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"priority": -1}, "/priority"),
        ({"priority": 32768}, "/priority"),
        ({"name": 5}, "/name"),
        ({"name": ""}, "/name"),
        ({"labels": []}, "/labels"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"labels": {"a": "x" * 256}}, "/labels/a"),
        ({"labels": {"": "x"}}, "/labels/"),
        ({"labels": {"k" * 64: "x"}}, "/labels/" + "k" * 64),
        ({"labels": {"a=b": "x"}}, "/labels/a=b"),
        ({"labels": {"a\n": "x"}}, "/labels/a\n"),
        ({"labels": {f"k{number}": "x" for number in range(65)}}, "/labels"),
        ({"callback_url": "ftp://example.com/"}, "/callback_url"),
        ({"callback_url": "example.com"}, "/callback_url"),
        ({"callback_url": "http://"}, "/callback_url"),
        ({"callback_url": "http:///path"}, "/callback_url"),
        ({"callback_url": "https://exa mple.com/"}, "/callback_url"),
        ({"callback_url": "https://example.com:99999/"}, "/callback_url"),
        ({"callback_url": "https://user:pass@example.com/"}, "/callback_url"),
        ({"callback_url": "https://example.com\\@localhost/"}, "/callback_url"),
        ({"callback_url": "https://example.com/" + "x" * 2048}, "/callback_url"),
        ({"callback_url": 5}, "/callback_url"),
        ({"stages": "build"}, "/stages"),
        ({"stages": {"build": None}}, "/stages"),
        ({"stages": ["build", "build"]}, "/stages/1"),
        ({"jobs": []}, "/jobs"),
        ({"jobs": {"one": job()}}, "/jobs"),
    ],
)
def test_a_wrong_value_at_the_top_is_refused_at_its_place(changes: dict[str, Any], pointer: str) -> None:
    assert list(refused(document(**changes))) == [pointer]


@pytest.mark.parametrize(
    ("misspelt", "meant"), [("timout", "timeout"), ("Priority", "priority"), ("allow-failure", "allow_failure")]
)
def test_an_unknown_field_close_to_a_known_one_is_refused_with_the_suggestion(misspelt: str, meant: str) -> None:
    found = refused(document(job(**{misspelt: 5})))

    assert found == {f"/jobs/0/{misspelt}": f"'{misspelt}' is not a known field: did you mean '{meant}'?"}


def test_an_unknown_field_far_from_all_is_refused_with_those_there_are() -> None:
    assert "there is name, priority" in refused(document(colour="red"))["/colour"]


def test_a_misspelt_required_field_is_one_mistake() -> None:
    misspelt = job()
    misspelt["stag"] = misspelt.pop("stage")

    assert list(refused(document(misspelt))) == ["/jobs/0/stag"]


def test_a_stage_without_jobs_is_refused() -> None:
    found = refused(document(stages=["build", "deliver"]))

    assert found == {"/stages/1": "the stage 'deliver' has no job: give it one or remove it"}


def test_an_unknown_stage_is_refused_once_with_the_one_meant() -> None:
    found = refused(document(job(), job(name="two", stage="delvier"), stages=["build", "deliver"]))

    assert found == {"/jobs/1/stage": "there is no stage 'delvier': did you mean 'deliver'?"}


def test_an_unknown_stage_like_no_other_is_refused_with_those_there_are() -> None:
    found = refused(document(job(), job(name="two", stage="xyz")))

    assert found == {"/jobs/1/stage": "there is no stage 'xyz'; 'stages' lists 'build'"}


def test_two_jobs_of_one_name_are_refused_at_the_second() -> None:
    found = refused(document(job(), job(name="two"), job()))

    assert found == {"/jobs/2/name": "'one' is the name of job 0 already: names are unique"}


def test_more_jobs_than_allowed_are_refused_at_jobs_beside_other_mistakes() -> None:
    jobs = [job(name=f"job-{number}") for number in range(51)]

    found = refused(document(*jobs, priority=-1))

    assert found["/jobs"] == "must hold at most 50 jobs, not 51: split the pipeline"
    assert list(found) == ["/jobs", "/priority"]


def test_as_many_jobs_as_allowed_are_taken() -> None:
    assert len(parse_value(document(*(job(name=f"job-{number}") for number in range(50)))).jobs) == 50


def test_more_mistakes_than_are_shown_are_counted() -> None:
    jobs = [job(name=f"job-{number}", timout=1, priorty=1, retry_attempt=-1) for number in range(50)]

    with pytest.raises(DocumentErrors) as refusal:
        parse_value(document(*jobs))

    assert len(refusal.value.errors) == 100
    assert refusal.value.errors_omitted == 50
    assert [error.pointer for error in refusal.value.errors[:4]] == [
        "/jobs/0/timout", "/jobs/0/priorty", "/jobs/0/retry_attempt", "/jobs/1/timout",
    ]  # fmt: skip


def test_a_minimal_document_gets_the_defaults() -> None:
    found = parse_value(document())

    assert (found.name, found.priority, found.labels, found.callback_url) == ("", 10, {}, "")
    assert found.stages == ("build",)
    assert found.jobs == (
        JobSpec(
            name="one", stage="build", kind="Shell", version="1.0.0", params={"command": "true"},
            priority=10, retry_attempt=0, allow_failure=False, timeout=None,
        ),
    )  # fmt: skip


def test_a_full_document_comes_through_unchanged() -> None:
    full = job(
        name="Việc số 1", stage="b", priority=0, retry_attempt=100, allow_failure=True, timeout=31536000,
        params={"command": ["a", ""], "env": {"A": ""}},
    )  # fmt: skip
    found = parse_value(
        document(
            full, job(stage="a"), stages=["a", "b"], name="n" * 255, priority=32767,
            labels={"team": "", "tên": "x" * 255}, callback_url="https://example.com:8443/done?x=1",
        )
    )  # fmt: skip

    assert found.stages == ("a", "b")
    assert found.labels == {"team": "", "tên": "x" * 255}
    assert found.callback_url == "https://example.com:8443/done?x=1"
    assert found.jobs[0] == JobSpec(**full)
    assert found.jobs[1].name == "one"


def test_null_is_none_where_there_is_no_default() -> None:
    found = parse_value(document(job(timeout=None), name=None, callback_url=None))

    assert (found.jobs[0].timeout, found.name, found.callback_url) == (None, "", "")


def test_the_version_resolved_is_pinned() -> None:
    assert parse_value(document(job(version="1.0.0-rc.1+build"))).jobs[0].version == "1.0.0"


def test_params_are_kept_as_given() -> None:
    assert parse_value(document()).jobs[0].params == {"command": "true"}


def test_a_pointer_escapes_what_json_pointer_escapes() -> None:
    assert "/labels/a~1b~0c" in refused(document(labels={"a/b~c": 1}))


def test_a_key_too_long_to_repeat_ends_the_pointer() -> None:
    assert list(refused(document(job(**{"x" * 256: 1})))) == ["/jobs/0"]


def test_a_mistake_in_params_is_told_where_it_is() -> None:
    found = refused(document(job(params={"command": ["ls", 5], "env": {"PORT": 80}, "stdn": "x"})))

    assert found == {
        "/jobs/0/params/command/1": "must be a string, not the number 5: put it in quotes",
        "/jobs/0/params/env/PORT": "must be a string, not the number 80: put it in quotes",
        "/jobs/0/params/stdn": "'stdn' is not a known field: did you mean 'stdin'?",
    }


def test_the_message_of_all_mistakes_says_how_many_there_are() -> None:
    with pytest.raises(DocumentErrors, match="There are 2 mistakes"):
        parse_json("{}")
