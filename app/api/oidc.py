"""Tokens that an OpenID Connect issuer signed, beside our own keys.

Checked as RFC 9068 and RFC 7519 say, with the keys that the issuer publishes (OpenID Connect
Discovery 1.0). Nothing of a token is believed before its signature was checked.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

from app.db.keys import hashed
from app.domain.access import PERSON_NAME, SCOPES, Caller, IssuerUnavailableError
from app.domain.errors import CredentialUnknownError, Fault
from app.settings import Settings, is_protected

# Signatures that only the issuer can make. With `none` anybody could, and with HS256 whoever
# takes the issuer's public key for a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
KEY_TYPES = frozenset({"RSA", "EC"})

LONGEST_TOKEN = 16_384
LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, section 2
MOST_REMEMBERED = 10_000
ALL_AGENCIES = "*"
IN_HEADER = "/header/Authorization"

ANSWER_SECONDS = 5
ASKED_AGAIN = timedelta(seconds=5)
FRESH = timedelta(minutes=10)
LONG_AGO = datetime.min.replace(tzinfo=UTC)

# `{` in base64url and two dots: what an API key or a device's key never is.
_TOKEN = re.compile(r"ey[\w-]*\.[\w-]+\.[\w-]*", re.ASCII)

log = structlog.get_logger("hailong")


def is_token(presented: str) -> bool:
    """Whether what is presented can be a signed token and no key."""
    return _TOKEN.fullmatch(presented) is not None


def discovery_address(issuer: str) -> str:
    """Where an issuer says what it is and where its keys are."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


class Issuer:
    """An issuer's keys: asked for at first need, again in time, and kept while it is away."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._keys: KeySet | None = None
        self._fetched_at = self._asked_at = LONG_AGO
        self._asking: asyncio.Task[None] | None = None
        self.away = False

    async def keys(self, now: datetime, *, anew: bool = False) -> KeySet:
        """The issuer's keys; `anew`, when a token names one that is not among them.

        Raises IssuerUnavailableError while there are none. However many ask, the issuer is asked
        by one at a time, and not again at once.
        """
        due = anew or self._keys is None or now - self._fetched_at >= FRESH
        waited = timedelta(0) <= now - self._asked_at < ASKED_AGAIN
        if due and self._asking is None and not waited:
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(now))
        # Keys that are only old go on being used while newer ones are asked for.
        if self._asking is not None and (anew or self._keys is None):
            await asyncio.shield(self._asking)
        if self._keys is None:
            raise IssuerUnavailableError
        return self._keys

    async def _ask(self, now: datetime) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await _published_keys(self._address)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the issuer cannot be asked
            self.away = True
            log.warning("the issuer's keys cannot be read", kind=type(error).__qualname__)
        else:
            self.away, self._fetched_at = False, now
            # The same set stays the same object: what was checked with it need not be again.
            if self._keys is None or found.as_dict() != self._keys.as_dict():
                self._keys = found
        finally:
            self._asking = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A token that was found to be the issuer's: whose it is, until when, and by which keys."""

    caller: Caller
    ends_at: float
    keys: KeySet


class Tokens:
    """Who signs in at the issuer, and what its tokens grant here."""

    def __init__(self, issuer: str, settings: Settings) -> None:
        self._address = issuer
        self._settings = settings
        self._issuer = Issuer(issuer)
        self._checked: dict[bytes, Accepted] = {}

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The tokens that the operator accepts, if any."""
        return None if settings.oidc_issuer is None else cls(settings.oidc_issuer, settings)

    async def caller(self, token: str, now: datetime) -> Caller:
        """Whose the token is.

        Raises CredentialUnknownError, or IssuerUnavailableError when that cannot be told.
        """
        name, keys = hashed(token), await self._issuer.keys(now)
        held = self._checked.get(name)
        if held is None or held.keys is not keys:
            held = await self._check(token, keys, now)
            if len(self._checked) >= MOST_REMEMBERED:
                self._checked.clear()
            self._checked[name] = held
        if held.ends_at <= now.timestamp():
            raise CredentialUnknownError(Fault(IN_HEADER, "token-expired"))
        return held.caller

    async def _check(self, token: str, keys: KeySet, now: datetime) -> Accepted:
        try:
            try:
                claims = self._claims(token, keys, now)
            except InvalidKeyIdError:
                keys = await self._issuer.keys(now, anew=True)
                claims = self._claims(token, keys, now)
        except InvalidKeyIdError as error:
            # It may be a new key of an issuer that cannot be asked.
            if self._issuer.away:
                raise IssuerUnavailableError from error
            raise CredentialUnknownError(Fault(IN_HEADER, "token-not-genuine")) from error
        except ExpiredTokenError as error:
            raise CredentialUnknownError(Fault(IN_HEADER, "token-expired")) from error
        except ClaimError as error:
            named = {"claim": error.claim}
            raise CredentialUnknownError(Fault(IN_HEADER, "token-claim", named)) from error
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise CredentialUnknownError(Fault(IN_HEADER, "token-not-genuine")) from error
        return Accepted(self._granted(claims), claims["exp"] + self._leeway, keys)

    @property
    def _leeway(self) -> int:
        return self._settings.oidc_leeway_seconds

    def _claims(self, token: str, keys: KeySet, now: datetime) -> Mapping[str, Any]:
        """What a token says; raises JoseError unless the issuer said it, to us, and for now."""
        if len(token) > LONGEST_TOKEN:
            raise CredentialUnknownError(Fault(IN_HEADER, "token-not-genuine"))
        # Header fields that are not known are ignored (RFC 7515, section 4); `crit` is heeded.
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        read = jwt.decode(token, keys, ALGORITHMS, registry)
        if read.header.get("crit") == []:  # RFC 7515, section 4.1.11
            raise CredentialUnknownError(Fault(IN_HEADER, "token-not-genuine"))
        claims = read.claims
        jwt.JWTClaimsRegistry(
            int(now.timestamp()),
            self._leeway,
            iss={"essential": True, "value": self._address},
            aud={"essential": True, "value": self._settings.oidc_audience or ""},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(claims)
        return claims

    def _granted(self, claims: Mapping[str, Any]) -> Caller:
        """Who it is and what for; raises CredentialUnknownError for a name that cannot be one."""
        subject: str = claims["sub"]
        if len(subject) > LONGEST_SUBJECT or not subject.isprintable():
            raise CredentialUnknownError(Fault(IN_HEADER, "token-claim", {"claim": "sub"}))
        scopes = SCOPES & _words(claims.get(self._settings.oidc_scopes_claim))
        return Caller(f"{PERSON_NAME}{subject}", scopes, self._agencies(claims))

    def _agencies(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """The agencies that a token names; without the claim none, unless all was chosen."""
        if self._settings.oidc_agencies_claim not in claims:
            return None if self._settings.oidc_unlimited else frozenset()
        named = _words(claims[self._settings.oidc_agencies_claim])
        return None if ALL_AGENCIES in named else named


def _words(claim: object) -> frozenset[str]:
    """The words of a claim, which is a text with blanks between them, or a list."""
    words = claim.split() if isinstance(claim, str) else claim
    if not isinstance(words, list):
        return frozenset()
    return frozenset(word for word in words if isinstance(word, str))


async def _published_keys(issuer: str) -> KeySet:
    """The keys that an issuer signs with; raises whatever keeps them from being read."""
    # What stays on this machine passes no proxy.
    own = not issuer.startswith("https:")
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=not own) as client:
        about = (await client.get(discovery_address(issuer))).raise_for_status().json()
        if about["issuer"] != issuer or not is_protected(about["jwks_uri"]):
            raise ValueError("the document is another issuer's, or its keys come unprotected")
        answer = (await client.get(about["jwks_uri"])).raise_for_status().json()
    keys: list[Key] = []
    for described in answer["keys"]:
        if described.get("kty") in KEY_TYPES:
            # One that we cannot read must not cost us the others (RFC 7517, section 5).
            with suppress(JoseError, ValueError, TypeError, KeyError):
                keys.append(JWKRegistry.import_key(described))
    return KeySet(keys)
