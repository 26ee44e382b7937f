"""What every route does alike: the routes come from the app, so that a new one is asked as well."""

import json
import re
from collections.abc import Callable

import pytest
import structlog
from factories import PLAIN
from fastapi.routing import APIRoute, iter_route_contexts
from httpx import Response

from app import logs
from app.api.middleware import Head, query_names
from app.main import create_app
from app.settings import Settings

ROUTES = [
    route
    for route in iter_route_contexts(create_app(Settings()).routes)
    if isinstance(route.original_route, APIRoute)
]
READ = sorted({route.path for route in ROUTES if "GET" in route.methods})
API = sorted({route.path for route in ROUTES if route.path.startswith("/v1/")})

# What a creating request is known by when it is not by an `Idempotency-Key`.
NAMED_BY = {
    "/v1/agencies/{agency}/ratings/{rating}/void": "the rating, which is voided once",
    "/v1/agencies/{agency}/succession": "the agency, which is succeeded once",
    "/v1/editions": "the edition's code",
    "/v1/surveys/{survey}/invitations/revoke": "the recipients, whose invitations end once",
    "/v1/editions/{edition}/discard": "the edition, which is discarded once",
    "/v1/editions/{edition}/publish": "the edition, which is published once",
    "/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver": "the event, which keeps its id",
    "/r/{token:token}": "the id that the form carries",
}

# What stands for a name in an address; where another stands for itself, it does not exist.
PLACES = {
    "agency": "A1",
    "against": "e",
    "channel": "paper",
    "counter": "Q1",
    "criterion": "overall",
    "edition": "e",
    "kind": "ratings",
    "method": "overall-question@1",
    "owner": "A1",
    "peer_group": "g",
    "period": "2026",
    "population": "1000",
    "procedure": "1.000001",
    "questionnaire": "s1-form",
    "rating": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11",
    "source": "sipas",
    "survey": "s1",
    "version": "1",
    "webhook": "w",
}
ASKED = {
    "/v1/indices": {"agency": "A1", "survey": "s1", "period": "2026"},
    "/v1/rankings": {"peer_group": "g", "survey": "s1", "period": "2026"},
    "/v1/methods/sample-size": {"population": "1000"},
}
OF_EACH_REQUEST = {"x-request-id", "date"}


@pytest.fixture
async def province(make, client):
    """A little of everything that can be read."""
    await make.agency()
    await make.peer_group("g", "A1")
    await make.survey()
    named = {"id": PLACES["rating"]}
    assert (await make.rate({"q1": "5", "q2": "5"}, **named)).status_code == 201
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    sent = {"issued": 3, "returned": 2, "invalid": 1}
    await make.put("/v1/surveys/s1/distributions/A1/paper", sent)
    await make.put("/v1/targets/A1/2026/overall", {"value": 83})
    printed = [{"criterion": "overall", "name": {"vi": "Chung"}, "value": "81.75"}]
    body = {"title": {"vi": "Công bố"}, "figures": printed}
    await make.put("/v1/published-indices/sipas/2026/A1", body)
    hook = {"url": "https://receiver.example/hook", "events": ["edition.published"]}
    await make.put("/v1/webhooks/w", hook)
    await edition(client, "e")
    return client


async def edition(client, code):
    body = {"code": code, "title": {"vi": "Bản"}, "peer_group": "g", "surveys": ["s1"]}
    frozen = await client.post("/v1/editions", json=body | {"period": "2026", "minimum_n": 1})
    assert frozen.status_code == 201, frozen.text
    published = await client.post(f"/v1/editions/{code}/publish")
    assert published.status_code == 200, published.text


def address(path: str) -> str:
    return re.sub(r"{(\w+)(?::\w+)?}", lambda name: PLACES.get(name[1], name[1]), path)


async def read(client, path, method="GET", **headers) -> Response:
    return await client.request(method, address(path), params=ASKED.get(path), headers=headers)


def shown(answer: Response) -> dict[str, str]:
    return {name: said for name, said in answer.headers.items() if name not in OF_EACH_REQUEST}


async def test_a_head_is_a_get_without_its_body(province):
    found = []
    for path in READ:
        got, headed = await read(province, path), await read(province, path, "HEAD")
        assert (headed.status_code, headed.content) == (got.status_code, b""), path
        assert shown(headed) == shown(got), path
        found.append(got.status_code)
    assert found.count(200) >= 25


async def test_who_holds_a_document_is_not_sent_it_again(province):
    for path in READ:
        got = await read(province, path)
        if got.status_code == 200 and path.startswith("/v1/") and not is_private(got):
            await check_conditions(province, path, got)


async def test_a_head_of_a_stream_ends_once():
    sent = []

    async def stream(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, True, False):
            await send({"type": "http.response.body", "body": b"row", "more_body": more})

    async def send(message):
        sent.append(message)

    await Head(stream)({"type": "http", "method": "HEAD"}, None, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert not sent[1].get("body")


def is_private(answer: Response) -> bool:
    return "no-store" in answer.headers.get("Cache-Control", "")


async def check_conditions(client, path, got):
    tag = got.headers["ETag"]
    kept = {"cache-control", "content-location", "etag", "vary"}
    said = {name: value for name, value in shown(got).items() if name in kept}
    opaque = tag.removeprefix("W/")
    for held in (tag, f'"other, with a comma", {tag}', "*", opaque, f"W/{opaque}"):
        for method in ("GET", "HEAD"):
            answer = await read(client, path, method, **{"If-None-Match": held})
            assert (answer.status_code, answer.content) == (304, b""), (path, held)
            assert said.items() <= shown(answer).items()
    other = await read(client, path, **{"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, got.content), path


async def test_every_address_names_its_methods(client):
    for path in sorted({route.path for route in ROUTES}):
        here = address(path)
        methods = set()
        for route in ROUTES:
            if route.path_regex.match(here):
                methods |= route.methods
        allowed = sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))
        asked = await client.options(here)
        assert (asked.status_code, asked.content) == (204, b""), path
        assert asked.headers["Allow"] == ", ".join(allowed)
        for method in {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"} - set(allowed):
            refused = await client.request(method, here)
            assert (refused.status_code, refused.headers["Allow"]) == (405, ", ".join(allowed))


async def test_a_misspelt_parameter_is_refused_by_name(client):
    for route in ROUTES:
        for method in route.methods if route.path.startswith("/v1/") else ():
            query = {"periode": "2022", "limit ": "5"}
            answer = await client.request(method, address(route.path), params=query)
            assert answer.status_code == 422, (method, route.path)
            named = {(e["pointer"], e["code"]) for e in answer.json()["errors"]}
            assert {(f"/query/{name}", "unknown-field") for name in query} <= named


async def test_links_to_pages_for_people_may_be_lengthened(anonymous):
    for path in ("/r/thanks", "/problems/already-rated", "/docs"):
        assert (await anonymous.get(path, params={"fbclid": "x"})).status_code == 200


async def test_a_route_with_a_model_names_its_other_faults_as_well(client):
    answer = await client.get(
        "/v1/indices", params={"agency": "A1", "period": "x", "colour": "red"}
    )
    named = [e["pointer"] for e in answer.json()["errors"]]
    assert named == ["/query/period", "/query/colour"]


@pytest.mark.parametrize(
    ("path", "method"),
    sorted({(r.path, m) for r in ROUTES if r.body_field for m in r.methods & {"POST", "PUT"}}),
)
async def test_a_body_that_is_not_said_to_be_json_is_refused_as_such(province, path, method):
    for told in ({"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"}):
        answer = await province.request(method, address(path), content=b"{}", headers=told)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")
    empty = await province.request(method, address(path))
    assert empty.status_code == 422
    patched = {"Content-Type": "application/merge-patch+json; charset=utf-8"}
    read = await province.request(method, address(path), content=b"{}", headers=patched)
    assert read.status_code != 415


@pytest.mark.parametrize("path", sorted({r.path for r in ROUTES if "POST" in r.methods}))
def test_every_creating_request_can_be_named(path):
    (route,) = (one for one in ROUTES if one.path == path and "POST" in one.methods)
    own = {one["name"] for one in (route.openapi_extra or {}).get("parameters", [])}
    declared = own | {field.alias for field in route.dependant.header_params}
    assert ("Idempotency-Key" in declared) != (path in NAMED_BY)


async def test_a_dossiers_invitation_is_issued_once_under_its_key(province, make):
    path = f"/v1/agencies/A1/dossiers/{await make.dossier()}/invitations"
    named = {"Idempotency-Key": "lost-answer"}
    first = await province.post(path, headers=named)
    other = await province.post(path)
    again = await province.post(path, headers=named)
    assert again.json() == first.json() != other.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in {**first.headers, **other.headers}
    elsewhere = f"/v1/agencies/A1/dossiers/{await make.dossier()}/invitations"
    assert (await province.post(elsewhere, headers=named)).json() != first.json()


async def put_agency(client, make, number):
    await make.agency(f"B{number}")


async def put_counter(client, make, number):
    await make.put(f"/v1/agencies/A1/counters/Q{number}", {"name": {"vi": "Quầy"}})


async def put_peer_group(client, make, number):
    await make.peer_group(f"g{number}", "A1")


async def put_procedure(client, make, number):
    await make.procedure(f"2.{number}")


async def put_questionnaire(client, make, number):
    await make.put(f"/v1/questionnaires/f{number}/versions/1", PLAIN)


async def put_survey(client, make, number):
    await make.survey(f"t{number}")


async def put_dossier(client, make, number):
    await make.dossier()


async def rate(client, make, number):
    assert (await make.rate({"q1": "5"})).status_code == 201


async def publish(client, make, number):
    await edition(client, f"p{number}")


async def upload(client, make, number):
    lines = json.dumps({"id": f"00000000-0000-4000-8000-{number:012}"})
    typed = {"Content-Type": "application/x-ndjson"}
    sent = await client.post("/v1/imports/ratings", content=lines, headers=typed)
    assert sent.status_code == 202, sent.text


async def listen(client, make, number):
    body = {"url": "https://receiver.example/hook", "events": ["edition.published"]}
    await make.put(f"/v1/webhooks/w{number}", body)


async def add_nothing(client, make, number):
    pass


Adding = Callable[..., object]
LISTS: dict[str, tuple[str, Adding]] = {
    "/v1/agencies": ("code", put_agency),
    "/v1/agencies/{agency}/counters": ("code", put_counter),
    "/v1/agencies/{agency}/dossiers": ("code", put_dossier),
    "/v1/agencies/{agency}/ratings": ("id", rate),
    "/v1/editions": ("code", publish),
    "/v1/methods": ("id", add_nothing),
    "/v1/operations": ("id", upload),
    "/v1/peer-groups": ("code", put_peer_group),
    "/v1/procedures": ("code", put_procedure),
    "/v1/questionnaires": ("code", put_questionnaire),
    "/v1/surveys": ("code", put_survey),
    "/v1/webhooks": ("id", listen),
    "/v1/webhooks/{webhook}/deliveries": ("id", publish),
}
# Their rows can be deleted, so every code is a place to go on from.
ANY_PLACE = {"/v1/webhooks"}
LIMITS = ("0", "501", "-1", "x", "")
FORGED = ("x", "0", "A1' OR 1=1", "00000000-0000-4000-8000-000000000000")
PAGED = sorted(r.path for r in ROUTES if {"cursor", "limit"} <= (query_names(r.dependant) or set()))


async def pages(client, path, size):
    """The rows of a list a page at a time, each page fetched by the link on the one before."""
    here = f"{address(path)}?limit={size}"
    while here:
        answer = await client.get(here)
        assert answer.status_code == 200, answer.text
        page, link = answer.json(), answer.links.get("next")
        assert len(page["items"]) <= size
        assert (page["next_cursor"] is None) == (link is None)
        yield page["items"]
        here = link and link["url"]


@pytest.mark.parametrize("path", PAGED)
async def test_every_row_is_listed_once_however_it_is_paged_and_whatever_comes_in(
    province, make, path
):
    name, add = LISTS[path]
    for number in range(3):
        await add(province, make, number)
    for size in (1, 2, 500):
        (before,) = [page async for page in pages(province, path, 500)]
        seen = []
        async for page in pages(province, path, size):
            seen += [row[name] for row in page]
            if len(seen) < len(before):
                await add(province, make, 100 * size + len(seen))
        assert len(seen) == len(set(seen))
        assert {row[name] for row in before} <= set(seen)


async def test_a_page_holds_1_to_500_rows_and_begins_where_another_ended(province):
    for path in PAGED:
        for name, refused in (("limit", LIMITS), ("cursor", FORGED)):
            for value in () if name == "cursor" and path in ANY_PLACE else refused:
                answer = await province.get(address(path), params={name: value})
                assert answer.status_code == 422, (path, name, value)
                assert [e["pointer"] for e in answer.json()["errors"]] == [f"/query/{name}"]


async def test_a_change_can_name_several_states_and_exclude_others(client, make):
    path, body = "/v1/agencies/A9", {"name": {"vi": "Sở"}, "kind": "k", "valid_from": "2010-01-01"}

    async def put(**conditions):
        headers = {name.replace("_", "-"): value for name, value in conditions.items()}
        return (await client.put(path, json=body, headers=headers)).status_code

    assert await put(If_None_Match='"1", "2"') == 201
    assert await put(If_Match='"7", "1"') == 200
    assert await put(If_Match='"1", W/"2"') == 412
    assert await put(If_Match='"2x"') == 412
    assert await put(If_Match='"2-overdue"') == 200
    assert await put(If_None_Match='"9", W/"3"') == 412
    assert await put(If_None_Match='"9"') == 200
    assert await put(If_Match="*", If_None_Match="*") == 412
    assert await put(If_Match='"4"', If_None_Match='"4"') == 412
    assert (await client.get(path)).headers["ETag"] == '"4"'


@pytest.fixture
def log_lines():
    """What is written to the log, with what is said in every line."""
    logs.configure("info")
    merged = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=merged) as lines:
        yield lines
    logs.configure("error")


@pytest.mark.parametrize(
    "given", ["portal-77", "x" * 128, "x" * 129, "no spaces, please", "khóa".encode(), ""]
)
async def test_a_request_has_an_id_in_its_answer_and_in_every_log_line(client, log_lines, given):
    answers = [
        await client.get(path, headers={"X-Request-Id": given})
        for path in ("/healthz", "/v2", "/v1/agencies?periode=2022")
    ]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert [line["request_id"] for line in log_lines] == ids
    if given in {"portal-77", "x" * 128}:
        assert set(ids) == {given}
    else:
        assert all(re.fullmatch(r"[0-9a-f-]{36}", made) for made in ids)


async def test_the_log_names_the_route_of_a_head(client, log_lines):
    await client.head("/v1/agencies/A1")
    named = [(line["method"], line["route"]) for line in log_lines]
    assert named == [("HEAD", "/v1/agencies/{agency}")]
