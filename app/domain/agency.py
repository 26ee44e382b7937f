"""Agencies in time: who may take over from whom, and when."""

from collections.abc import Iterable
from datetime import date

from app.domain.errors import Fault, InvalidError


def check_parent(agency: str, parent: str | None) -> None:
    """Nothing, unless the agency is named as its own parent: then raises InvalidError."""
    if parent == agency:
        raise InvalidError(Fault("/parent", "names-itself"))


def check_succession(agency: str, valid_from: date, successors: Iterable[str], on: date) -> None:
    """Nothing when the successors can take over on that day; else raises InvalidError."""
    faults = [
        Fault(f"/successors/{place}/agency", "names-itself")
        for place, successor in enumerate(successors)
        if successor == agency
    ]
    if on <= valid_from:
        faults.append(Fault("/on", "ends-before-it-begins"))
    if faults:
        raise InvalidError(*faults)
