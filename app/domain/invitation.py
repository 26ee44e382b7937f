"""Invitations: the token that carries the right to rate one dossier, and how long it holds."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from app.domain.period import VIETNAM

AGENCY_BYTES, SECRET_BYTES = 4, 16
LARGEST_AGENCY_ID = 2**31 - 1

_TOKEN = re.compile(r"[A-Za-z2-7]{32}", re.ASCII)


def make(key: bytes, agency_id: int, agency: str, dossier: str, number: int) -> str:
    """The token of a dossier's nth invitation; without the key nobody can make it.

    It begins with the agency's number, by which its row is found, and says nothing else.
    """
    named = f"invitation\n{agency}\n{dossier}\n{number}".encode()
    secret = hmac.digest(key, named, hashlib.sha256)[:SECRET_BYTES]
    return base64.b32encode(agency_id.to_bytes(AGENCY_BYTES, "big") + secret).decode()


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
            next_day = self.closes_on + timedelta(days=1)
            ends.append(datetime.combine(next_day, time(), VIETNAM))
        return min(ends) if min(ends) > issued_at else None
