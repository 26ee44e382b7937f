"""Webhooks: what is told to whom, in which words, and when it is tried again."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid5

from app.domain.errors import DomainError, Fault, NotFoundError
from app.domain.period import VIETNAM

SOURCE = "/v1"  # CloudEvents: together with the id it names an event
MOST_SECRETS = 2
MOST_WEBHOOKS = 20  # of one name: fewer than are sent to at once, so others are not held up

FIRST_WAIT, LONGEST_WAIT, GROWTH = timedelta(seconds=5), timedelta(hours=8), 4.0
JITTER = 0.2  # of the wait, to either side
GIVE_UP_AFTER = PAUSE_AFTER = timedelta(days=3)
LONGEST_RETRY_AFTER = timedelta(days=1)

# Events that happen again are still the same event.
_NAMES = UUID("5b0c3a0e-7f4b-4d0e-9a51-2f1f6d1d7a10")


class WebhookEvent(StrEnum):
    """What can be subscribed to."""

    EDITION_PUBLISHED = "edition.published"
    OPERATION_FINISHED = "operation.finished"
    RATING_LOW = "rating.low"
    DOSSIER_OVERDUE = "dossier.overdue"


# What a key must be allowed to read before it subscribes to it.
SCOPES: Mapping[WebhookEvent, str] = {
    WebhookEvent.RATING_LOW: "ratings:read",
    WebhookEvent.DOSSIER_OVERDUE: "dossiers:read",
}


class WebhookNotFoundError(NotFoundError):
    """There is no webhook of this id."""

    code = "webhook-not-found"


class DeliveryNotFoundError(NotFoundError):
    """The webhook has no delivery of this id."""

    code = "delivery-not-found"


class WebhookSecretNotFoundError(NotFoundError):
    """The webhook has no live secret of this number."""

    code = "webhook-secret-not-found"


class TooManySecretsError(DomainError):
    """The webhook has two live secrets already."""

    code = "too-many-secrets"


class TooManyWebhooksError(DomainError):
    """Keys of this name have as many webhooks as they may."""

    code = "too-many-webhooks"


class LastSecretError(DomainError):
    """Without its last secret the webhook could not be signed."""

    code = "last-secret"


class WebhookSecretEndedError(DomainError):
    """The secret that the request was for was given, and has been ended."""

    code = "webhook-secret-ended"


class WebhookInactiveError(DomainError):
    """The webhook is not active, so nothing is delivered."""

    code = "webhook-inactive"


ABSENCES: tuple[type[DomainError], ...] = (
    WebhookNotFoundError,
    DeliveryNotFoundError,
    WebhookSecretNotFoundError,
)
CONFLICTS: tuple[type[DomainError], ...] = (
    TooManyWebhooksError,
    TooManySecretsError,
    LastSecretError,
    WebhookSecretEndedError,
    WebhookInactiveError,
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, without personal data.

    It is told to webhooks that cover all its `agencies`: none for what is public, None for what
    is of the whole province. `time` is None where the moment would give somebody away.
    """

    id: UUID
    type: WebhookEvent
    subject: str
    time: datetime | None
    data: Mapping[str, Any]
    agencies: frozenset[str] | None

    @property
    def body(self) -> str:
        """The event as CloudEvents 1.0 writes it in JSON."""
        said = {
            "specversion": "1.0",
            "id": str(self.id),
            "source": SOURCE,
            "type": self.type.value,
            "subject": self.subject,
            "datacontenttype": "application/json",
            "data": self.data,
        }
        if self.time is not None:
            said["time"] = _instant(self.time)
        return json.dumps(said, ensure_ascii=False)


def edition_published(
    code: str, peer_group: str, months: tuple[date, date], supersedes: str | None, at: datetime
) -> Event:
    """An edition of a period (first and last day) was published; everybody may know."""
    subject = f"/v1/editions/{code}"
    first, last = (day.isoformat() for day in months)
    data = {
        "edition": code,
        "peer_group": peer_group,
        "period": {"first": first, "last": last},
        "supersedes": supersedes,
    }
    return _event(WebhookEvent.EDITION_PUBLISHED, subject, at, data, frozenset())


def operation_finished(
    operation: UUID, at: datetime, data: Mapping[str, Any], agencies: frozenset[str] | None
) -> Event:
    """An operation of a key of these agencies (None: of all) ended; `data` says how.

    That of a key of no agency is not public, but of the province.
    """
    subject = f"/v1/operations/{operation}"
    said = {"operation": str(operation), **data}
    return _event(WebhookEvent.OPERATION_FINISHED, subject, at, said, agencies or None)


def rating_low(agency: str, rating: UUID, survey: str, day: date) -> Event:
    """Somebody was not satisfied. Only the day is told: with the moment somebody is found."""
    data = {
        "agency": agency,
        "survey": survey,
        "rating": str(rating),
        "rated_on": day.isoformat(),
    }
    subject = f"/v1/agencies/{agency}/ratings/{rating}"
    return Event(rating, WebhookEvent.RATING_LOW, subject, None, data, frozenset({agency}))


def dossier_overdue(agency: str, dossier: str, due_at: datetime) -> Event:
    """The appointment of an open dossier has passed."""
    subject = f"/v1/agencies/{agency}/dossiers/{dossier}"
    data = {"agency": agency, "dossier": dossier, "due_at": _instant(due_at)}
    return _event(WebhookEvent.DOSSIER_OVERDUE, subject, due_at, data, frozenset({agency}))


def _event(
    kind: WebhookEvent,
    subject: str,
    at: datetime,
    data: Mapping[str, Any],
    agencies: frozenset[str] | None,
) -> Event:
    named = uuid5(_NAMES, f"{kind.value}\n{subject}\n{at.timestamp()}")
    return Event(named, kind, subject, at, data, agencies)


def _instant(moment: datetime) -> str:
    return moment.astimezone(VIETNAM).isoformat()


def request_of(webhook: str, caller: str, request_key: str) -> UUID:
    """What a named request for a secret is known by: the same each time it is sent."""
    return uuid5(_NAMES, f"secret\n{webhook}\n{caller}\n{request_key}")


def secret(key: bytes, salt: UUID) -> bytes:
    """The secret that is made of a salt; without the key nobody can make it."""
    return hmac.digest(key, b"webhook\n" + salt.bytes, hashlib.sha256)


def shown(made: bytes) -> str:
    """A secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(made).decode()}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending: the status answered, or what kept one from being answered.

    `milliseconds` is how long it took, `retry_after` what the receiver asked to wait.
    """

    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it; a redirection is no answer."""
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)

    @property
    def gone(self) -> bool:
        """Whether the receiver says that it wants nothing more."""
        return self.status == HTTPStatus.GONE

    @property
    def asked_to_wait(self) -> timedelta:
        """The wait that the receiver asked for, within bounds."""
        if self.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            return timedelta()
        return min(self.retry_after or timedelta(), LONGEST_RETRY_AFTER)


def next_attempt(begun_at: datetime, tries: int, last: Attempt, chance: float) -> datetime | None:
    """When to try again after so many failed tries; None when it is given up.

    Of one event, or of a webhook that fails whatever it is sent. The wait grows fourfold from 5
    seconds to 8 hours, a fifth more or less by chance (from 0 to 1), so that receivers that were
    down are not all called at once. The last try is after 3 days.
    """
    ends_at = begun_at + GIVE_UP_AFTER
    if last.gone or last.at >= ends_at:
        return None
    # Beyond some tries the wait is the longest one; the power itself would grow without end.
    grown = FIRST_WAIT * GROWTH ** min(tries - 1, 10)
    spread = 1 + JITTER * (2 * chance - 1)
    wait = max(min(grown, LONGEST_WAIT) * spread, last.asked_to_wait)
    return min(last.at + wait, ends_at)


class PauseReason(StrEnum):
    """Why nothing more is sent to a webhook."""

    GONE = "gone"
    FAILING = "failing"


def pause(last: Attempt, failing_since: datetime) -> PauseReason | None:
    """Why a webhook is paused after a failure, or None: one that says so, or fails for 3 days."""
    if last.gone:
        return PauseReason.GONE
    return PauseReason.FAILING if last.at - failing_since >= PAUSE_AFTER else None


def faults_of_events(events: Sequence[WebhookEvent], scopes: frozenset[str]) -> list[Fault]:
    """A fault for each event that a key with these scopes may not read."""
    return [
        Fault(f"/events/{place}", "scope-missing", {"scope": SCOPES[kind]})
        for place, kind in enumerate(events)
        if kind in SCOPES and SCOPES[kind] not in scopes
    ]
