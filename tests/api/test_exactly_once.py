"""The same request, however often it is sent, is one rating and one answer."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

BEST = {"q1": "5", "q2": "5"}
KEYED = {"Idempotency-Key": "portal-2026-06-15-0001"}


@pytest.fixture
async def surveyed(make, client):
    """An agency with a survey."""
    await make.agency()
    await make.survey()
    return client


async def rating_of(make, **fields):
    dossier = await make.dossier()
    body = {"agency": "A1", "survey": "s1", "channel": "portal", "dossier": dossier}
    return body | {"answers": BEST} | fields


async def counted(make) -> tuple[int, int]:
    """How many ratings there are, and how many are counted."""
    ratings = await make.session.scalar(text("SELECT count(*) FROM rating"))
    forms = await make.session.scalar(
        text("SELECT coalesce(sum(n), 0) FROM tally_cell WHERE facet = 'all' AND question = 0")
    )
    return ratings, int(forms)


async def test_a_request_sent_again_under_its_key_is_answered_as_before(surveyed, make):
    body = await rating_of(make)
    first = await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    again = await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await counted(make) == (1, 1)


async def test_another_body_under_the_same_key_is_refused(surveyed, make):
    body = await rating_of(make)
    await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    for changed in (
        body | {"answers": {"q1": "1"}},
        await rating_of(make),
        body | {"comment": "!"},
    ):
        answer = await surveyed.post("/v1/ratings", json=changed, headers=KEYED)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
        assert answer.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"
    assert await counted(make) == (1, 1)


async def test_a_client_names_its_rating_by_an_id_of_its_own(surveyed, make):
    mine = str(uuid.uuid4())
    body = await rating_of(make, id=mine)
    first = await surveyed.post("/v1/ratings", json=body)
    again = await surveyed.post("/v1/ratings", json=body)
    assert first.json() == again.json()
    assert first.json()["id"] == mine
    other = await surveyed.post("/v1/ratings", json=await rating_of(make, id=mine))
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/id")


async def test_two_clients_may_use_the_same_key(surveyed, make):
    portal, app = make.with_key(await make.key()), await make.caller("ratings:write")
    await make.session.execute(
        text("UPDATE api_key SET name = 'app' WHERE NOT 'indices:read' = ANY(scopes)")
    )
    for one in (portal, app):
        answer = await one.post("/v1/ratings", json=await rating_of(make), headers=KEYED)
        assert answer.status_code == 201
    assert await counted(make) == (2, 2)


async def test_the_order_and_spelling_of_a_body_do_not_make_it_another(surveyed, make):
    body = await rating_of(make, rated_at="2026-06-15T16:30:00+07:00")
    await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    same = dict(reversed(body.items())) | {
        "rated_at": "2026-06-15T09:30:00Z",
        "answers": dict(reversed(BEST.items())),
    }
    again = await surveyed.post("/v1/ratings", json=same, headers=KEYED)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_repeat_is_answered_as_before_even_after_the_survey_has_closed(surveyed, make):
    body = await rating_of(make)
    first = await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    await make.session.execute(text("UPDATE survey SET closes_on = '2026-06-01'"))
    again = await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    assert (again.status_code, again.json()) == (201, first.json())
    late = await surveyed.post("/v1/ratings", json=await rating_of(make))
    assert (late.status_code, late.json()["code"]) == (409, "survey-closed")


async def test_a_refused_request_may_be_sent_again_under_its_key(surveyed, make):
    dossier = await make.dossier(returned=False)
    body = {"agency": "A1", "survey": "s1", "channel": "portal", "dossier": dossier}
    body |= {"answers": BEST}
    early = await surveyed.post("/v1/ratings", json=body, headers=KEYED)
    assert (early.status_code, early.json()["code"]) == (409, "result-not-returned")
    event = {"type": "result_returned", "at": (make.now - timedelta(minutes=5)).isoformat()}
    await surveyed.post(f"/v1/agencies/A1/dossiers/{dossier}/events", json=event)
    assert (await surveyed.post("/v1/ratings", json=body, headers=KEYED)).status_code == 201


async def test_without_a_name_a_second_rating_is_a_second_rating(surveyed, make):
    body = await rating_of(make)
    await surveyed.post("/v1/ratings", json=body)
    again = await surveyed.post("/v1/ratings", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "already-rated")


@pytest.mark.parametrize("key", ["", "a b", "khóa", "x" * 201])
async def test_a_key_that_is_none_is_refused(surveyed, make, key):
    headers = {"Idempotency-Key": key.encode()}
    answer = await surveyed.post("/v1/ratings", json=await rating_of(make), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"


async def test_a_rating_says_what_it_is_of_exactly_once(surveyed, make):
    body = {"channel": "mobile", "answers": BEST}
    none = await surveyed.post("/v1/ratings", json=body | {"agency": "A1"})
    assert [(e["pointer"], e["code"]) for e in none.json()["errors"]] == [
        ("/survey", "missing"),
        ("/dossier", "missing"),
    ]
    both = await surveyed.post("/v1/ratings", json=await rating_of(make, invitation="A" * 32))
    assert {e["pointer"] for e in both.json()["errors"]} == {"/agency", "/survey", "/dossier"}


async def test_another_caller_learns_nothing_by_repeating_a_ratings_id(surveyed, make):
    body = await rating_of(make)
    first = (await surveyed.post("/v1/ratings", json=body)).json()
    curious = await make.caller("ratings:read", "ratings:write")
    await make.session.execute(
        text("UPDATE api_key SET name = 'curious' WHERE NOT 'indices:read' = ANY(scopes)")
    )
    guesses = [body | {"id": first["id"]}, await rating_of(make, id=first["id"])]
    said = [await curious.post("/v1/ratings", json=guess) for guess in guesses]
    assert {(one.status_code, one.json()["code"]) for one in said} == {
        (422, "idempotency-key-reused")
    }


async def test_a_repeat_by_invitation_is_answered_as_before_in_any_spelling(surveyed, make):
    dossier = await make.dossier()
    path = f"/v1/agencies/A1/dossiers/{dossier}/invitations"
    token = (await surveyed.post(path)).json()["token"]
    body = {"invitation": token, "channel": "mobile", "answers": BEST}
    first = await make.anonymous.post("/v1/ratings", json=body, headers=KEYED)
    assert first.status_code == 201
    again = body | {"invitation": token.lower()}
    for _ in range(2):
        answer = await make.anonymous.post("/v1/ratings", json=again, headers=KEYED)
        assert (answer.status_code, answer.json()) == (201, first.json())
        assert (await surveyed.delete(path)).status_code == 204
    other = await make.anonymous.post("/v1/ratings", json=body | {"comment": "!"})
    assert (other.status_code, other.json()["code"]) == (410, "invitation-revoked")
