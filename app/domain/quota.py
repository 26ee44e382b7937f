"""Quotas: how many requests a caller may make in a minute."""

from datetime import UTC, datetime, timedelta
from math import ceil

from app.domain.errors import DomainError

WINDOW = timedelta(minutes=1)


class TooManyRequestsError(DomainError):
    """The caller has used up its quota until the window ends."""

    code = "too-many-requests"


def window(now: datetime) -> datetime:
    """When the window that an instant lies in began: windows begin with every minute."""
    return now.astimezone(UTC).replace(second=0, microsecond=0)


def seconds_left(began: datetime, now: datetime) -> int:
    """Whole seconds after which the window is over for certain, at least 1."""
    return max(1, ceil((began + WINDOW - now).total_seconds()))
