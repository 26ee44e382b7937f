"""Who may do what."""

from datetime import timedelta

import pytest

from app.db import keys
from app.domain.access import SCOPES, Caller

BODY = {"name": {"vi": "Sở Mẫu"}, "kind": "department", "valid_from": "2010-01-01"}
FIGURES = {"survey": "s1", "period": "2026"}


async def test_a_caller_without_a_key_is_asked_for_one(anonymous):
    answer = await anonymous.get("/v1/agencies")
    assert (answer.status_code, answer.json()["code"]) == (401, "credential-missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer hl_wrong", "Basic abc", "Bearer", "hl_wrong", ""])
async def test_a_key_that_is_none_is_refused(anonymous, header):
    answer = await anonymous.get("/v1/agencies", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_a_key_does_only_what_its_scopes_say(make):
    reader = await make.caller("catalogue:read")
    assert (await reader.get("/v1/agencies")).status_code == 200
    answer = await reader.put("/v1/agencies/A1", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert "catalogue:write" in answer.json()["detail"]


async def test_an_expired_key_is_unknown(make):
    expired = make.with_key(await make.key(expires_at=make.now - timedelta(seconds=1)))
    current = make.with_key(await make.key(expires_at=make.now + timedelta(seconds=1)))
    assert (await expired.get("/v1/agencies")).json()["code"] == "credential-unknown"
    assert (await current.get("/v1/agencies")).status_code == 200


async def test_a_key_of_one_agency_reaches_no_other(make):
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.survey("s1", "A1", "A2")
    await make.peer_group("g", "A1", "A2")
    other = await make.dossier("A2")
    limited = await make.caller(agencies={"A1"})
    receipt = {
        "procedure": "1.000001",
        "channel": "desk",
        "received_at": "2026-06-01T08:00:00+07:00",
        "due_at": "2026-06-20T17:00:00+07:00",
    }
    sheet = {
        "survey": "s1",
        "channel": "paper",
        "period": "2026-05",
        "forms": 1,
        "counts": {"q1": {}},
    }
    rating = {"survey": "s1", "channel": "tablet", "dossier": other, "answers": {"q1": "5"}}
    event = {"type": "result_returned", "at": "2026-06-02T08:00:00+07:00"}
    figures = {
        "title": {"vi": "x"},
        "figures": [{"criterion": "a", "name": {"vi": "a"}, "value": "1"}],
    }
    dossier = f"/v1/agencies/A2/dossiers/{other}"
    refused = [
        await limited.put("/v1/agencies/A2", json=BODY),
        await limited.put("/v1/agencies/A2/counters/Q1", json={"name": {"vi": "Quầy"}}),
        await limited.post(
            "/v1/agencies/A2/succession",
            json={"successors": [{"agency": "A1", "share": 1}], "on": "2026-07-01"},
        ),
        await limited.put(
            "/v1/surveys/s1/distributions/A2/paper", json={"issued": 1, "returned": 1, "invalid": 0}
        ),
        await limited.put("/v1/targets/A2/2026/overall", json={"value": 80}),
        await limited.put("/v1/targets/g/2026/overall", json={"value": 80}),
        await limited.put("/v1/published-indices/sipas/2026/A2", json=figures),
        await limited.put(dossier, json=receipt),
        await limited.get(dossier),
        await limited.post(f"{dossier}/events", json=event),
        await limited.post("/v1/ratings", json=rating | {"agency": "A2"}),
        await limited.post("/v1/tally-sheets", json=sheet | {"agency": "A2", "counts": {"q1": {}}}),
        await limited.get("/v1/indices", params=FIGURES | {"agency": "A2"}),
        await limited.get("/v1/rankings", params=FIGURES | {"peer_group": "g"}),
    ]
    assert [(a.status_code, a.json()["code"]) for a in refused] == [
        (403, "agency-not-allowed")
    ] * len(refused)


async def test_a_key_of_one_agency_does_not_change_what_all_share(make):
    await make.agency()
    limited = await make.caller(agencies={"A1"})
    group = {"name": {"vi": "Khối"}, "members": []}
    assert (await limited.put("/v1/peer-groups/g", json=group)).status_code == 403
    assert (await limited.put("/v1/agencies/A1", json=BODY)).status_code == 200


async def test_a_key_of_all_peers_sees_their_ranking(make):
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.survey("s1", "A1", "A2")
    await make.peer_group("g", "A1", "A2")
    caller = await make.caller("indices:read", agencies={"A1", "A2"})
    assert (
        await caller.get("/v1/rankings", params=FIGURES | {"peer_group": "g"})
    ).status_code == 200


async def test_a_key_of_one_agency_does_not_enter_it_among_anothers_units(make):
    for code in ("A1", "A2"):
        await make.agency(code)
    limited = await make.caller(agencies={"A1"})
    answer = await limited.put("/v1/agencies/A1", json=BODY | {"parent": "A2"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/parent")
    await make.agency("A1", parent="A2")
    kept = await limited.put("/v1/agencies/A1", json=BODY | {"parent": "A2"})
    left = await limited.put("/v1/agencies/A1", json=BODY)
    assert (kept.status_code, left.status_code) == (200, 403)
    succession = {"successors": [{"agency": "A2", "share": 1}], "on": "2026-07-01"}
    answer = await limited.post("/v1/agencies/A1/succession", json=succession)
    assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")


async def test_a_mean_of_units_is_only_for_those_who_may_see_every_unit(make):
    await make.agency("P")
    await make.agency("A1", parent="P")
    await make.survey("s1", "A1")
    query = FIGURES | {"agency": "P", "method": "mean-of-units@1"}
    for agencies, status in (({"P"}, 403), ({"P", "A1"}, 200)):
        caller = await make.caller("indices:read", agencies=agencies)
        assert (await caller.get("/v1/indices", params=query)).status_code == status


async def test_a_revoked_key_does_not_come_back_when_it_is_made_known_again(make, session):
    key = await make.key()
    await keys.revoke(session, (await keys.list_all(session))[-1].id, make.now)
    await keys.replace(session, key, Caller("test", SCOPES, None), make.now)
    await session.commit()
    assert (await make.with_key(key).get("/v1/agencies")).status_code == 401
