"""Dossiers: their code, and when a result counts as returned on time."""

import re
from datetime import datetime

from app.domain.errors import DossierMoveRefusedError, Fault, InvalidError
from app.domain.period import CLOCK_SKEW

# Status codes of the national public service portal.
RECEIVED = 2
RETURNED = 10

# TT 01/2018/TT-VPCP Điều 19, and the short form also in use. The prefix is opaque: it names the
# agency with competence, which need not be the desk that received the dossier.
_CODES = (
    re.compile(r"\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}-(\d{6})-\d{4,5}", re.ASCII),
    re.compile(r"[A-Z]\d{2}(?:\.\d{1,3}){0,3}-(\d{6})-\d{4,5}", re.ASCII),
)


def is_code(text: str) -> bool:
    """Whether the text is a dossier code with a date that exists."""
    match = next((found for code in _CODES if (found := code.fullmatch(text))), None)
    if match is None:
        return False
    try:
        datetime.strptime(match[1] + "+0700", "%y%m%d%z")
    except ValueError:
        return False
    return True


def check_received(received_at: datetime, due_at: datetime, now: datetime) -> None:
    """Nothing when the dates on a receipt can be; else raises InvalidError."""
    faults = []
    if received_at > now + CLOCK_SKEW:
        faults.append(Fault("/received_at", "in-the-future"))
    if due_at < received_at:
        faults.append(Fault("/due_at", "ends-before-it-begins"))
    if faults:
        raise InvalidError(*faults)


def check_return(status: int, received_at: datetime, at: datetime, now: datetime) -> None:
    """Nothing, when a result may be returned then; else raises DossierMoveRefusedError."""
    if status == RETURNED:
        raise DossierMoveRefusedError(Fault("/type", "returned-already"))
    faults = []
    if at > now + CLOCK_SKEW:
        faults.append(Fault("/at", "in-the-future"))
    if at < received_at:
        faults.append(Fault("/at", "before-reception"))
    if faults:
        raise DossierMoveRefusedError(*faults)


def on_time(due_at: datetime, returned_at: datetime | None) -> bool | None:
    """Whether the result came back no later than promised; None while it has not."""
    return None if returned_at is None else returned_at <= due_at
