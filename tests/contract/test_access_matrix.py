"""Every route of the app, asked by everybody who must not get in.

The routes come from the app itself: one that is new fails here until it is said which example
request reaches it, and what a key of one agency gets of it when that is not in its address.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from architecture.test_house_rules import PUBLIC, PUBLIC_TO_READ
from conftest import REFERENCE_KEY
from fastapi.routing import iter_route_contexts
from issuer import AUDIENCE, Issuer

from app.api.deps import scopes_asked
from app.cli.devices import new_key as new_device_key
from app.db import devices, keys
from app.domain.access import DEVICE_SCOPE, SCOPES
from app.main import create_app
from app.settings import Settings

OWN, OTHER = "A1", "A2"
DOSSIER = "000.00.01.H00-260601-00001"

# What stands for a name in a path, or for a query parameter that must be given. All that can be of
# an agency is the other's.
PLACES = {
    "agency": OTHER,
    "owner": OTHER,
    "against": "draft",
    "channel": "paper",
    "counter": "Q1",
    "criterion": "overall",
    "delivery": "00000000-0000-4000-8000-000000000000",
    "device": "tablet-2",
    "dossier": DOSSIER,
    "edition": "draft",
    "kind": "dossiers",
    "method": "overall-question@1",
    "number": "1",
    "operation": "00000000-0000-4000-8000-000000000000",  # the one that is made below
    "peer_group": "g",
    "period": "2026",
    "population": "1000",
    "procedure": "1.000001",
    "questionnaire": "form",
    "rating": "00000000-0000-4000-8000-000000000000",
    "source": "sipas",
    "survey": "s1",
    "version": "1",
    "webhook": "hook",
}

# Said beside the example of the contract, where that alone does not reach the other agency.
QUERIES = {
    "GET /v1/indices": {"period": "2026", "survey": "s1"},
    "GET /v1/rankings": {"period": "2026", "survey": "s1"},
}
BODIES = {"POST /v1/editions": {"peer_group": "g", "surveys": ["s1"], "period": "2026"}}

# What a key limited to one agency gets of another's where no `agency` is named: nothing of what is
# the other's or everybody's, not even that it exists, and what the catalogue shows to all.
REFUSED, HIDDEN, SHOWN = "refused", "hidden", "shown"
UNNAMED = {
    "GET /v1/agencies": SHOWN,
    "GET /v1/devices/{device}/gaps": REFUSED,
    "POST /v1/editions": REFUSED,
    "GET /v1/editions/{edition}/differences": REFUSED,
    "POST /v1/editions/{edition}/discard": REFUSED,
    "POST /v1/editions/{edition}/publish": REFUSED,
    "POST /v1/imports/{kind}": SHOWN,  # each row is judged by itself when it is read
    "GET /v1/imports/{kind}/template.xlsx": SHOWN,
    "GET /v1/methods": SHOWN,
    "GET /v1/methods/sample-size": SHOWN,
    "GET /v1/methods/{method}": SHOWN,
    "GET /v1/operations": SHOWN,  # its own only
    "GET /v1/operations/{operation}": HIDDEN,
    "GET /v1/operations/{operation}/errors": HIDDEN,
    "GET /v1/peer-groups": SHOWN,
    "GET /v1/peer-groups/{peer_group}": SHOWN,
    "PUT /v1/peer-groups/{peer_group}": REFUSED,
    "GET /v1/procedures": SHOWN,
    "GET /v1/procedures/{procedure}": SHOWN,
    "PUT /v1/procedures/{procedure}": REFUSED,
    "GET /v1/questionnaires": SHOWN,
    "GET /v1/questionnaires/{questionnaire}/versions/{version}": SHOWN,
    "PUT /v1/questionnaires/{questionnaire}/versions/{version}": REFUSED,
    "GET /v1/rankings": REFUSED,
    "POST /v1/ratings/batch": SHOWN,  # each row has its own answer, tested below
    "GET /v1/surveys/{survey}": SHOWN,
    "PUT /v1/surveys/{survey}": REFUSED,
    "GET /v1/targets/{owner}/{period}/{criterion}": SHOWN,
    "PUT /v1/targets/{owner}/{period}/{criterion}": REFUSED,
    "GET /v1/webhooks": SHOWN,  # its own only
    "GET /v1/webhooks/{webhook}": HIDDEN,
    "PUT /v1/webhooks/{webhook}": REFUSED,  # names are shared
    "DELETE /v1/webhooks/{webhook}": HIDDEN,
    "GET /v1/webhooks/{webhook}/deliveries": HIDDEN,
    "POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver": HIDDEN,
    "POST /v1/webhooks/{webhook}/secrets": HIDDEN,
    "DELETE /v1/webhooks/{webhook}/secrets/{number}": HIDDEN,
}
# An agency's entries in the catalogue that every key with the scope may read (decision 0016).
CATALOGUE = {
    "GET /v1/agencies/{agency}",
    "GET /v1/agencies/{agency}/counters",
    "GET /v1/agencies/{agency}/counters/{counter}",
    "GET /v1/published-indices/{source}/{period}/{agency}",
    "GET /v1/surveys",
    "GET /v1/surveys/{survey}/distributions/{agency}/{channel}",
}


@dataclass(frozen=True)
class Asked:
    """A route with an example request that would do, were it not for the caller."""

    name: str
    scopes: frozenset[str]
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    media: str = ""
    about_agency: bool = False

    async def by(self, client: Any, credential: str | None) -> Any:
        headers = {"Accept-Language": "en"}
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        if self.media:
            headers["Content-Type"] = self.media
        content = self.body if isinstance(self.body, str) else json.dumps(self.body)
        method = self.name.partition(" ")[0]
        return await client.request(
            method,
            self.path.format_map(PLACES),
            params=self.query,
            headers=headers,
            content=content if self.media else None,
        )


def resolved(contract: Any, described: Any) -> Any:
    """What is described, here or where the contract refers to."""
    for step in described.get("$ref", "#").split("/")[1:]:
        contract = contract[step]
    return contract if "$ref" in described else described


def example(contract: Any, media: Any) -> Any:
    schema = resolved(contract, media.get("schema", {}))
    return media["example"] if "example" in media else schema.get("examples", [None])[0]


def asked(contract: Any, name: str, path: str, scopes: frozenset[str]) -> Asked:
    operation = contract["paths"][path][name.partition(" ")[0].lower()]
    parameters = [resolved(contract, one) for one in operation.get("parameters", [])]
    named = {one["name"] for one in parameters if one["in"] == "path"}
    query = {
        one["name"]: PLACES.get(one["name"], "")
        for one in parameters
        if one["in"] == "query" and (one.get("required") or one["name"] == "agency")
    }
    described = resolved(contract, operation.get("requestBody", {})).get("content", {})
    media = next(iter(described), "")
    body = example(contract, described[media]) if media else None
    if isinstance(body, dict):
        body = body | ({"agency": OTHER} if "agency" in body else {}) | BODIES.get(name, {})
    return Asked(
        name,
        scopes,
        path,
        query | QUERIES.get(name, {}),
        body,
        media,
        "agency" in named | query.keys() or (isinstance(body, dict) and "agency" in body),
    )


def walked() -> tuple[list[Asked], set[str]]:
    """All guarded routes as they are asked, and the names of all others."""
    app = create_app(Settings())
    contract, guarded, unguarded = app.openapi(), [], set()
    for route in iter_route_contexts(app.routes):
        scopes = scopes_asked(route.dependant) if hasattr(route, "dependant") else set()
        for method in sorted(route.methods or {"GET"}):
            name = f"{method} {route.path}"
            if scopes:
                guarded.append(asked(contract, name, route.path_format, frozenset().union(*scopes)))
            else:
                unguarded.add(name)
    return guarded, unguarded


GUARDED, UNGUARDED = walked()


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture
def settings(issuer):
    return Settings(
        reference_key=REFERENCE_KEY,
        log_level="error",
        oidc_issuer=issuer.address,
        oidc_audience=AUDIENCE,
    )


@pytest.fixture
async def two(make, monkeypatch):
    """Two agencies with all that the example requests are about."""
    for code in (OWN, OTHER):
        await make.agency(code)
        await make.put(f"/v1/agencies/{code}/counters/Q1", {"name": {"vi": "Quầy"}})
    await make.peer_group("g", OWN, OTHER)
    await make.survey("s1", OWN, OTHER)
    await make.dossier(OTHER)
    edition = {
        "code": "draft",
        "title": {"vi": "Bản nháp"},
        "peer_group": "g",
        "period": "2026",
        "surveys": ["s1"],
    }
    answer = await make.admin.post("/v1/editions", json=edition)
    assert answer.status_code == 201, answer.text
    await devices.create(make.session, new_device_key(), "tablet-2", (OTHER, "Q1"), make.now)
    await make.session.commit()
    hook = {"url": "https://portal.example/hook", "events": ["rating.low"], "agencies": [OTHER]}
    await make.put("/v1/webhooks/hook", hook)
    file = {"content": "{}\n", "headers": {"Content-Type": "application/x-ndjson"}}
    answer = await make.admin.post("/v1/imports/dossiers", **file)
    assert answer.status_code == 202, answer.text
    monkeypatch.setitem(PLACES, "operation", answer.json()["id"])
    return make


async def answers(client, credential_for, routes=GUARDED):
    """What each route answers, by its name: the status and the code of the problem."""
    said = {}
    for route in routes:
        answer = await route.by(client, credential_for(route))
        problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
        said[route.name] = (answer.status_code, answer.json()["code"] if problem else None)
    return said


def expected(status, code, routes=GUARDED):
    return {route.name: (status, code) for route in routes}


def test_every_route_without_a_guard_is_listed_as_public():
    listed = {f"GET {path}" for path in PUBLIC | PUBLIC_TO_READ} | {"POST /r/{token:token}"}
    assert {name for name in UNGUARDED if not name.startswith("HEAD ")} == listed
    assert len(GUARDED) > 40


def test_every_name_in_an_address_has_an_example():
    named = {place for route in GUARDED for place in re.findall(r"{(\w+)", route.name)}
    assert named - set(PLACES) == set()


def test_it_is_said_of_every_route_what_a_key_of_one_agency_gets():
    unnamed = {route.name for route in GUARDED if not route.about_agency}
    assert unnamed == set(UNNAMED)
    assert {route.name for route in GUARDED} - unnamed >= CATALOGUE


async def test_nobody_gets_in_without_a_key(two, anonymous):
    said = await answers(anonymous, lambda _: None)
    assert said == expected(401, "credential-missing")


async def ended(make):
    """Credentials that are none, or none any more."""
    revoked = await make.key()
    await keys.revoke(make.session, (await keys.list_all(make.session))[-1].id, make.now)
    agency = f"/v1/agencies/{OTHER}"
    invited = await make.admin.post(f"{agency}/dossiers/{DOSSIER}/invitations")
    assert invited.status_code == 201, invited.text
    device = new_device_key()
    await devices.create(make.session, device, "tablet-1", (OWN, "Q1"), make.now)
    await devices.revoke(make.session, "tablet-1", make.now)
    await make.session.commit()
    return {
        "unknown": "hl_unknown",
        "unknown device": "hld_unknown",
        "revoked": revoked,
        "expired": await make.key(expires_at=make.now - timedelta(seconds=1)),
        "invitation": invited.json()["token"],
        "revoked device": device,
    }


async def test_nobody_gets_in_with_what_is_no_key_or_none_any_more(two, anonymous, issuer):
    every = " ".join(SCOPES)
    credentials = await ended(two) | {
        "ended token": issuer.token(two.now - timedelta(hours=1), every, agencies="*"),
        "another's token": issuer.token(two.now, every, agencies="*", iss="https://else.example"),
    }
    for kind, credential in credentials.items():
        said = await answers(anonymous, lambda _, credential=credential: credential)
        assert said == expected(401, "credential-unknown"), kind


async def test_nobody_gets_in_without_the_scope(two, anonymous, issuer):
    held, tokens = {}, {}
    for scopes in {route.scopes for route in GUARDED}:
        lacking = SCOPES - scopes
        held[scopes] = await two.key(*lacking)
        tokens[scopes] = issuer.token(two.now, " ".join(lacking), agencies="*")
    for credentials in (held, tokens):
        said = await answers(anonymous, lambda route: credentials[route.scopes])  # noqa: B023 -- called at once
        assert said == expected(403, "scope-missing")


async def test_a_device_gets_in_only_to_rate_and_to_read_the_forms(two, anonymous):
    device = new_device_key()
    await devices.create(two.session, device, "tablet-1", (OWN, "Q1"), two.now)
    await two.session.commit()
    theirs = {route.name for route in GUARDED if DEVICE_SCOPE in route.scopes}
    forms = {
        "GET /v1/questionnaires",
        "GET /v1/questionnaires/{questionnaire}/versions/{version}",
        "GET /v1/surveys",
        "GET /v1/surveys/{survey}",
    }
    assert theirs == forms | {"POST /v1/ratings", "POST /v1/ratings/batch"}
    said = await answers(anonymous, lambda _: device)
    read = {name: said[name][0] for name in forms}
    assert read == dict.fromkeys(forms, 200) | {
        "GET /v1/questionnaires/{questionnaire}/versions/{version}": 404
    }
    for name in theirs:
        said.pop(name)
    assert said == expected(
        403, "scope-missing", [route for route in GUARDED if route.name not in theirs]
    )


async def one_agencys(make, issuer):
    """Credentials with every scope, for one agency or for none."""
    every = " ".join(SCOPES)
    return {
        "key": await make.key(agencies={OWN}),
        "token": issuer.token(make.now, every, agencies=[OWN]),
        "token that names none": issuer.token(make.now, every),
    }


async def test_nobody_reaches_another_agency(two, anonymous, issuer):
    refused = [
        route
        for route in GUARDED
        if (UNNAMED.get(route.name) == REFUSED)
        or (route.about_agency and route.name not in CATALOGUE)
    ]
    for kind, credential in (await one_agencys(two, issuer)).items():
        said = await answers(anonymous, lambda _, credential=credential: credential, refused)
        assert said == expected(403, "agency-not-allowed", refused), kind


async def test_what_is_anothers_is_not_even_said_to_exist(two, anonymous, issuer):
    hidden = [route for route in GUARDED if UNNAMED.get(route.name) == HIDDEN]
    for kind, credential in (await one_agencys(two, issuer)).items():
        said = await answers(anonymous, lambda _, credential=credential: credential, hidden)
        assert {name: status for name, (status, _) in said.items()} == {
            route.name: 404 for route in hidden
        }, kind
        for path in ("/v1/webhooks", "/v1/operations"):
            headers = {"Authorization": f"Bearer {credential}"}
            assert (await anonymous.get(path, headers=headers)).json()["items"] == []
    whole = await two.key()
    for route in hidden:
        if route.name.startswith("GET"):
            assert (await route.by(anonymous, whole)).status_code == 200, route.name


async def test_no_row_of_a_batch_reaches_another_agency(two, anonymous, issuer):
    (batch,) = [route for route in GUARDED if route.name == "POST /v1/ratings/batch"]
    rows = {"ratings": [{**row, "agency": OTHER} for row in batch.body["ratings"]]}
    for credential in (await one_agencys(two, issuer)).values():
        headers = {"Authorization": f"Bearer {credential}"}
        answer = await anonymous.post(batch.path, json=rows, headers=headers)
        (outcome,) = answer.json()["outcomes"]
        assert (outcome["status"], outcome["problem"]["code"]) == (403, "agency-not-allowed")


async def test_what_all_share_is_shown_to_a_key_of_one_agency(two, anonymous):
    limited = await two.key(agencies={OWN})
    shown = [r for r in GUARDED if UNNAMED.get(r.name) == SHOWN or r.name in CATALOGUE]
    said = await answers(anonymous, lambda _: limited, shown)
    assert {status for status, _ in said.values()} <= {200, 201, 202, 404}


async def test_whoever_may_do_everything_is_refused_nowhere(two, anonymous, issuer):
    every = issuer.token(two.now, " ".join(SCOPES), agencies="*")
    for route in GUARDED:
        for credential in (await two.key(), every):
            answer = await route.by(anonymous, credential)
            assert answer.status_code not in {401, 403, 405}, (route.name, answer.text)
