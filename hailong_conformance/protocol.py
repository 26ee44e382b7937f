"""Checks of what every answer keeps to: credentials, problem documents, ids and limits."""

import re
import uuid

import httpx

from hailong_conformance.server import asked, faults_of
from hailong_conformance.trial import SkippedError, Trial, check, media_type

FIELDS = {"type", "title", "status", "detail", "instance", "code", "errors"}
MOST_LEFT = 300  # requests that are used up to see what follows


@check
def credentials(trial: Trial) -> None:
    """Without a key, or with an unknown one, nothing is shown: 401, and how to sign in."""
    path = f"/v1/agencies/{trial.scene.code}"
    for key, code in ((None, "credential-missing"), ("hl_nobody", "credential-unknown")):
        answer = trial.server.ask("GET", path, key=key)
        trial.answered(answer, 401, code)
        scheme = answer.headers.get("WWW-Authenticate", "").partition(" ")[0]
        trial.expect("scheme in WWW-Authenticate", "Bearer", scheme)


@check
def problem_documents(trial: Trial) -> None:
    """A refusal is a problem document in the reader's language, and its type a page."""
    path = f"/v1/agencies/{trial.scene.code}-nobody"
    said = {}
    for language in ("vi", "en"):
        answer = trial.server.ask("GET", path, headers={"Accept-Language": language})
        said[language] = trial.answered(answer, 404, "agency-not-found")
        seen = answer.headers.get("Content-Language")
        trial.expect(f"Content-Language of {asked(answer)}", language, seen)
    vietnamese, english = said["vi"], said["en"]
    trial.expect("fields that are missing", [], sorted(FIELDS - english.keys()))
    trial.expect("status in the document", 404, english["status"])
    trial.expect("instance", path, english["instance"])
    trial.expect("type", "/problems/agency-not-found", english["type"])
    for name in ("title", "detail"):
        differs = vietnamese[name] != english[name]
        trial.holds(f"{name} is translated", differs)
    page = trial.server.ask("GET", english["type"], key=None)
    trial.answered(page, 200)
    trial.expect("Content-Type of the page", "text/html", media_type(page))
    default = trial.server.ask("GET", path, headers={"Accept-Language": "fr"})
    trial.expect("language by default", "vi", default.headers.get("Content-Language"))


@check
def unknown_routes(trial: Trial) -> None:
    """An address or a method that there is not is refused as a problem document too."""
    trial.answered(trial.server.ask("GET", "/v1/nothing-here"), 404, "route-not-found")
    wrong = trial.server.ask("DELETE", f"/v1/agencies/{trial.scene.code}")
    trial.answered(wrong, 405, "method-not-allowed")
    allowed = re.findall(r"[A-Z]+", wrong.headers.get("Allow", ""))
    trial.holds("Allow names GET", "GET" in allowed)
    path, headers = f"/v1/agencies/{trial.scene.code}", {"Content-Type": "application/json"}
    answer = trial.server.ask("PUT", path, content=b'{"name":', headers=headers)
    trial.answered(answer, 400, "malformed-request")


@check
def request_ids(trial: Trial) -> None:
    """Every answer has an X-Request-Id: the one that was sent, or a new one."""
    mine = f"kit-{uuid.uuid4()}"
    path = f"/v1/agencies/{trial.scene.code}"
    answer = trial.server.ask("GET", path, headers={"X-Request-Id": mine})
    trial.expect("X-Request-Id that was sent", mine, answer.headers.get("X-Request-Id"))
    made = [trial.server.ask("GET", where) for where in (path, f"{path}-nobody")]
    ids = {one.headers.get("X-Request-Id") for one in made}
    trial.expect("X-Request-Ids made for two requests", 2, len(ids - {None, mine}))


@check
def unknown_references(trial: Trial) -> None:
    """What a body names and does not exist is a fault at its place: 422 unknown-reference."""
    body = trial.scene.receipt() | {"procedure": "no-such", "counter": "no-such"}
    path = f"{trial.scene.dossiers}/{trial.scene.new_code()}"
    answer = trial.server.ask("PUT", path, json=body)
    trial.answered(answer, 422, "unknown-reference")
    trial.expect("places", ["/counter", "/procedure"], sorted(faults_of(answer)))


@check
def rate_limits(trial: Trial) -> None:
    """Every answer says how much is left of the quota, and a refusal when to come again."""
    path = f"/v1/agencies/{trial.scene.code}"
    answer = trial.server.once("GET", path)
    if "RateLimit-Policy" not in answer.headers:
        raise SkippedError("the server limits nothing (no RateLimit-Policy)")
    policy = re.search(r";q=(\d+);w=(\d+)", answer.headers["RateLimit-Policy"])
    trial.holds("the policy has q and w", policy is not None)
    first, second = _left(trial, answer), _left(trial, trial.server.once("GET", path))
    within = first - second >= 1 or second > first  # or a new window began
    trial.holds("a request is counted", within)
    refused = trial.server.refused_for_now[:1]
    if second <= MOST_LEFT and not refused:
        refused = _used_up(trial, path)
    for one in refused:
        if one.status_code == httpx.codes.TOO_MANY_REQUESTS:
            trial.answered(one, 429, "too-many-requests")
        told = one.headers.get("Retry-After", "")
        trial.holds("Retry-After says seconds", told.isdecimal())


def _left(trial: Trial, answer: httpx.Response) -> int:
    """How many requests are left."""
    told = re.search(r";r=(\d+);t=(\d+)", answer.headers.get("RateLimit", ""))
    trial.holds("RateLimit has r and t", told is not None)
    return int(told[1]) if told else 0


def _used_up(trial: Trial, path: str) -> list[httpx.Response]:
    """The first refusal, when all that is left was used."""
    for _ in range(2 * MOST_LEFT):
        answer = trial.server.once("GET", path)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return [answer]
    trial.expect("requests until 429", f"at most {MOST_LEFT}", "more")
    return []


CHECKS = (
    credentials,
    problem_documents,
    unknown_routes,
    request_ids,
    unknown_references,
)
LAST = (rate_limits,)  # it may use up the quota
