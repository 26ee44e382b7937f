"""Checks of reading: every row once, nothing sent again to who holds it, and no lost update."""

from collections import Counter
from typing import Any

import httpx

from hailong_conformance.server import faults_of
from hailong_conformance.trial import Trial, check

FEWEST_ROWS = 5
SIZES = (1, 2, 500)


@check
def paging(trial: Trial) -> None:
    """By pages of 1, 2 and 500 every row comes exactly once, while rows are added."""
    scene = trial.scene
    there = [scene.registered() for _ in range(FEWEST_ROWS)]
    for size in SIZES:
        found = Counter(_codes(trial, size))
        lost = [code for code in there if code not in found]
        twice = [code for code, times in found.items() if times > 1]
        trial.expect(f"rows lost by pages of {size}", [], lost)
        trial.expect(f"rows that came twice by pages of {size}", [], twice)


def _codes(trial: Trial, size: int) -> list[str]:
    """The codes of all dossiers, page by page; some more are registered meanwhile."""
    path, found, pages = trial.scene.dossiers, [], 0
    cursor: str | None = None
    while True:
        asked = {"limit": str(size)} | ({} if cursor is None else {"cursor": cursor})
        answer = trial.server.ask("GET", path, params=asked)
        page = trial.answered(answer, 200)
        found += [row["code"] for row in page["items"]]
        trial.holds(f"a page has at most {size} rows", len(page["items"]) <= size)
        cursor = page["next_cursor"]
        _check_link(trial, answer, cursor)
        if cursor is None:
            return found
        pages += 1
        if pages <= len(SIZES):
            trial.scene.registered()


def _check_link(trial: Trial, answer: httpx.Response, cursor: str | None) -> None:
    """The header that leads to the next page says the same as the body."""
    following = answer.links.get("next", {}).get("url")
    named = None if following is None else httpx.URL(following).params.get("cursor")
    trial.expect("cursor in the header Link", cursor, named)


@check
def page_limits(trial: Trial) -> None:
    """Pages of 0 and 501 rows, and cursors that were not given out, are refused."""
    wrong: list[dict[str, Any]] = [{"limit": 0}, {"limit": 501}, {"cursor": "no cursor of yours"}]
    for asked in wrong:
        answer = trial.server.ask("GET", trial.scene.dossiers, params=asked)
        trial.answered(answer, 422, "invalid-request")
        trial.expect("places", [f"/query/{name}" for name in asked], [*faults_of(answer)])


@check
def not_modified(trial: Trial) -> None:
    """Who holds what would be sent is told so: 304 without a body."""
    code = trial.scene.registered()
    for path in (f"/v1/agencies/{trial.scene.code}", f"{trial.scene.dossiers}/{code}"):
        first = trial.server.ask("GET", path)
        trial.answered(first, 200)
        trial.holds(f"{path} has an ETag", "ETag" in first.headers)
        held = {"If-None-Match": f'"other", {first.headers["ETag"]}'}
        again = trial.server.ask("GET", path, headers=held)
        trial.answered(again, 304)
        trial.expect("length of its body", 0, len(again.content))
        other = trial.server.ask("GET", path, headers={"If-None-Match": '"other"'})
        trial.answered(other, 200)


@check
def lost_updates(trial: Trial) -> None:
    """An update that relies on what is no longer so is refused: 412."""
    path = f"/v1/procedures/{trial.scene.code}-updated"
    name = {"vi": "Thử nghiệm cập nhật"}
    body = {"name": name, "field": "Thử nghiệm", "working_days": 1, "online": "none"}
    first = _put(trial, path, body, {"If-None-Match": "*"}, 201)
    _put(trial, path, body, {"If-None-Match": "*"}, 412)
    seen = {"If-Match": first.headers["ETag"]}
    second = _put(trial, path, body | {"working_days": 2}, seen, 200)
    _put(trial, path, body | {"working_days": 3}, seen, 412)
    held = trial.server.ask("GET", path)
    trial.expect("working days", 2, trial.answered(held, 200)["working_days"])
    trial.expect("ETag", second.headers["ETag"], held.headers["ETag"])


def _put(
    trial: Trial, path: str, body: dict[str, Any], headers: dict[str, str], status: int
) -> httpx.Response:
    answer = trial.server.ask("PUT", path, json=body, headers=headers)
    trial.answered(answer, status, "precondition-failed")
    return answer


@check
def head(trial: Trial) -> None:
    """HEAD is answered as GET is, without the body."""
    path = f"/v1/agencies/{trial.scene.code}"
    got, asked = (trial.server.ask(method, path) for method in ("GET", "HEAD"))
    trial.answered(asked, 200)
    trial.expect("length of its body", 0, len(asked.content))
    for name in ("Content-Type", "ETag", "Content-Length"):
        trial.expect(f"{name} of HEAD", got.headers.get(name), asked.headers.get(name))
    missing = trial.server.ask("HEAD", f"{path}-nobody")
    trial.expect(f"HEAD {path}-nobody", 404, missing.status_code)


CHECKS = (paging, page_limits, not_modified, lost_updates, head)
