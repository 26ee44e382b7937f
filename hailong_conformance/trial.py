"""Trials: what is asked of a server, what is expected, what is seen, and what that comes to."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import httpx

from hailong_conformance.receiver import Receiver
from hailong_conformance.scene import Scene
from hailong_conformance.server import Server, asked, code_of, is_not_offered

PROBLEM = "application/problem+json"
JSON = frozenset({"application/json", PROBLEM})
MOST_SHOWN = 400  # characters


class Outcome(StrEnum):
    """What a trial came to."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class Step:
    """What was asked, what should have come, and what came."""

    asked: str
    expected: str
    seen: str
    kept: bool


class BrokenError(Exception):
    """The server did something else than it should."""


class SkippedError(Exception):
    """What is to be tried cannot be tried here, and why."""


class NotOfferedError(Exception):
    """The server does not have what is to be tried."""


@dataclass(slots=True)
class Trial:
    """One check under way on a server, and what was seen until now."""

    server: Server
    scene: Scene
    receiver: Receiver | None = None
    steps: list[Step] = field(default_factory=list)

    def expect(self, what: str, expected: object, seen: object) -> None:
        """Go on when what was seen is what was expected."""
        kept = bool(expected == seen)
        self.steps.append(Step(what, _shown(expected), _shown(seen), kept))
        if not kept:
            raise BrokenError(what)

    def holds(self, what: str, kept: bool) -> None:  # noqa: FBT001 -- it is what is seen
        """Go on when it is so."""
        self.expect(what, "so", "so" if kept else "not so")

    def answered(self, answer: httpx.Response, status: int, code: str | None = None) -> Any:
        """The body of an answer that has the status and, where it is a refusal, the code."""
        if is_not_offered(answer) and status != HTTPStatus.NOT_FOUND:
            raise NotOfferedError(asked(answer))
        refused = status >= HTTPStatus.BAD_REQUEST
        expected = f"{status} {code}" if refused else str(status)
        failed = answer.status_code >= HTTPStatus.BAD_REQUEST
        seen = f"{answer.status_code} {code_of(answer)}" if failed else str(answer.status_code)
        self.expect(asked(answer), expected, seen)
        if refused:
            self.expect(f"Content-Type of {asked(answer)}", PROBLEM, media_type(answer))
        return answer.json() if answer.content and media_type(answer) in JSON else None

    def replayed(self, answer: httpx.Response, *, expected: bool) -> None:
        """Go on when the answer says rightly whether it was given before."""
        seen = answer.headers.get("Idempotent-Replayed")
        wanted = "true" if expected else None
        self.expect(f"Idempotent-Replayed of {asked(answer)}", wanted, seen)


Body = Callable[[Trial], None]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that a server must keep: its name, and the sentence that says what."""

    name: str
    sentence: str
    body: Body


@dataclass(frozen=True, slots=True)
class Result:
    """What a check came to on a server, with all that was asked; `reason` where it did not pass."""

    check: Check
    outcome: Outcome
    steps: list[Step]
    seconds: float
    reason: str = ""


def check(body: Body) -> Check:
    """The check that a function makes; its docstring is the sentence."""
    sentence = " ".join((body.__doc__ or "").split())
    name = getattr(body, "__name__", "").replace("_", "-")
    return Check(name, sentence, body)


def tried(one: Check, trial: Trial) -> Result:
    """What a check comes to; a server that does not answer, or answers nonsense, fails it."""
    begun = time.monotonic()
    outcome, reason = Outcome.PASSED, ""
    try:
        one.body(trial)
    except BrokenError as error:
        outcome, reason = Outcome.FAILED, str(error)
    except SkippedError as error:
        outcome, reason = Outcome.SKIPPED, str(error)
    except NotOfferedError as error:
        outcome, reason = Outcome.NOT_OFFERED, str(error)
    except (httpx.HTTPError, KeyError, TypeError, ValueError, LookupError) as error:
        outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"[:MOST_SHOWN]
    return Result(one, outcome, trial.steps, time.monotonic() - begun, reason)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def media_type(answer: httpx.Response) -> str:
    """What the body of an answer is written in."""
    return str(answer.headers.get("Content-Type", "")).partition(";")[0]
