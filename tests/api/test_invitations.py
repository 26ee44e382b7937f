"""Invitations: issued again, revoked, and what they tell nobody."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from conftest import NOW, REFERENCE_KEY
from sqlalchemy import text

from app.db import agencies
from app.db import dossiers as stored_dossiers
from app.db import invitations as stored


@pytest.fixture
async def catalogue(make):
    await make.agency()
    await make.survey()


def path(dossier, agency="A1"):
    return f"/v1/agencies/{agency}/dossiers/{dossier}/invitations"


async def invite(make, dossier, agency="A1"):
    answer = await make.admin.post(path(dossier, agency))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def asked(client, token):
    answer = await client.get(f"/r/{token}", headers={"Accept": "application/json"})
    return answer.status_code, answer.json()


def later(app, **more):
    app.state.clock = lambda: NOW + timedelta(**more)


async def funnel(session):
    rows = await session.execute(
        text("SELECT sum(returned), sum(invited), sum(opened) FROM funnel")
    )
    return rows.one()


async def test_an_invitation_is_a_token_a_page_and_a_code(make, catalogue):
    invited = await invite(make, await make.dossier())
    assert set(invited) == {"token", "url", "qr", "expires_at"}
    assert len(invited["token"]) == 32
    assert invited["url"] == f"/r/{invited['token']}"
    assert invited["qr"] == f"/r/{invited['token']}.svg"
    assert datetime.fromisoformat(invited["expires_at"]) == NOW + timedelta(days=30)


async def test_an_invitation_says_nothing_of_dossier_or_person(make, catalogue):
    dossier = await make.dossier()
    invited = await invite(make, dossier)
    assert dossier not in str(invited)
    assert dossier.encode() not in base64.b32decode(invited["token"])


async def test_of_the_token_only_a_hash_is_stored(make, catalogue, session):
    invited = await invite(make, await make.dossier())
    rows = (await session.execute(text("SELECT i::text FROM invitation AS i"))).scalars()
    secret = base64.b32decode(invited["token"])[4:]
    for row in rows:
        assert invited["token"] not in row
        assert secret.hex() not in row


async def test_a_new_invitation_kills_the_old_one(make, catalogue, anonymous):
    dossier = await make.dossier()
    old, new = await invite(make, dossier), await invite(make, dossier)
    assert old["token"] != new["token"]
    status, problem = await asked(anonymous, old["token"])
    assert (status, problem["code"]) == (410, "invitation-revoked")
    assert (await asked(anonymous, new["token"]))[0] == 200


async def test_the_live_invitation_can_be_handed_out_again(make, catalogue, session):
    code = await make.dossier()
    invited = await invite(make, code)
    owner = await agencies.get(session, "A1")
    dossier = await stored_dossiers.get(session, "A1", code)
    again = await stored.current(session, REFERENCE_KEY.encode(), owner, dossier)
    assert again is not None
    assert again.token == invited["token"]
    assert again.expires_at == datetime.fromisoformat(invited["expires_at"])
    await make.admin.delete(path(code))
    assert await stored.current(session, REFERENCE_KEY.encode(), owner, dossier) is None


async def test_a_revoked_invitation_is_dead(make, catalogue, anonymous):
    dossier = await make.dossier()
    invited = await invite(make, dossier)
    for _ in range(2):
        assert (await make.admin.delete(path(dossier))).status_code == 204
    status, problem = await asked(anonymous, invited["token"])
    assert (status, problem["code"]) == (410, "invitation-revoked")
    assert problem["errors"][0]["pointer"] == "/path/token"


async def test_who_was_invited_counts_once_however_often(make, catalogue, session):
    dossier, _other = await make.dossier(), await make.dossier(returned=False)
    for _ in range(3):
        await invite(make, dossier)
    assert tuple(await funnel(session)) == (1, 1, 0)
    await make.admin.delete(path(dossier))
    assert tuple(await funnel(session)) == (1, 1, 0)


async def test_an_expired_invitation_is_dead_and_can_be_renewed(app, make, catalogue, anonymous):
    dossier = await make.dossier()
    token = (await invite(make, dossier))["token"]
    later(app, days=30, microseconds=-1)
    assert (await asked(anonymous, token))[0] == 200
    later(app, days=30)
    status, problem = await asked(anonymous, token)
    assert (status, problem["code"]) == (410, "invitation-expired")
    assert (await asked(anonymous, (await invite(make, dossier))["token"]))[0] == 200


async def test_nobody_is_invited_before_the_result_is_returned(make, catalogue):
    answer = await make.admin.post(path(await make.dossier(returned=False)))
    assert (answer.status_code, answer.json()["code"]) == (409, "result-not-returned")


async def test_nobody_is_invited_to_rate_twice(make, catalogue):
    dossier = await make.dossier()
    assert (await make.rate({"q1": "5"}, dossier=dossier)).status_code == 201
    answer = await make.admin.post(path(dossier))
    assert (answer.status_code, answer.json()["code"]) == (409, "already-rated")


async def test_nobody_is_invited_when_the_time_for_rating_is_over(app, make, catalogue):
    dossier = await make.dossier()
    later(app, days=90)
    answer = await make.admin.post(path(dossier))
    assert (answer.status_code, answer.json()["code"]) == (409, "rating-window-closed")


@pytest.mark.parametrize(
    "fields",
    [
        {"invitation_days": None},
        {"opens_on": "2026-06-16"},
        {"closes_on": "2026-06-14"},
        {"agencies": ["A2"]},
    ],
    ids=["does not invite", "not yet open", "closed", "of another agency"],
)
async def test_without_a_survey_that_invites_nobody_is_invited(make, fields):
    await make.agency()
    await make.agency("A2")
    await make.survey(**fields)
    answer = await make.admin.post(path(await make.dossier()))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "survey-closed")
    assert problem["errors"][0]["code"] == "no-survey-invites"


async def test_of_several_surveys_the_one_that_opened_last_invites(make, anonymous):
    await make.agency()
    await make.survey("s1", opens_on="2026-01-01")
    await make.survey("s3", opens_on="2026-03-01")
    await make.survey("s4", opens_on="2026-03-01")
    await make.survey("s5", opens_on="2026-04-01", invitation_days=None)
    await make.survey("s6", opens_on="2026-07-01")
    invited = await invite(make, await make.dossier())
    assert (await asked(anonymous, invited["token"]))[1]["survey"]["code"] == "s4"


async def test_a_survey_of_a_peer_group_invites_its_members_of_that_day(make, anonymous):
    await make.agency("A1")
    await make.agency("A2")
    members = [
        {"agency": "A1", "valid_from": "2026-01-01", "valid_to": "2026-06-15"},
        {"agency": "A2", "valid_from": "2026-01-01", "valid_to": "2026-06-14"},
    ]
    await make.put("/v1/peer-groups/g", {"name": {"vi": "Khối"}, "members": members})
    await make.survey("s1", agencies=None, peer_group="g")
    invited = await invite(make, await make.dossier("A1"))
    assert (await asked(anonymous, invited["token"]))[1]["survey"]["code"] == "s1"
    answer = await make.admin.post(path(await make.dossier("A2"), "A2"))
    assert answer.json()["errors"][0]["code"] == "no-survey-invites"


async def test_an_invitation_ends_with_the_survey(make):
    await make.agency()
    await make.survey(closes_on="2026-06-15")
    invited = await invite(make, await make.dossier())
    ends = datetime(2026, 6, 15, 17, tzinfo=UTC)
    assert datetime.fromisoformat(invited["expires_at"]) == ends


async def test_only_a_known_dossier_is_invited(make, catalogue, client):
    unknown = "000.00.01.H00-260601-99999"
    for call in (client.post, client.delete):
        answer = await call(path(unknown))
        assert (answer.status_code, answer.json()["code"]) == (404, "dossier-not-found")
        answer = await call(path(unknown, "A9"))
        assert (answer.status_code, answer.json()["code"]) == (404, "agency-not-found")
        answer = await call(path("no-code"))
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad-dossier-code")


async def test_invitations_need_a_key_that_writes_the_agencys_dossiers(make, catalogue, anonymous):
    dossier = await make.dossier()
    await make.agency("A2")
    reader = await make.caller("dossiers:read")
    neighbour = await make.caller(agencies={"A2"})
    expected = [
        (anonymous, 401, "credential-missing"),
        (reader, 403, "scope-missing"),
        (neighbour, 403, "agency-not-allowed"),
    ]
    for caller, status, code in expected:
        for call in (caller.post, caller.delete):
            answer = await call(path(dossier))
            assert (answer.status_code, answer.json()["code"]) == (status, code)
