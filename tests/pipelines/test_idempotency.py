from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from clients.models import Client
from pipelines import clock, pruning
from pipelines.exceptions import InvalidKey, KeyInUse, KeyReused, LimitReached
from pipelines.idempotency import Answer, fingerprint, once, read_key
from pipelines.models import Contents, IdempotencyKey, Pipeline
from tests.concurrency import begin, held_elsewhere, result, together
from tests.scenes import a_client, a_pipeline

pytestmark = pytest.mark.django_db


def submit(client: Client, *, key: str = "k", body: str = "same", user: User | None = None) -> Answer:
    def make() -> Answer:
        return Answer(a_pipeline(client, {"build": ["a"]}), 201, Contents([], []))

    return once(key=key, client=client, user=user, fingerprint=body, make=make)


def test_the_same_request_again_is_answered_with_what_it_made_the_first_time() -> None:
    client = a_client()
    first, again = submit(client), submit(client)
    assert (again.pipeline, again.status, again.replayed) == (first.pipeline, 201, True)
    assert first.replayed is False
    assert Pipeline.objects.count() == 1


def test_a_key_used_with_another_request_is_refused() -> None:
    client = a_client()
    submit(client)
    with pytest.raises(KeyReused):
        submit(client, body="another")
    assert Pipeline.objects.count() == 1


def test_keys_are_a_client_s_own_and_for_staff_a_user_s_and_client_s() -> None:
    alice, bob = a_client("alice"), a_client("bob")
    sam, kim = User.objects.create(username="sam"), User.objects.create(username="kim")
    answers = [submit(alice), submit(bob), submit(alice, user=sam), submit(alice, user=kim), submit(bob, user=sam)]
    assert len({answer.pipeline.pk for answer in answers}) == 5
    assert not any(answer.replayed for answer in answers)


def test_a_refused_request_leaves_its_key_unused() -> None:
    client = a_client(max_ready_jobs=1)
    submit(client, key="first")
    with pytest.raises(LimitReached):
        submit(client)
    Client.objects.update(max_ready_jobs=None)
    assert submit(client, body="another").replayed is False


def test_a_key_is_kept_for_24_hours() -> None:
    client = a_client()
    submit(client)
    now = clock.now()
    pruning.prune(now=now + timedelta(hours=23, minutes=59))
    assert submit(client).replayed
    pruning.prune(now=now + timedelta(hours=24, minutes=1))
    assert not submit(client).replayed


@pytest.mark.django_db(transaction=True)
def test_a_key_whose_first_request_is_still_running_is_in_use() -> None:
    client, another = a_client(), a_client("bob")
    with held_elsewhere(lambda: submit(client)):
        with pytest.raises(KeyInUse):
            result(begin(lambda: submit(client)))
        submit(another)
    assert submit(client).replayed


@pytest.mark.django_db(transaction=True)
def test_racing_requests_with_one_key_make_one_pipeline() -> None:
    client = a_client()

    def attempt() -> str:
        try:
            return "replayed" if submit(client).replayed else "made"
        except KeyInUse:
            return "in use"

    for _ in range(10):
        outcomes = together(*[attempt] * 4)
        assert outcomes.count("made") == 1
        assert Pipeline.objects.count() == 1
        IdempotencyKey.objects.all().delete()
        Pipeline.objects.all().delete()


def test_a_fingerprint_tells_apart_where_query_media_type_and_body_end() -> None:
    prints = [
        fingerprint(query=query, media_type=media_type, body=body)
        for query, media_type, body in [("a", "b", b"c"), ("ab", "", b"c"), ("a", "", b"bc"), ("", "ab", b"c")]
    ]
    assert len(set(prints)) == 4
    assert fingerprint(query="a", media_type="b", body=b"c") == prints[0]


@pytest.mark.parametrize(
    ("header", "key"), [("abc", "abc"), ('"abc"', "abc"), (" abc ", "abc"), ('"', '"'), ("k" * 255,) * 2]
)
def test_a_key_is_read_with_or_without_quotes(header: str, key: str) -> None:
    assert read_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "   ", "k" * 256, "a\nb", "clé"])
def test_anything_else_is_no_key(header: str) -> None:
    with pytest.raises(InvalidKey):
        read_key(header)


def test_a_key_of_a_pipeline_that_was_deleted_is_free_again(
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    client = a_client()
    submit(client)
    Pipeline.objects.all().delete()
    assert not submit(client).replayed
