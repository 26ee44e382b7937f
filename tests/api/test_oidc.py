"""Tokens of an issuer, beside our own keys."""

import asyncio
import hmac
import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest
from cli.processes import free_port, wait_until
from conftest import NOW, REFERENCE_KEY, driver
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from issuer import AUDIENCE, Issuer, new_key
from joserfc import jws
from joserfc.jwk import ECKey, OctKey
from pydantic import ValidationError
from sqlalchemy import text

from app.api.oidc import Tokens
from app.db.limits import Quotas
from app.domain.access import SCOPES
from app.domain.errors import CredentialUnknownError
from app.settings import Settings

ALL = " ".join(sorted(SCOPES))


@pytest.fixture(scope="module")
def first_key():
    return new_key("first")


@pytest.fixture
def issuer(first_key):
    issuer = Issuer(first_key)
    issuer.start()
    yield issuer
    issuer.stop()


def chosen(issuer, **more):
    return Settings(
        reference_key=REFERENCE_KEY,
        log_level="error",
        oidc_issuer=issuer.address,
        oidc_audience=AUDIENCE,
        **more,
    )


@pytest.fixture
def settings(issuer):
    return chosen(issuer)


@pytest.fixture
def ask(anonymous):
    async def asked(token, path="/v1/agencies", language="vi", **query):
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
        return await anonymous.get(path, headers=headers, params=query)

    return asked


async def test_who_signs_in_does_what_the_scopes_of_the_token_say(ask, issuer):
    for scope in ("openid catalogue:read profile", ["openid", "catalogue:read"]):
        assert (await ask(issuer.token(NOW, scope))).status_code == 200
    for scope in ("openid", "CATALOGUE:READ", "catalogue:read,indices:read", 7, None, {}, [[1]]):
        answer = await ask(issuer.token(NOW, scope))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing"), scope
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'


async def test_a_person_has_one_quota_whatever_the_token(ask, issuer, app, connection):
    await connection.execute(text("SELECT 1"))  # so that what the driver writes is undone as well
    app.state.quotas = Quotas(partial(driver, connection), 3)
    tokens = [issuer.token(NOW, ALL, jti=str(number)) for number in range(4)]
    assert len(set(tokens)) == 4
    assert [(await ask(token)).status_code for token in tokens] == [200, 200, 200, 429]


async def test_no_token_makes_a_device_of_its_bearer(anonymous, issuer):
    headers = {"Authorization": f"Bearer {issuer.token(NOW, 'device')}"}
    answer = await anonymous.post("/v1/ratings", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


@pytest.mark.parametrize(
    ("agencies", "statuses"),
    [
        ({}, (403, 403)),
        ({"agencies": ["A1"]}, (200, 403)),
        ({"agencies": "A1 A2"}, (200, 200)),
        ({"agencies": "*"}, (200, 200)),
        ({"agencies": []}, (403, 403)),
        ({"agencies": {"A1": True}}, (403, 403)),
        ({"agencies": True}, (403, 403)),
    ],
)
async def test_a_token_reaches_only_the_agencies_that_it_names(
    ask, issuer, make, agencies, statuses
):
    for code in ("A1", "A2"):
        await make.agency(code)
    token = issuer.token(NOW, "dossiers:read", **agencies)
    paths = [f"/v1/agencies/{code}/dossiers" for code in ("A1", "A2")]
    assert tuple([(await ask(token, path)).status_code for path in paths]) == statuses


async def test_tokens_that_name_no_agency_are_for_all_only_where_that_was_chosen(issuer):
    unlimited = Tokens.of(chosen(issuer, oidc_unlimited=True))
    caller = await unlimited.caller(issuer.token(NOW), NOW)
    assert caller.agencies is None
    named = await unlimited.caller(issuer.token(NOW, agencies=["A1"]), NOW)
    assert named.agencies == {"A1"}


async def test_the_claims_have_the_names_that_were_chosen(issuer):
    tokens = Tokens.of(chosen(issuer, oidc_scopes_claim="roles", oidc_agencies_claim="units"))
    token = issuer.token(NOW, ALL, roles=["indices:read"], units=["A1"], agencies="*")
    caller = await tokens.caller(token, NOW)
    assert (caller.scopes, caller.agencies) == ({"indices:read"}, {"A1"})


async def test_nobody_who_signs_in_has_the_name_of_a_key(issuer):
    caller = await Tokens.of(chosen(issuer)).caller(issuer.token(NOW, sub="admin"), NOW)
    assert caller.key == "oidc:admin"


async def test_a_rating_of_somebody_who_signed_in_is_stored_once(anonymous, issuer, make):
    await make.agency()
    await make.survey()
    body = {"agency": "A1", "survey": "s1", "channel": "tablet", "answers": {"q1": "5", "q2": "5"}}
    body["dossier"] = await make.dossier()
    for scope, agencies, status in (
        ("indices:read", "A1", 403),
        ("ratings:write", "A2", 403),
        ("ratings:write", "A1", 201),
        ("ratings:write", "A1", 409),
    ):
        token = issuer.token(NOW, scope, agencies=agencies)
        headers = {"Authorization": f"Bearer {token}"}
        answer = await anonymous.post("/v1/ratings", json=body, headers=headers)
        assert answer.status_code == status, answer.text


async def test_a_published_draft_is_shown_to_whoever_signed_in_with_its_scope(ask, issuer):
    answer = await ask(issuer.token(NOW, "editions:write"), "/v1/editions/none")
    assert (answer.status_code, answer.json()["code"]) == (404, "edition-not-found")


MOMENT = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"aud": ["another", AUDIENCE]}, True),
        ({"aud": "another"}, False),
        ({"aud": ["another"]}, False),
        ({"aud": []}, False),
        ({"aud": None}, False),
        ({"aud": {"hailong": 1}}, False),
        ({"iss": "https://issuer.example"}, False),
        ({"iss": None}, False),
        ({"sub": None}, False),
        ({"sub": ""}, False),
        ({"sub": 7}, False),
        ({"sub": "two\nlines"}, False),
        ({"sub": "a" * 256}, False),
        ({"exp": MOMENT - 59}, True),
        ({"exp": MOMENT - 60}, False),
        ({"exp": MOMENT - 3600}, False),
        ({"exp": None}, False),
        ({"exp": "tomorrow"}, False),
        ({"exp": True}, False),
        ({"exp": 10**400}, True),
        ({"nbf": MOMENT + 60}, True),
        ({"nbf": MOMENT + 61}, False),
        ({"iat": MOMENT + 60}, True),
        ({"iat": MOMENT + 61}, False),
        ({"iat": None}, True),
    ],
)
async def test_a_token_is_for_us_from_its_issuer_and_for_now(ask, issuer, claims, accepted):
    answer = await ask(issuer.token(NOW, ALL, **claims))
    if accepted:
        assert answer.status_code == 200, answer.text
        return
    assert (answer.status_code, answer.json()["code"]) == (401, "credential-unknown")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_a_token_ends_in_time_although_it_was_accepted_before(ask, issuer, app):
    token = issuer.token(NOW, ALL, exp=MOMENT + 30)
    for seconds, status in ((0, 200), (89, 200), (90, 401), (89, 200)):
        app.state.clock = lambda seconds=seconds: NOW + timedelta(seconds=seconds)
        assert (await ask(token)).status_code == status


@pytest.mark.parametrize("algorithm", ["RS384", "PS256", "PS512"])
async def test_other_signatures_of_the_issuers_key_are_accepted(ask, issuer, algorithm):
    token = issuer.token(NOW, ALL, header={"alg": algorithm})
    assert (await ask(token)).status_code == 200


@pytest.mark.parametrize(("curve", "algorithm"), [("P-256", "ES256"), ("P-384", "ES384")])
async def test_keys_of_elliptic_curves_are_accepted(ask, issuer, curve, algorithm):
    issuer.key = ECKey.generate_key(curve, {"kid": "curve"})
    assert (await ask(issuer.token(NOW, ALL, header={"alg": algorithm}))).status_code == 200


async def test_header_fields_that_nobody_knows_are_passed_over_but_for_critical_ones(ask, issuer):
    passed = issuer.token(NOW, ALL, header={"typ": "at+jwt", "nonce": "n"})
    assert (await ask(passed)).status_code == 200
    parts = forged(issuer, {"alg": "RS256", "kid": "first", "crit": ["x"], "x": 1})
    assert (await ask(parts)).status_code == 401
    assert (await ask(issuer.token(NOW, ALL, header={"crit": []}))).status_code == 401


async def test_claims_that_nest_without_end_are_no_claims_of_ours(ask, issuer):
    deep = 3000 * "[" + 3000 * "]"
    header = {"alg": "RS256", "kid": "first"}
    token = jws.serialize_compact(header, f'{{"sub": {deep}}}'.encode(), issuer.key)
    assert (await ask(token)).status_code == 401


def encoded(part):
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def forged(issuer, header, signature=None, **claims):
    """A token with another header before the claims and the signature of a good one."""
    _, payload, good = issuer.token(NOW, ALL, **claims).split(".")
    return f"{encoded(header)}.{payload}.{good if signature is None else signature}"


def with_public_key(issuer, header):
    """A token signed with what everybody knows, for who takes it for a shared secret."""
    start = forged(issuer, header).rpartition(".")[0]
    made = hmac.digest(issuer.key.as_pem(private=False), start.encode(), "sha256")
    return f"{start}.{urlsafe_b64encode(made).decode().rstrip('=')}"


async def test_nobody_can_sign_for_the_issuer(ask, issuer):
    good = issuer.token(NOW, ALL)
    header, _, signature = good.split(".")
    bad = {
        "unsigned": forged(issuer, {"alg": "none"}, ""),
        "unsigned, named": forged(issuer, {"alg": "none", "kid": "first"}),
        "unsigned, written otherwise": forged(issuer, {"alg": "NONE"}, ""),
        "no algorithm": forged(issuer, {"kid": "first"}),
        "the public key as a secret": with_public_key(issuer, {"alg": "HS256", "kid": "first"}),
        "the same without a name": with_public_key(issuer, {"alg": "HS256"}),
        "another's key under the name": issuer.token(NOW, ALL, key=new_key("first")),
        "a key that came along": issuer.token(
            NOW, ALL, {"jwk": (other := new_key("own")).as_dict(private=False)}, other
        ),
        "other claims": f"{header}.{encoded({'sub': 'x'})}.{signature}",
        "cut": good[:-8],
        "nothing signed": f"{header}..{signature}",
        "too long": issuer.token(NOW, ALL, filling="x" * 20_000),
    }
    statuses = {name: (await ask(token)).status_code for name, token in bad.items()}
    assert statuses == dict.fromkeys(bad, 401)
    assert (await ask(good)).status_code == 200


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ({"exp": MOMENT - 3600}, "token-expired", "expired"),
        ({"aud": "somebody-else"}, "token-claim", "claim aud is"),
        ({"iss": "https://other.example"}, "token-claim", "claim iss is"),
        ({"sub": None}, "token-claim", "claim sub is"),
        ({"nbf": MOMENT + 3600}, "token-claim", "claim nbf is"),
        ({"sub": "a\nb"}, "token-claim", "claim sub is"),
        ({"key": new_key("first")}, "token-not-genuine", "not signed by"),
    ],
)
async def test_who_is_refused_is_told_what_of_the_token_is_wrong(ask, issuer, claims, code, words):
    answer = await ask(issuer.token(NOW, ALL, **claims))
    assert (answer.status_code, answer.json()["code"]) == (401, "credential-unknown")
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/header/Authorization", code)
    english = await ask(issuer.token(NOW, ALL, **claims), language="en")
    assert words in english.json()["detail"]


async def test_a_key_without_a_name_is_enough_when_there_is_one_only(ask, issuer):
    assert (await ask(issuer.token(NOW, ALL, header={"kid": None}))).status_code == 200
    issuer.published = [issuer.key, new_key("second")]
    assert (await Tokens.of(chosen(issuer)).caller(issuer.token(NOW, ALL), NOW)).key
    with pytest.raises(CredentialUnknownError):
        await Tokens.of(chosen(issuer)).caller(issuer.token(NOW, header={"kid": None}), NOW)


async def test_a_secret_or_an_unreadable_key_among_the_published_ones_is_passed_over(ask, issuer):
    secret = OctKey.import_key("a secret of sixty-four characters, which nobody may publish, ever")
    published = [
        {"kty": "lattice", "kid": "new"},
        {"kty": "EC", "crv": "P-0", "kid": "odd"},
        {"kty": "RSA", "kid": "half"},
        {**secret.as_dict(), "kid": "shared"},
        issuer.key.as_dict(private=False),
    ]
    issuer.instead["/keys"] = {"keys": published}
    assert (await ask(issuer.token(NOW, ALL))).status_code == 200
    token = issuer.token(NOW, ALL, {"alg": "HS256", "kid": "shared"}, secret)
    assert (await ask(token)).status_code == 401


async def test_the_issuer_is_asked_once_however_many_come(issuer):
    tokens, names = Tokens.of(chosen(issuer)), [f"person-{number}" for number in range(20)]
    callers = await asyncio.gather(
        *(tokens.caller(issuer.token(NOW, sub=name), NOW) for name in names)
    )
    assert [caller.key for caller in callers] == [f"oidc:{name}" for name in names]
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


async def test_a_signature_is_checked_once(issuer):
    tokens, token = Tokens.of(chosen(issuer)), issuer.token(NOW, ALL)
    first = await tokens.caller(token, NOW)
    assert await tokens.caller(token, NOW) is first


async def test_a_new_key_of_the_issuer_is_found_and_an_old_one_ends(ask, issuer, app):
    old = issuer.token(NOW, ALL)
    assert (await ask(old)).status_code == 200
    issuer.key = new_key("second")
    app.state.clock = lambda: NOW + timedelta(seconds=6)
    assert (await ask(issuer.token(NOW, ALL))).status_code == 200
    assert issuer.asked["/keys"] == 2
    assert (await ask(old)).status_code == 401


async def test_keys_are_read_anew_in_time_while_nobody_waits(ask, issuer, app):
    old = issuer.token(NOW, ALL, exp=MOMENT + 3600)
    assert (await ask(old)).status_code == 200
    issuer.key = new_key("second")
    for minutes in (9, 10):
        assert issuer.asked["/keys"] == 1
        app.state.clock = lambda minutes=minutes: NOW + timedelta(minutes=minutes)
        assert (await ask(old)).status_code == 200
    for _ in range(500):
        if (await ask(old)).status_code == 401:
            break
        await asyncio.sleep(0.01)
    assert (await ask(old)).status_code == 401
    assert issuer.asked["/keys"] == 2


async def test_tokens_that_name_no_known_key_do_not_hammer_the_issuer(ask, issuer, app):
    assert (await ask(issuer.token(NOW, ALL))).status_code == 200
    garbage = [issuer.token(NOW, ALL, header={"kid": f"k{number}"}) for number in range(30)]
    for seconds in (1, 4, 6, 9):
        app.state.clock = lambda seconds=seconds: NOW + timedelta(seconds=seconds)
        assert {(await ask(token)).status_code for token in garbage} == {401}
    assert issuer.asked["/keys"] == 2


async def test_an_issuer_that_cannot_be_reached_is_said_so_until_it_can(ask, issuer, app):
    token = issuer.token(NOW, ALL)
    issuer.stop()
    answer = await ask(token)
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer-unavailable")
    assert answer.headers["Retry-After"] == "1"
    issuer.start()
    assert (await ask(token)).status_code == 503
    app.state.clock = lambda: NOW + timedelta(seconds=5)
    assert (await ask(token)).status_code == 200


async def test_known_keys_outlast_an_outage_of_the_issuer(ask, issuer, app):
    assert (await ask(issuer.token(NOW, ALL))).status_code == 200
    issuer.stop()
    app.state.clock = lambda: NOW + timedelta(hours=20)
    later = NOW + timedelta(hours=20)
    assert (await ask(issuer.token(later, ALL, sub="another"))).status_code == 200
    unknown = issuer.token(later, ALL, key=new_key("second"))
    assert (await ask(unknown)).status_code == 503


@pytest.mark.parametrize(
    "said",
    [
        {"/.well-known/openid-configuration": {}},
        {"/.well-known/openid-configuration": []},
        {"/keys": {}},
        {"/keys": []},
        {"/keys": {"keys": "none"}},
        {"/keys": {"keys": [1]}},
    ],
)
async def test_an_issuer_that_talks_nonsense_is_as_good_as_away(ask, issuer, said):
    issuer.instead = said
    assert (await ask(issuer.token(NOW, ALL))).status_code == 503


@pytest.mark.parametrize(
    "about",
    [
        {"jwks_uri": "http://0.0.0.0:{port}/keys"},  # this machine, but nobody said so
        {"issuer": "https://another.example"},
    ],
)
async def test_keys_that_come_unprotected_or_from_another_are_not_fetched(ask, issuer, about):
    usual = issuer.said("/.well-known/openid-configuration")
    other = {name: said.replace("{port}", str(issuer.port)) for name, said in about.items()}
    issuer.instead["/.well-known/openid-configuration"] = usual | other
    assert (await ask(issuer.token(NOW, ALL))).status_code == 503
    assert issuer.asked["/keys"] == 0


async def test_keys_and_devices_go_on_while_the_issuer_is_away(issuer, make, client):
    issuer.stop()
    assert (await client.get("/v1/agencies")).status_code == 200


async def test_without_an_issuer_a_token_is_an_unknown_key(issuer, app, ask):
    app.state.tokens = None
    assert (await ask(issuer.token(NOW, ALL))).status_code == 401


@pytest.fixture
def tokens(issuer):
    return Tokens.of(chosen(issuer))


@hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)
@given(data=st.data())
def test_whatever_is_presented_is_refused_and_breaks_nothing(tokens, data):
    parts = st.text("eyJhbGciOiJSUzI1NiIsImtpZCI6ImZpcnN0In0-_", max_size=60)
    headers = st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x5c", "jwk"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.sampled_from(["RS256", "first", "HS256"]),
            st.lists,
        ),
    ).map(encoded)
    token = ".".join(
        [data.draw(headers | parts.map("ey".__add__)), data.draw(headers | parts), data.draw(parts)]
    )

    with pytest.raises(CredentialUnknownError):
        asyncio.run(tokens.caller(token, NOW))


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"oidc_issuer": "http://issuer.example", "oidc_audience": "x"}, "https"),
        ({"oidc_issuer": "issuer.example", "oidc_audience": "x"}, "https"),
        ({"oidc_issuer": "https://issuer.example"}, "is needed with"),
    ],
)
def test_an_issuer_is_configured_safely_or_not_at_all(given_settings, said):
    with pytest.raises(ValidationError, match=said):
        Settings(**given_settings)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """The address of a provider that others wrote, in a process of its own."""
    port = free_port()
    person = {"sub": "can-bo-7", "scope": "catalogue:read", "agencies": ["A1"]}
    output = (tmp_path_factory.mktemp("provider") / "log").open("wb")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "oidc_provider_mock", "--port", str(port)),
            *("--user-claims", json.dumps(person)),
        ],
        stdout=output,
        stderr=output,
        env={"PATH": os.environ["PATH"]},
    )

    def answers():
        assert process.poll() is None
        try:
            return httpx.get(f"http://127.0.0.1:{port}/jwks", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the provider does not answer")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        output.close()


async def test_somebody_signs_in_at_a_provider_and_reads_the_catalogue(provider, app, anonymous):
    asked = {"client_id": AUDIENCE, "redirect_uri": "http://127.0.0.1/back", "scope": "openid"}
    async with httpx.AsyncClient(base_url=provider, trust_env=False) as browser:
        agreed = await browser.post(
            "/oauth2/authorize",
            params=asked | {"response_type": "code", "state": "s"},
            data={"sub": "can-bo-7"},
        )
        code = httpx.URL(agreed.headers["Location"]).params["code"]
        grant = {"grant_type": "authorization_code", "code": code}
        answer = await browser.post(
            "/oauth2/token", data=grant | asked, auth=(AUDIENCE, "any secret")
        )
    token = answer.json()["id_token"]
    settings = Settings(oidc_issuer=provider, oidc_audience=AUDIENCE)
    app.state.tokens, app.state.clock = Tokens.of(settings), lambda: datetime.now(UTC)
    headers = {"Authorization": f"Bearer {token}"}
    answer = await anonymous.get("/v1/agencies", headers=headers)
    assert answer.status_code == 200, answer.text
    answer = await anonymous.get("/v1/methods", headers=headers)
    assert answer.status_code == 200
    answer = await anonymous.get("/v1/agencies/A1/dossiers", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    caller = await app.state.tokens.caller(token, datetime.now(UTC))
    assert (caller.key, caller.agencies) == ("oidc:can-bo-7", {"A1"})
