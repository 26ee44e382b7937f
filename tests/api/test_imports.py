"""Imports and operations over HTTP: what is taken in, refused, and told to whom."""

import gzip

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text

from app.api.rating_schemas import ON_TABLET, RatingIn
from app.main import create_app
from app.settings import Settings

NDJSON = {"Content-Type": "application/x-ndjson"}
ROW = b'{"agency": "A1"}\n'


async def stored(session) -> tuple[int, int]:
    """How many operations there are, and parts of input."""
    counts = "SELECT (SELECT count(*) FROM operation), (SELECT count(*) FROM operation_chunk)"
    return tuple((await session.execute(text(counts))).one())


async def ask(caller, kind="ratings", body=ROW, **headers):
    return await caller.post(f"/v1/imports/{kind}", content=body, headers=NDJSON | headers)


def test_a_rating_stored_by_an_earlier_version_is_known_again():
    digest = RatingIn.model_validate(ON_TABLET).digest("key\nadmin", b"reference", 7)
    assert digest.hex() == "05ab9810b4cfbbcb854fcf4a5cdd5798"


async def test_a_file_is_taken_in_and_queued(client, session):
    answer = await ask(client)
    assert answer.status_code == 202
    said = answer.json()
    assert (said["state"], said["kind"], said["read"]) == ("queued", "ratings", 0)
    assert (said["bytes"], said["bytes_done"]) == (len(ROW), 0)
    assert answer.headers["Location"] == f"/v1/operations/{said['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert await stored(session) == (1, 1)
    got = await client.get(answer.headers["Location"])
    assert got.json() == said
    held = {"If-None-Match": got.headers["ETag"]}
    assert (await client.get(answer.headers["Location"], headers=held)).status_code == 304


async def test_a_large_file_is_kept_in_parts(client, session):
    body = ROW * 200_000
    answer = await ask(client, body=body)
    assert answer.json()["bytes"] == len(body)
    parts = await session.execute(text("SELECT data FROM operation_chunk ORDER BY number"))
    parts = [bytes(data) for (data,) in parts]
    assert len(parts) == 4
    assert b"".join(parts) == body


@pytest.mark.parametrize(
    ("headers", "pointer", "named"),
    [
        ({"Content-Type": "application/pdf"}, "/header/Content-Type", "text/csv"),
        ({"Content-Type": ""}, "/header/Content-Type", "application/x-ndjson"),
        ({"Content-Type": "application/json"}, "/header/Content-Type", "application/x-ndjson"),
        ({"Content-Type": "text/plain"}, "/header/Content-Type", "text/csv"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "/header/Content-Type", "multipart"),
        ({"Content-Type": "application/gzip"}, "/header/Content-Type", "gzip"),
        ({"Content-Type": "application/vnd.ms-excel"}, "/header/Content-Type", "CSV UTF-8"),
        (
            {"Content-Type": "text/csv", "Content-Encoding": "br"},
            "/header/Content-Encoding",
            "gzip",
        ),
    ],
)
async def test_a_file_of_another_kind_is_refused_and_told_what_is_taken(
    client, session, headers, pointer, named
):
    answer = await client.post("/v1/imports/ratings", content=ROW, headers=headers)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (415, "unsupported-media-type")
    assert [one["pointer"] for one in said["errors"]] == [pointer]
    assert named in said["detail"]
    assert await stored(session) == (0, 0)


async def test_a_packed_file_is_kept_as_it_came(client, session):
    body = gzip.compress(ROW)
    answer = await ask(client, body=body, **{"Content-Encoding": "gzip"})
    assert answer.json()["bytes"] == len(body)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_file_that_is_too_long_is_refused_and_leaves_nothing(app, make, session, declared):
    small = create_app(Settings(log_level="error", import_max_bytes=2_000_000))
    small.state._state |= app.state._state | {"settings": small.state.settings}  # noqa: SLF001 -- the same database
    headers = {"Authorization": f"Bearer {await make.key()}", **NDJSON}

    async def blocks():
        for _ in range(3):
            yield b" " * 999_999

    async with AsyncClient(transport=ASGITransport(small), base_url="http://test") as client:
        body = b" " * 2_000_001 if declared else blocks()
        answer = await client.post("/v1/imports/ratings", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert await stored(session) == (0, 0)


async def test_a_file_that_breaks_off_leaves_nothing(app, make, session):
    key = await make.key()
    sent = [
        {"type": "http.request", "body": ROW * 100_000, "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered = []

    async def receive():
        return sent.pop(0)

    async def send(message):
        answered.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/imports/ratings",
        "raw_path": b"/v1/imports/ratings",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/x-ndjson"),
        ],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
        "app": app,
    }
    await app(scope, receive, send)
    assert answered[0]["status"] == 400
    assert await stored(session) == (0, 0)


async def test_the_same_request_makes_one_operation(client, session):
    named = {"Idempotency-Key": "night-2026-06-15"}
    first = await ask(client, **named)
    again = await ask(client, **named)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.json() == first.json()
    assert await stored(session) == (1, 1)
    others = [
        await ask(client, body=ROW * 2, **named),
        await ask(client, "dossiers", **named),
        await client.post("/v1/imports/ratings?dry_run=true", content=ROW, headers=NDJSON | named),
    ]
    assert [(one.status_code, one.json()["code"]) for one in others] == [
        (422, "idempotency-key-reused")
    ] * 3
    assert await stored(session) == (1, 1)


async def test_importing_needs_the_scope_of_what_is_imported(make):
    writer = await make.caller("ratings:write")
    kinds = ("ratings", "tally-sheets", "dossiers", "published-indices")
    answers = [(await ask(writer, kind)).status_code for kind in kinds]
    assert answers == [202, 202, 403, 403]
    assert (await ask(await make.caller("ratings:read"))).status_code == 403


async def test_what_is_no_kind_is_refused(client):
    answer = await ask(client, "grades")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/path/kind")


async def test_a_limited_key_knows_only_of_its_own_operations(make):
    for code in ("A1", "A2"):
        await make.agency(code)
    admin = await make.caller()
    mine, other = await make.caller(agencies={"A1"}), await make.caller(agencies={"A2"})
    paths = {
        name: (await ask(caller)).headers["Location"]
        for name, caller in (("admin", admin), ("mine", mine), ("other", other))
    }
    for path in (paths["admin"], paths["other"]):
        for part in ("", "/errors"):
            refused = await mine.get(path + part)
            assert (refused.status_code, refused.json()["code"]) == (404, "operation-not-found")
    assert (await mine.get(paths["mine"])).status_code == 200
    assert (await admin.get(paths["mine"])).status_code == 200
    neighbour = make.with_key(await make.key(agencies={"A1"}, name="neighbour"))
    assert (await neighbour.get(paths["mine"])).status_code == 404
    assert (await neighbour.get("/v1/operations")).json()["items"] == []
    listed = (await mine.get("/v1/operations")).json()["items"]
    assert [f"/v1/operations/{one['id']}" for one in listed] == [paths["mine"]]
    reader = await make.caller("dossiers:write")
    assert (await reader.get(paths["admin"])).status_code == 404


async def test_operations_are_listed_a_page_at_a_time(client):
    made = {(await ask(client)).json()["id"] for _ in range(5)}
    found, path = [], "/v1/operations?limit=2"
    while path:
        page = await client.get(path)
        found += [one["id"] for one in page.json()["items"]]
        path = page.links.get("next", {}).get("url")
    assert len(found) == 5
    assert set(found) == made
    unknown = "/v1/operations?cursor=00000000-0000-4000-8000-000000000000"
    assert (await client.get(unknown)).json()["errors"][0]["code"] == "bad-cursor"


async def test_errors_are_read_in_the_order_of_the_file(client, session):
    operation = (await ask(client)).json()["id"]
    await session.execute(
        text("""
        INSERT INTO operation_error (operation_id, number, line, pointer, code, params)
        SELECT :id, n, n * 2, '', 'line-too-long', '{"limit": 1024}'
          FROM generate_series(1, 2500) AS n
        """),
        {"id": operation},
    )
    await session.commit()
    answer = await client.get(f"/v1/operations/{operation}/errors")
    lines = answer.text.splitlines()
    assert len(lines) == 2500
    assert [f'"line": {2 * n},' in line for n, line in enumerate(lines, 1)] == [True] * 2500
    assert "1024" in lines[0]
