"""What the trials are made on: an agency of the kit's own, with a procedure, a form and surveys."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import httpx

from hailong_conformance.server import Server, code_of, faults_of, is_not_offered

PREFIX = "zz-conformance-"
VIETNAM = timezone(timedelta(hours=7))
WINDOW = timedelta(days=1)  # within which a returned dossier may be rated

# A request that each scope lets through, and that changes nothing: it is wrong in itself.
PROBES = {
    "catalogue:write": ("PUT", f"/v1/agencies/{PREFIX}probe"),
    "catalogue:read": ("GET", f"/v1/agencies/{PREFIX}probe"),
    "dossiers:write": ("PUT", f"/v1/agencies/{PREFIX}probe/dossiers/H00-000000-0000"),
    "dossiers:read": ("GET", f"/v1/agencies/{PREFIX}probe/dossiers/H00-010101-0000"),
    "indices:read": ("GET", "/v1/indices"),
    "ratings:read": ("GET", f"/v1/agencies/{PREFIX}probe/ratings"),
    "ratings:write": ("POST", "/v1/ratings"),
    "surveys:invite": ("POST", f"/v1/surveys/{PREFIX}probe/invitations"),
    "webhooks:read": ("GET", f"/v1/webhooks/{PREFIX}probe"),
    "webhooks:write": ("PUT", f"/v1/webhooks/{PREFIX}probe"),
}


class NotReadyError(Exception):
    """The trials cannot begin, and why."""


@dataclass
class Scene:
    """The kit's own entries on a server, all under one code that no other run has."""

    server: Server
    code: str = field(default_factory=lambda: f"{PREFIX}{secrets.token_hex(4)}")
    ahead: timedelta = timedelta()
    # Each new one comes before all others in a list, and so before what was read of it.
    numbers: Iterator[int] = field(
        default_factory=lambda: count(89_999 - secrets.randbelow(9999), -1)
    )

    @property
    def closed(self) -> str:
        """The survey that is over."""
        return f"{self.code}-closed"

    @property
    def dossiers(self) -> str:
        """The path of the agency's dossiers."""
        return f"/v1/agencies/{self.code}/dossiers"

    def now(self) -> datetime:
        """The instant by the server's clock."""
        return (datetime.now(UTC) + self.ahead).astimezone(VIETNAM)

    def set_up(self) -> None:
        """Make the entries; raises NotReadyError."""
        self.ahead = self.server.ahead()
        today = self.now().date()
        days = {name: str(today + timedelta(days=n)) for name, n in (("past", -60), ("over", -30))}
        name = {"vi": "Thử nghiệm sự phù hợp", "en": "Conformance trial"}
        agency = {"name": name, "kind": "conformance", "valid_from": days["past"]}
        procedure = {"name": name, "field": "Thử nghiệm", "working_days": 1, "online": "none"}
        self._put(f"/v1/agencies/{self.code}", agency)
        self._put(f"/v1/procedures/{self.code}", procedure)
        self._put(f"/v1/questionnaires/{self.code}/versions/1", _form(name))
        survey = {
            "title": name,
            "questionnaire": self.code,
            "version": 1,
            "agencies": [self.code],
            "opens_on": days["past"],
            "rating_window_days": WINDOW.days,
        }
        self._put(f"/v1/surveys/{self.closed}", survey | {"closes_on": days["over"]})
        self._put(f"/v1/surveys/{self.code}", survey)

    def _put(self, path: str, body: dict[str, Any]) -> None:
        answer = self.server.ask("PUT", path, json=body)
        if answer.status_code not in {httpx.codes.OK, httpx.codes.CREATED}:
            raise NotReadyError(f"PUT {path} is answered {answer.status_code} {code_of(answer)}")

    def receipt(self, received_at: datetime | None = None) -> dict[str, Any]:
        """What a receipt says; without a time it has no appointment, so it never is overdue."""
        at = received_at or self.now() - timedelta(hours=3)
        due_at = None if received_at is None else (at + timedelta(days=30)).isoformat()
        return {
            "procedure": self.code,
            "channel": "desk",
            "received_at": at.isoformat(),
            "due_at": due_at,
        }

    def new_code(self) -> str:
        """The code of a dossier that there is not yet."""
        return f"H00-{self.now():%y%m%d}-{next(self.numbers)}"

    def registered(self, received_at: datetime | None = None) -> str:
        """The code of a new dossier that is not returned."""
        code = self.new_code()
        answer = self.server.ask("PUT", f"{self.dossiers}/{code}", json=self.receipt(received_at))
        answer.raise_for_status()
        return code

    def returned(self, returned_at: datetime | None = None) -> tuple[str, dict[str, Any] | None]:
        """The code of a new dossier whose result was returned, and its invitation."""
        at = returned_at or self.now() - timedelta(minutes=30)
        code = self.registered(at - timedelta(hours=1))
        event = {"type": "result_returned", "at": at.isoformat()}
        answer = self.server.ask("POST", f"{self.dossiers}/{code}/events", json=event)
        answer.raise_for_status()
        return code, answer.json()["invitation"]

    def rating(self, dossier: str, **said: Any) -> dict[str, Any]:
        """What is sent to rate a dossier."""
        named = {"agency": self.code, "survey": self.code, "dossier": dossier}
        return {**named, "channel": "portal", "answers": {"q1": "5", "q2": "4"}, **said}


def _form(name: dict[str, str]) -> dict[str, Any]:
    """A questionnaire of two questions, the first of which is the overall one."""
    options = [
        {"code": str(points), "label": {"vi": f"Mức {points}"}, "score": points}
        for points in (5, 4, 3, 2, 1)
    ]
    questions = [
        {"code": code, "text": {"vi": f"Câu hỏi {code}"}, "options": options}
        for code in ("q1", "q2")
    ]
    criterion = {"code": "all", "name": name, "weight": 1, "questions": questions}
    return {"title": name, "overall_question": "q1", "criteria": [criterion]}


def missing_scopes(server: Server) -> list[str]:
    """What the key may not do of what the trials need; raises NotReadyError where it is unknown."""
    missing = []
    for scope, (method, path) in PROBES.items():
        said: dict[str, Any] = {"json": {}} if method != "GET" else {}
        answer = server.ask(method, path, **said)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise NotReadyError(f"The server does not know the key ({code_of(answer)}).")
        if is_not_offered(answer):
            continue
        if code_of(answer) == "scope-missing" and "/header/Authorization" in faults_of(answer):
            missing.append(scope)
    return missing


def others(server: Server) -> bool:
    """Whether the server has agencies that no run of the kit made."""
    cursor: dict[str, str] = {}
    while True:
        answer = server.ask("GET", "/v1/agencies", params={"limit": 500, **cursor})
        answer.raise_for_status()
        page = answer.json()
        if any(not str(row["code"]).startswith(PREFIX) for row in page["items"]):
            return True
        if page["next_cursor"] is None:
            return False
        cursor = {"cursor": page["next_cursor"]}
