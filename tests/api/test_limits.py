"""How much a caller may ask in a minute, and what it is told about it."""

from datetime import timedelta
from functools import partial

import pytest
from conftest import NOW, driver
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text

from app.db.limits import Quotas

PAGE = "/r/AAAAAH5UGYQMZL7DPVNQCPOY3ZXKZ2EA"


@pytest.fixture
async def limit(app, connection):
    """Gives every credential so many requests a minute, from now on."""
    await connection.execute(text("SELECT 1"))  # so that what the driver writes is undone as well

    def at(quota):
        app.state.quotas = Quotas(partial(driver, connection), quota)

    return at


async def statuses(client, times, path="/v1/agencies"):
    return [(await client.get(path)).status_code for _ in range(times)]


async def test_every_answer_says_what_is_allowed_and_what_is_left(client, app, limit):
    limit(5)
    app.state.clock = lambda: NOW + timedelta(seconds=42)
    told = [await client.get(path) for path in ("/v1/agencies", "/v1/agencies/none", "/v2")]
    assert {one.headers["RateLimit-Policy"] for one in told} == {'"default";q=5;w=60'}
    assert [one.headers["RateLimit"] for one in told] == [
        f'"default";r={left};t=18' for left in (4, 3, 2)
    ]


async def test_who_has_used_up_the_quota_is_told_when_to_come_again(client, app, limit):
    limit(2)
    app.state.clock = lambda: NOW + timedelta(seconds=42.5)
    assert await statuses(client, 2) == [200, 200]
    refused = await client.get("/v1/agencies")
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Retry-After"] == "18"
    assert refused.headers["RateLimit"] == '"default";r=0;t=18'
    app.state.clock = lambda: NOW + timedelta(seconds=42.5 + 18)
    assert await statuses(client, 3) == [200, 200, 429]


async def test_another_credential_is_not_affected(client, make, limit):
    limit(2)
    assert await statuses(client, 3) == [200, 200, 429]
    assert await statuses(await make.caller(), 3) == [200, 200, 429]
    assert (await make.anonymous.get("/healthz")).status_code == 200


async def test_who_watches_the_service_is_never_refused(client, limit):
    limit(1)
    assert await statuses(client, 2) == [200, 429]
    for path in ("/healthz", "/readyz"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


async def test_the_body_of_who_is_refused_is_not_read(client, limit):
    async def body():
        raise AssertionError
        yield b""

    limit(1)
    await statuses(client, 1)
    answer = await client.post("/v1/ratings", content=body())
    assert answer.status_code == 429


async def test_a_batch_counts_one_more_for_every_ten_rows(client, limit):
    limit(60)
    batch = {"ratings": [{}] * 500}
    first = await client.post("/v1/ratings/batch", json=batch)
    assert (first.status_code, first.headers["RateLimit"][:14]) == (200, '"default";r=9;')
    second = await client.post("/v1/ratings/batch", json=batch)
    assert (second.status_code, second.json()["code"]) == (429, "too-many-requests")
    assert second.headers["Retry-After"] == "60"


async def test_reading_what_is_public_is_not_counted(anonymous, limit):
    limit(1)
    for path in ("/v1/editions", "/healthz", "/problems/already-rated"):
        answers = [await anonymous.get(path) for _ in range(3)]
        assert {one.status_code for one in answers} == {200}
        assert "RateLimit" not in answers[-1].headers


async def test_writing_without_a_key_and_guessing_keys_count_for_the_address(anonymous, app, limit):
    limit(3)
    written = await anonymous.post("/v1/ratings", json={})
    guessed = await statuses(anonymous, 1, "/v1/agencies")
    assert (written.status_code, guessed) == (422, [401])
    guesses = [{"Authorization": f"Bearer hl_{guess}"} for guess in range(3)]
    answers = [await anonymous.get("/v1/agencies", headers=guess) for guess in guesses]
    assert [one.status_code for one in answers] == [401, 401, 429]
    transport = ASGITransport(app, client=("192.0.2.7", 1))
    async with AsyncClient(transport=transport, base_url="http://test") as neighbour:
        assert (await neighbour.post("/v1/ratings", json={})).status_code == 422


async def test_a_known_key_is_served_where_the_address_is_refused(client, anonymous, limit):
    limit(1)
    for status in (422, 429):
        assert (await anonymous.post("/v1/ratings", json={})).status_code == status
    assert await statuses(client, 1) == [200]


async def test_a_citizen_is_told_on_a_page(anonymous, limit):
    limit(1)
    await anonymous.post(PAGE)
    page = await anonymous.post(PAGE, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert "Quá nhiều yêu cầu" in page.text
    problem = await anonymous.post(PAGE, headers={"Accept": "application/json"})
    assert problem.json()["code"] == "too-many-requests"


async def test_neither_credentials_nor_addresses_can_be_read_from_what_is_kept(client, limit):
    limit(5)
    await statuses(client, 1)
    key = client.headers["Authorization"].removeprefix("Bearer ")
    app = client._transport.app  # noqa: SLF001 -- the app that was asked
    async with app.state.sessions() as session:
        kept = await session.scalar(text("SELECT caller FROM quota_window"))
        plain = await session.scalar(text("SELECT sha256(:key)"), {"key": key.encode()})
    assert len(kept) == 32
    assert kept != plain


async def test_a_limit_of_nothing_is_none(client):
    answer = await client.get("/v1/agencies")
    assert "RateLimit" not in answer.headers
