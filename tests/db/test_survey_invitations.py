"""Invitations to a survey, issued and answered by many at once."""

import asyncio

import pytest
from sqlalchemy import text

from app.db import recount

PATH = "/v1/surveys/s1/invitations"


@pytest.fixture
async def asked(committed):
    await committed.agency()
    await committed.survey(closes_on="2026-06-30")
    return committed


async def send(make, *recipients, **headers):
    body = {"agency": "A1", "channel": "e_office", "recipients": recipients}
    answer = await make.admin.post(PATH, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


def tokens(answer):
    return [item["invitation"]["token"] for item in answer.json()["items"]]


async def rate(make, token):
    body = {"invitation": token, "channel": "mobile", "answers": {"q1": "5"}}
    return (await make.anonymous.post("/v1/ratings", json=body)).status_code


async def test_of_many_answers_at_once_one_counts(asked):
    (token,) = tokens(await send(asked, "r1"))
    said = await asyncio.gather(*(rate(asked, token) for _ in range(20)))
    assert sorted(said) == [201] + [410] * 19
    forms = "SELECT sum(counts[1]) FROM tally WHERE facet = 'all'"
    assert await asked.session.scalar(text(forms)) == 1
    assert await recount.drift(asked.session) == 0


async def test_of_many_links_to_one_recipient_the_last_lives(asked):
    sent = await asyncio.gather(*(send(asked, "r1", "r2") for _ in range(8)))
    links = [tokens(answer) for answer in sent]
    assert len({link for pair in links for link in pair}) == 16
    alive = "SELECT count(*) FROM survey_invitation WHERE revoked_at IS NULL"
    assert await asked.session.scalar(text(alive)) == 2
    said = [await rate(asked, link) for link, _ in links]
    assert sorted(said) == [201] + [410] * 7


async def test_many_requests_of_one_name_issue_once(asked):
    named = {"Idempotency-Key": "mail-1"}
    sent = await asyncio.gather(*(send(asked, "r1", "r2", **named) for _ in range(8)))
    assert {answer.text for answer in sent} == {sent[0].text}
    assert sum("idempotent-replayed" not in answer.headers for answer in sent) == 1
    rows = "SELECT count(*) FROM survey_invitation"
    assert await asked.session.scalar(text(rows)) == 2


async def test_a_link_that_is_replaced_while_it_is_used_counts_once(asked):
    for turn in range(5):
        (old,) = tokens(await send(asked, f"r{turn}"))
        _, sent = await asyncio.gather(rate(asked, old), send(asked, f"r{turn}"))
        (item,) = sent.json()["items"]
        if item["invitation"] is not None:
            await rate(asked, item["invitation"]["token"])
    forms = "SELECT sum(counts[1]) FROM tally WHERE facet = 'all'"
    assert await asked.session.scalar(text(forms)) == 5
    assert await recount.drift(asked.session) == 0
