"""Invitations: the token that carries the right to rate, once, and how long it holds."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from app.domain.errors import Fault, InvalidError
from app.domain.period import VIETNAM

AGENCY_BYTES, SECRET_BYTES = 4, 16
LARGEST_AGENCY_ID = 2**31 - 1

_TOKEN = re.compile(r"[A-Za-z2-7]{32}", re.ASCII)


def make(key: bytes, agency_id: int, agency: str, dossier: str, number: int) -> str:
    """The token of a dossier's nth invitation; without the key nobody can make it.

    It begins with the agency's number, by which its row is found, and says nothing else.
    """
    return _token(key, agency_id, f"invitation\n{agency}\n{dossier}\n{number}")


def make_for_recipient(key: bytes, agency_id: int, recipient: bytes, number: int) -> str:
    """The token of a recipient's nth invitation to a survey, as `make` makes a dossier's."""
    return _token(key, agency_id, f"survey invitation\n{recipient.hex()}\n{number}")


def _token(key: bytes, agency_id: int, named: str) -> str:
    secret = hmac.digest(key, named.encode(), hashlib.sha256)[:SECRET_BYTES]
    return base64.b32encode(agency_id.to_bytes(AGENCY_BYTES, "big") + secret).decode()


def recipient(key: bytes, agency: str, survey: str, reference: str) -> bytes:
    """What is kept of the sender's reference of a recipient: another hash in every survey."""
    named = f"recipient\n{agency}\n{survey}\n{reference}".encode()
    return hmac.digest(key, named, hashlib.sha256)


def read(token: str) -> tuple[int, str]:
    """The agency's number and the token as it was made; raises ValueError when it cannot be one."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("not a token")
    canonical = token.upper()
    agency_id = int.from_bytes(base64.b32decode(canonical)[:AGENCY_BYTES], "big")
    if not 0 < agency_id <= LARGEST_AGENCY_ID:
        raise ValueError("not a token")
    return agency_id, canonical


def hashed(token: str) -> bytes:
    """What is stored of a token. It is long and random enough to need no salt."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a survey grants: how long an invitation and the rating itself are open."""

    invitation_days: int
    rating_window_days: int
    closes_on: date | None

    def expiry(self, issued_at: datetime, returned_at: datetime) -> datetime | None:
        """When an invitation issued then ends; None when the time for rating is over."""
        ends = [
            issued_at + timedelta(days=self.invitation_days),
            returned_at + timedelta(days=self.rating_window_days),
        ]
        if self.closes_on is not None:
            ends.append(_end_of(self.closes_on))
        return min(ends) if min(ends) > issued_at else None


def survey_expiry(
    issued_at: datetime, last_day: date | None, closes_on: date | None, days: int | None
) -> datetime:
    """When an invitation to a survey ends: with the day asked for, but no later than the survey.

    Where neither is, after the survey's days for invitations. Raises InvalidError when nothing says
    when, or the day asked for is over.
    """
    ends = [_end_of(day) for day in (last_day, closes_on) if day is not None]
    if not ends and days is None:
        raise InvalidError(Fault("/expires_on", "missing"))
    expires_at = min(ends) if ends else issued_at + timedelta(days=days or 0)
    if expires_at <= issued_at:
        raise InvalidError(Fault("/expires_on", "in-the-past"))
    return expires_at


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), VIETNAM)
