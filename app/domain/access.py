"""Who may do what: scopes, and the agencies that a key is limited to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.errors import AgencyNotAllowedError, DomainError, Fault, ScopeMissingError

SCOPES = frozenset(
    {
        "catalogue:read",
        "catalogue:write",
        "dossiers:read",
        "dossiers:write",
        "editions:write",
        "ratings:read",
        "ratings:void",
        "ratings:write",
        "surveys:invite",
        "webhooks:read",
        "webhooks:write",
        "indices:read",
    }
)

# What a device's key carries instead: it reads forms and submits ratings, and nothing else.
DEVICE_SCOPE = "device"

# Devices and people are known by names that begin so; no API key may be taken for one of them.
DEVICE_NAME, PERSON_NAME = "device:", "oidc:"

State = Literal["in force", "expired", "revoked"]


class IssuerUnavailableError(DomainError):
    """The issuer of tokens cannot be asked for its keys, so nobody can tell whose a token is."""

    code = "issuer-unavailable"


@dataclass(frozen=True, slots=True)
class Caller:
    """A known key: what it may do, and for which agencies (None: all of them).

    A device's key names the device and the one counter that it may submit for.
    """

    key: str
    scopes: frozenset[str]
    agencies: frozenset[str] | None
    device: str | None = None
    counter: str | None = None

    def check_scope(self, *scopes: str) -> None:
        """Nothing when the key carries one of the scopes; else ScopeMissingError."""
        if self.scopes.isdisjoint(scopes):
            params = {"scope": " / ".join(scopes)}
            raise ScopeMissingError(Fault("/header/Authorization", "scope-missing", params))

    def check_agency(self, agency: str, pointer: str) -> None:
        """Nothing, or AgencyNotAllowedError: another agency's data are not this key's."""
        if self.agencies is not None and agency not in self.agencies:
            raise AgencyNotAllowedError(Fault(pointer, "agency-not-allowed", {"code": agency}))

    def check_unlimited(self) -> None:
        """Nothing, or AgencyNotAllowedError: what all agencies share is not one agency's."""
        if self.agencies is not None:
            raise AgencyNotAllowedError


def is_key_name(name: str) -> bool:
    """Whether an API key may be called so."""
    reserved = name.startswith((DEVICE_NAME, PERSON_NAME))
    return name.isprintable() and bool(name.strip()) and not reserved


def state(expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> State:
    """What has become of a key."""
    if revoked_at is not None and revoked_at <= now:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= now else "in force"
