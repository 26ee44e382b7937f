"""Editions: frozen once, published once, and the same for ever."""

import hashlib
import json

import pytest

ASKED = {
    "code": "e-2026",
    "title": {"vi": "Mức độ hài lòng năm 2026"},
    "peer_group": "g",
    "period": "2026",
    "surveys": ["s1"],
}


@pytest.fixture
async def peers(make, client):
    """Four agencies in a group, one of them with forms of two people only."""
    for code in ("A1", "A2", "A3", "A4"):
        await make.agency(code)
    await make.peer_group("g", "A1", "A2", "A3", "A4")
    await make.survey("s1", peer_group="g", agencies=None)
    for code, best in (("A1", 7), ("A2", 9), ("A3", 7)):
        counts = {q: {"5": best, "1": 10 - best} for q in ("q1", "q2")}
        answer = await make.sheet(counts, 10, agency=code)
        assert answer.status_code == 201, answer.text
    await make.sheet({"q1": {"5": 2}, "q2": {"5": 2}}, 2, agency="A4")
    return client


async def frozen(client, **fields):
    answer = await client.post("/v1/editions", json=ASKED | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def published(client, **fields):
    code = (await frozen(client, **fields))["code"]
    answer = await client.post(f"/v1/editions/{code}/publish")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_edition_is_read_by_everybody_once_it_is_published(peers, anonymous):
    made = await frozen(peers)
    assert (made["state"], made["published_at"]) == ("frozen", None)
    hidden = await anonymous.get("/v1/editions/e-2026")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "edition-not-found")
    seen = await peers.get("/v1/editions/e-2026")
    await peers.post("/v1/editions/e-2026/publish")
    public = await anonymous.get("/v1/editions/e-2026")
    assert public.status_code == 200
    assert public.content == seen.content


async def test_the_digest_is_that_of_the_documents_bytes_which_are_canonical(peers, anonymous):
    made = await published(peers)
    answer = await anonymous.get("/v1/editions/e-2026")
    assert made["digest"] == f"sha-256:{hashlib.sha256(answer.content).hexdigest()}"
    document = json.loads(answer.content)
    again = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert again.encode() == answer.content
    assert answer.headers["etag"] == f'"{made["digest"].removeprefix("sha-256:")}"'
    held = {"If-None-Match": answer.headers["etag"]}
    assert (await anonymous.get("/v1/editions/e-2026", headers=held)).status_code == 304


async def test_a_published_ranking_reads_like_a_live_one(peers, anonymous):
    query = {"peer_group": "g", "survey": "s1", "period": "2026"}
    live = (await peers.get("/v1/rankings", params=query)).json()
    await published(peers)
    answer = await anonymous.get(
        "/v1/editions/e-2026/rankings/overall", headers={"Accept-Language": "en"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == live | {"edition": "e-2026"}


async def test_published_indices_read_like_live_ones(peers, anonymous):
    await published(peers)
    answer = (await anonymous.get("/v1/editions/e-2026/indices/A1")).json()
    values = [(figure["code"], figure["value"], figure["n"]) for figure in answer["figures"]]
    assert values == [("overall", 70.0, 10), ("access", 70.0, 10), ("attitude", 70.0, 10)]
    assert answer["edition"] == "e-2026"
    unknown = await anonymous.get("/v1/editions/e-2026/indices/A9")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "agency-not-found")
