"""Invitations to a survey: one link per recipient, one answer per link, and nobody named."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from conftest import NOW
from sqlalchemy import text

from app.db import recount

PATH = "/v1/surveys/s1/invitations"
ANSWERS = {"q1": "5", "q2": "4"}
JSON = {"Accept": "application/json"}
CLOSES = datetime(2026, 6, 30, 17, tzinfo=UTC)


@pytest.fixture
async def asked(make):
    """An agency, and a survey of it that closes at the end of the month."""
    await make.agency()
    await make.survey(closes_on="2026-06-30")


def sending(*recipients, **fields):
    return {
        "agency": "A1",
        "channel": "e_office",
        "recipients": list(recipients or ["r1"]),
    } | fields


async def send(make, *recipients, headers=None, **fields):
    answer = await make.admin.post(PATH, json=sending(*recipients, **fields), headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


async def tokens(make, *recipients, **fields):
    items = (await send(make, *recipients, **fields)).json()["items"]
    return [item["invitation"] and item["invitation"]["token"] for item in items]


async def rate(client, token, **fields):
    body = {"invitation": token, "channel": "mobile", "answers": ANSWERS}
    return await client.post("/v1/ratings", json=body | fields)


async def counts(make, agency="A1"):
    answer = await make.admin.get(PATH, params={"agency": agency})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said.pop("survey"), said.pop("agency")) == ("s1", agency)
    return said


async def tally(session):
    rows = await session.execute(
        text("SELECT facet, facet_key, counts[1] FROM tally WHERE counts[1] > 0")
    )
    return {(facet, key): forms for facet, key, forms in rows}


def code_of(answer):
    return (
        answer.status_code,
        answer.json()["code"],
        [e["pointer"] for e in answer.json()["errors"]],
    )


async def test_every_recipient_gets_a_link_of_their_own(make, asked):
    answer = await send(make, "r1", "r2")
    items = answer.json()["items"]
    assert [(item["recipient"], item["used"]) for item in items] == [("r1", False), ("r2", False)]
    first, second = (item["invitation"] for item in items)
    assert first["token"] != second["token"]
    assert first["url"] == f"/r/{first['token']}"
    assert first["qr"] == f"/r/{first['token']}.svg"
    assert datetime.fromisoformat(first["expires_at"]) == CLOSES
    assert answer.headers["cache-control"] == "no-store"


async def test_an_answer_counts_for_the_survey_and_for_no_dossier(make, asked, anonymous, session):
    (token,) = await tokens(make)
    answer = await rate(anonymous, token)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in ("agency", "survey", "basis")} == {
        "agency": "A1",
        "survey": "s1",
        "basis": "survey",
    }
    assert await tally(session) == {
        ("all", ""): 1,
        ("basis", "survey"): 1,
        ("channel", "e_office"): 1,
    }
    assert await session.scalar(text("SELECT count(*) FROM funnel")) == 0
    assert await recount.drift(session) == 0


async def test_who_names_the_counter_is_counted_there(make, asked, anonymous, session):
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    (token,) = await tokens(make)
    assert (await rate(anonymous, token, counter="Q1")).status_code == 201
    assert (await tally(session))["counter", "Q1"] == 1
    assert await recount.drift(session) == 0


async def test_the_figures_rest_on_the_answers(make, asked, anonymous):
    for token in await tokens(make, *(f"r{n}" for n in range(30))):
        await rate(anonymous, token)
    query = {"agency": "A1", "survey": "s1", "period": "2026", "method": "top2-share@1"}
    (figure,) = (await make.admin.get("/v1/indices", params=query)).json()["figures"]
    assert (figure["numerator"], figure["n"], figure["value"]) == (60, 30, 100.0)


async def test_the_link_opens_the_same_page_and_its_answer_has_the_invitations_channel(
    make, asked, anonymous, session
):
    (token,) = await tokens(make)
    page = await anonymous.get(f"/r/{token}")
    assert page.status_code == 200
    assert "Câu hỏi q1" in page.text
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = await anonymous.post(f"/r/{token}", content="q-q1=5", headers=form)
    assert sent.status_code == 303
    assert ("channel", "e_office") in await tally(session)
    assert (await anonymous.get(f"/r/{token}")).status_code == 410


async def test_a_link_is_used_once(make, asked, anonymous):
    (token,) = await tokens(make)
    assert (await rate(anonymous, token)).status_code == 201
    assert code_of(await rate(anonymous, token, answers={"q1": "1"})) == (
        410,
        "invitation-used",
        ["/invitation"],
    )
    answer = await anonymous.get(f"/r/{token}", headers=JSON)
    assert code_of(answer) == (410, "invitation-used", ["/path/token"])


async def test_the_same_answer_sent_again_counts_once(make, asked, anonymous, session):
    (token,) = await tokens(make)
    headers = {"Idempotency-Key": "one"}
    body = {"invitation": token, "channel": "mobile", "answers": ANSWERS}
    first, again = [
        await anonymous.post("/v1/ratings", json=body, headers=headers) for _ in range(2)
    ]
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (await tally(session))["all", ""] == 1


async def test_who_is_invited_again_gets_a_new_link_and_the_old_one_dies(make, asked, anonymous):
    (old,) = await tokens(make)
    (new,) = await tokens(make)
    assert old != new
    assert code_of(await rate(anonymous, old)) == (410, "invitation-revoked", ["/invitation"])
    assert (await rate(anonymous, new)).status_code == 201


async def test_who_has_answered_gets_no_other_link_and_is_said_so(make, asked, anonymous):
    (token,) = await tokens(make)
    await rate(anonymous, token)
    first, second = (await send(make, "r1", "r2")).json()["items"]
    assert first == {"recipient": "r1", "used": True, "invitation": None}
    assert second["used"] is False
    assert code_of(await rate(anonymous, token))[1] == "invitation-used"


async def test_one_recipient_answers_each_survey_and_about_each_agency(make, asked, anonymous):
    await make.agency("A2")
    await make.survey("s2", "A1", "A2")
    for survey, agency in (("s1", "A1"), ("s2", "A1"), ("s2", "A2")):
        answer = await make.admin.post(
            f"/v1/surveys/{survey}/invitations", json=sending("r1", agency=agency)
        )
        (item,) = answer.json()["items"]
        assert (await rate(anonymous, item["invitation"]["token"])).status_code == 201


async def test_under_the_same_idempotency_key_the_same_links_come_out(make, asked, anonymous):
    named = {"Idempotency-Key": "mail-1"}
    (used,) = await tokens(make, "r0")
    await rate(anonymous, used)
    first = await send(make, "r2", "r0", "r1", headers=named)
    await rate(anonymous, first.json()["items"][0]["invitation"]["token"])
    again = await send(make, "r2", "r0", "r1", headers=named)
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (await counts(make))["issued"] == 3


@pytest.mark.parametrize(
    "fields",
    [{"channel": "sms"}, {"expires_on": "2026-06-20"}, {"recipients": ["r1", "r3"]}],
    ids=["channel", "last day", "recipients"],
)
async def test_another_request_under_the_same_idempotency_key_is_refused(make, asked, fields):
    named = {"Idempotency-Key": "mail-1"}
    await send(make, "r1", "r2", headers=named)
    answer = await make.admin.post(PATH, json=sending("r1", "r2") | fields, headers=named)
    assert code_of(answer) == (422, "idempotency-key-reused", ["/header/Idempotency-Key"])
    assert (await counts(make))["issued"] == 2


async def test_a_link_ends_with_the_day_asked_for_but_no_later_than_the_survey(
    app, make, asked, anonymous
):
    ends = []
    for day in ("2026-06-20", "2026-07-20"):
        (item,) = (await send(make, expires_on=day)).json()["items"]
        ends.append(datetime.fromisoformat(item["invitation"]["expires_at"]))
    assert ends == [datetime(2026, 6, 20, 17, tzinfo=UTC), CLOSES]
    (token,) = await tokens(make, expires_on="2026-06-20")
    app.state.clock = lambda: ends[0] - timedelta(microseconds=1)
    assert (await anonymous.get(f"/r/{token}", headers=JSON)).status_code == 200
    app.state.clock = lambda: ends[0]
    assert code_of(await anonymous.get(f"/r/{token}", headers=JSON))[1] == "invitation-expired"
    assert code_of(await rate(anonymous, token))[:2] == (410, "invitation-expired")


async def test_a_survey_without_an_end_gives_its_invitations_their_days(make):
    await make.agency()
    await make.survey(invitation_days=10)
    (item,) = (await send(make)).json()["items"]
    ends = datetime.fromisoformat(item["invitation"]["expires_at"])
    assert ends == NOW + timedelta(days=10)


@pytest.mark.parametrize(
    ("survey", "asks", "said"),
    [
        ({"invitation_days": None}, {}, (422, "invalid-request", ["/expires_on"])),
        ({}, {"expires_on": "2026-06-14"}, (422, "invalid-request", ["/expires_on"])),
        ({"opens_on": "2026-06-16"}, {}, (409, "survey-closed", ["/path/survey"])),
        ({"closes_on": "2026-06-14"}, {}, (409, "survey-closed", ["/path/survey"])),
        ({"agencies": ["A2"]}, {}, (409, "agency-not-surveyed", ["/agency"])),
        ({}, {"agency": "A9"}, (404, "agency-not-found", ["/agency"])),
        ({}, {"recipients": ["r1", "r2", "r1"]}, (422, "invalid-request", ["/recipients/2"])),
        ({}, {"recipients": []}, (422, "invalid-request", ["/recipients"])),
        ({}, {"recipients": ["a@b.vn"]}, (422, "invalid-request", ["/recipients/0"])),
        (
            {},
            {"recipients": [f"r{n}" for n in range(1001)]},
            (422, "invalid-request", ["/recipients"]),
        ),
    ],
    ids=[
        "nothing says when it ends",
        "over already",
        "not yet open",
        "closed",
        "of another agency",
        "unknown agency",
        "named twice",
        "nobody",
        "no reference",
        "too many",
    ],
)
async def test_what_cannot_be_sent_is_refused(make, survey, asks, said):
    await make.agency()
    await make.agency("A2")
    await make.survey(**survey)
    assert code_of(await make.admin.post(PATH, json=sending() | asks)) == said


async def test_on_its_first_and_last_day_a_survey_invites(make):
    await make.agency()
    await make.survey(opens_on="2026-06-15", closes_on="2026-06-15")
    assert (await send(make)).status_code == 201


async def test_only_to_a_known_survey_is_anybody_invited(make, asked):
    answer = await make.admin.post("/v1/surveys/s9/invitations", json=sending())
    assert code_of(answer) == (404, "survey-not-found", ["/path/survey"])


async def test_a_revoked_link_is_dead_and_a_new_one_lives(make, asked, anonymous):
    first, second = await tokens(make, "r1", "r2")
    body = {"agency": "A1", "recipients": ["r1", "r7"]}
    said = [(await make.admin.post(f"{PATH}/revoke", json=body)).json() for _ in range(2)]
    assert said == [{"revoked": 1}, {"revoked": 0}]
    assert code_of(await rate(anonymous, first))[:2] == (410, "invitation-revoked")
    assert (await rate(anonymous, second)).status_code == 201
    (again,) = await tokens(make, "r1")
    assert (await rate(anonymous, again)).status_code == 201


async def test_nobody_answers_before_they_were_invited(make, asked, anonymous):
    (token,) = await tokens(make)
    early = (NOW - timedelta(minutes=16)).isoformat()
    answer = await rate(anonymous, token, rated_at=early)
    assert code_of(answer) == (422, "answers-invalid", ["/rated_at"])
    skewed = (NOW - timedelta(minutes=14)).isoformat()
    assert (await rate(anonymous, token, rated_at=skewed)).status_code == 201


async def test_only_counts_are_told(app, make, asked, anonymous):
    links = await tokens(make, "r1", "r2", "r3", "r4", "r5")
    await tokens(make, "r5", expires_on="2026-06-16")
    await make.admin.post(f"{PATH}/revoke", json={"agency": "A1", "recipients": ["r4"]})
    for link in (links[0], links[0], links[1]):
        await anonymous.get(f"/r/{link}", headers=JSON)
    await rate(anonymous, links[0])
    expected = {"issued": 5, "opened": 2, "used": 1, "expired": 0, "revoked": 1}
    assert await counts(make) == expected
    app.state.clock = lambda: NOW + timedelta(days=2)
    assert await counts(make) == expected | {"expired": 1}
    app.state.clock = lambda: CLOSES
    assert await counts(make) == expected | {"expired": 3}


async def test_a_voided_answer_counts_nowhere_and_frees_the_link_if_told_so(
    make, asked, anonymous, session
):
    (token,) = await tokens(make)
    path = "/v1/agencies/A1/ratings"
    words = {"reason": "Sai."}
    first = (await rate(anonymous, token)).json()["id"]
    assert (await make.admin.post(f"{path}/{first}/void", json=words)).status_code == 200
    assert await tally(session) == {}
    assert code_of(await rate(anonymous, token))[:2] == (410, "invitation-used")
    again = words | {"rate_again": True}
    assert (await make.admin.post(f"{path}/{first}/void", json=again)).status_code == 200
    assert (await rate(anonymous, token)).status_code == 201
    assert (await tally(session))["basis", "survey"] == 1
    assert await recount.drift(session) == 0
    listed = (await make.admin.get(path)).json()["items"]
    assert {(row["basis"], row["channel"]) for row in listed} == {("survey", "e_office")}


async def test_answers_to_dossiers_and_surveys_stand_side_by_side(make, asked, anonymous, session):
    (token,) = await tokens(make)
    await make.rate({"q1": "5"})
    await rate(anonymous, token)
    found = await tally(session)
    assert (found["all", ""], found["basis", "dossier"], found["basis", "survey"]) == (2, 1, 1)
    assert await session.scalar(text("SELECT sum(rated) FROM funnel")) == 1
    assert await recount.drift(session) == 0


async def test_neither_recipient_nor_token_is_stored(make, asked, anonymous, session):
    sent = await send(make, "recipient-1", headers={"Idempotency-Key": "mail-recipient-1"})
    token = sent.json()["items"][0]["invitation"]["token"]
    await rate(anonymous, token)
    stored = " ".join(
        await session.scalars(
            text("SELECT i::text FROM survey_invitation AS i UNION SELECT r::text FROM rating AS r")
        )
    )
    assert "recipient-1" not in stored
    assert b"recipient-1".hex() not in stored
    assert token not in stored
    assert base64.b32decode(token)[4:].hex() not in stored


async def test_a_rating_shares_nothing_with_its_invitation(make, asked, anonymous, session):
    (token,) = await tokens(make)
    await rate(anonymous, token)
    held = (await session.execute(text("SELECT * FROM survey_invitation"))).one()
    said = (await session.execute(text("SELECT * FROM rating"))).one()
    secrets = {value for value in held if isinstance(value, bytes)}
    assert len(secrets) == 2
    assert secrets.isdisjoint({value for value in said if isinstance(value, bytes)})
    assert held.opened is False


async def test_the_order_of_the_rows_is_not_that_of_the_recipients(make, asked, session):
    await send(make, *(f"r{n:03}" for n in range(50)))
    rows = (
        await session.scalars(text("SELECT recipient FROM survey_invitation ORDER BY ctid"))
    ).all()
    assert rows == sorted(rows)


async def test_inviting_needs_a_key_of_its_own_scope_for_the_agency(make, asked, anonymous):
    await make.agency("A2")
    expected = [
        (anonymous, 401, "credential-missing"),
        (await make.caller("catalogue:write", "dossiers:write"), 403, "scope-missing"),
        (await make.caller("surveys:invite", agencies={"A2"}), 403, "agency-not-allowed"),
    ]
    for caller, status, code in expected:
        for answer in (
            await caller.post(PATH, json=sending()),
            await caller.post(f"{PATH}/revoke", json={"agency": "A1", "recipients": ["r1"]}),
            await caller.get(PATH, params={"agency": "A1"}),
        ):
            assert code_of(answer)[:2] == (status, code)


async def test_a_key_limited_to_the_agency_invites_and_counts(make, asked):
    caller = await make.caller("surveys:invite", agencies={"A1"})
    assert (await caller.post(PATH, json=sending())).status_code == 201
    answer = await caller.get(PATH, params={"agency": "A1"})
    assert answer.json()["issued"] == 1
