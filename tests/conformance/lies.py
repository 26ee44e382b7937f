"""Lies: each breaks one rule, and names the checks that must find it out."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from conformance.wrong import Answer, Lie, Request

LIES: dict[str, tuple[Callable[[], Lie], set[str]]] = {}


def found_by(*checks: str):
    """The function makes a lie that these checks, and no others, find out."""

    def listed(make: Callable[[], Lie]) -> Callable[[], Lie]:
        LIES[make.__name__] = (make, set(checks))
        return make

    return listed


def said(code: str, answer: Answer) -> bool:
    return answer.status >= 400 and json.loads(answer.body or b"{}").get("code") == code


def changed(answer: Answer, change: Callable[[dict], None]) -> None:
    body = json.loads(answer.body)
    change(body)
    answer.body = json.dumps(body).encode()


def instead(code: str, status: int) -> Lie:
    """A good answer where there is a refusal."""

    def lie(_asked: Request):
        def tell(answer: Answer) -> None:
            if said(code, answer):
                answer.status = status
                answer.headers["content-type"] = "application/json"

        return tell

    return lie


def without(header: str, path: str = "") -> Lie:
    """Answers at paths that end so lack a header."""
    return lambda asked: (
        (lambda answer: answer.headers.pop(header, None)) if asked.path.endswith(path) else None
    )


def deaf(header: str) -> Lie:
    """What a request says in a header is not heard."""
    return lambda asked: asked.headers.pop(header, None) and None


def unasked(pattern: str) -> Lie:
    """A part of the query is not heard."""

    def lie(asked: Request):
        asked.query = re.sub(pattern, "", asked.query)

    return lie


@found_by("retry-storm")
def a_repeat_is_counted():
    repeats = [0]

    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            if asked.path == "/v1/ratings" and "idempotent-replayed" in answer.headers:
                repeats[0] += 1
            if asked.path == "/v1/indices" and answer.status == 200:
                changed(answer, more)

        return tell

    def more(body: dict) -> None:
        body["figures"][0]["n"] += repeats[0]

    return lie


@found_by("retry-storm", "request-names")
def a_repeated_rating_is_not_named_so():
    return without("idempotent-replayed", "/ratings")


@found_by("event-names")
def a_repeated_event_is_not_named_so():
    return without("idempotent-replayed", "/events")


@found_by("request-names")
def another_request_under_the_name_is_taken():
    return instead("idempotency-key-reused", 201)


@found_by("rated-once")
def a_second_rating_is_taken():
    return instead("already-rated", 200)


@found_by("result-not-returned", "clock-behind")
def a_rating_before_the_return_is_taken():
    return instead("result-not-returned", 201)


@found_by("survey-closed")
def a_survey_that_is_over_takes_ratings():
    return instead("survey-closed", 201)


@found_by("late-arrival")
def the_time_for_rating_never_ends():
    return instead("rating-window-closed", 201)


@found_by("invitation-used", "survey-invitations")
def an_invitation_is_used_twice():
    return instead("invitation-used", 201)


@found_by("invitation-revoked", "survey-invitations")
def an_invitation_outlives_the_next():
    return instead("invitation-revoked", 201)


@found_by("answers-invalid")
def only_the_first_fault_is_told():
    def lie(_asked: Request):
        def tell(answer: Answer) -> None:
            if said("answers-invalid", answer):
                changed(answer, lambda body: body.update(errors=body["errors"][:1]))

        return tell

    return lie


@found_by("answers-invalid", "every-fault", "clock-ahead", "page-limits", "misspelt-query")
def pointers_are_left_out():
    def lie(_asked: Request):
        def tell(answer: Answer) -> None:
            if said("answers-invalid", answer) or said("invalid-request", answer):
                changed(answer, bare)

        return tell

    def bare(body: dict) -> None:
        for fault in body["errors"]:
            del fault["pointer"]

    return lie


@found_by("clock-ahead")
def any_future_is_taken():
    def lie(asked: Request):
        body = json.loads(asked.body) if asked.path == "/v1/ratings" else {}
        if "rated_at" in body:
            at = datetime.fromisoformat(body["rated_at"])
            now = datetime.now(at.tzinfo)
            if at > now + timedelta(minutes=15):
                asked.body = json.dumps(body | {"rated_at": now.isoformat()}).encode()

    return lie


@found_by("batch")
def a_batch_does_not_know_its_repeats():
    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            if asked.path == "/v1/ratings/batch":
                changed(answer, forget)

        return tell

    def forget(body: dict) -> None:
        for outcome in body["outcomes"]:
            outcome["replayed"] = False

    return lie


def paged(change: Callable[[list], None]) -> Lie:
    """Pages that others follow are changed."""

    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            if asked.method == "GET" and "limit=" in asked.query and answer.status == 200:
                body = json.loads(answer.body)
                if body["next_cursor"] is not None:
                    changed(answer, lambda page: change(page["items"]))

        return tell

    return lie


@found_by("paging")
def the_last_row_of_a_page_is_lost():
    return paged(lambda items: items.pop())


@found_by("paging")
def the_last_row_of_a_page_comes_again():
    held = []

    def again(items: list) -> None:
        last = items[-1]
        items[-1:] = held or [last]
        held[:] = [last]

    return paged(again)


@found_by("paging")
def no_link_leads_on():
    return without("link")


@found_by("page-limits")
def any_cursor_is_taken():
    return unasked(r"cursor=no.*")


@found_by("misspelt-query")
def unknown_parameters_are_ignored():
    return unasked(r"overdu=true")


@found_by("not-modified")
def nothing_is_ever_unchanged():
    return lambda asked: deaf("if-none-match")(asked) if asked.method == "GET" else None


@found_by("lost-updates")
def the_last_writer_wins():
    return deaf("if-match")


@found_by("head")
def head_has_no_etag():
    return lambda asked: without("etag")(asked) if asked.method == "HEAD" else None


@found_by("problem-documents")
def everybody_reads_english():
    def lie(asked: Request):
        asked.headers["accept-language"] = "en"

    return lie


@found_by("request-ids")
def requests_have_no_id():
    return without("x-request-id")


@found_by("request-ids")
def the_callers_id_is_not_kept():
    return deaf("x-request-id")


@found_by("credentials")
def nobody_says_how_to_sign_in():
    return without("www-authenticate")


@found_by("rate-limits")
def nobody_says_how_much_is_left():
    return without("ratelimit")


@found_by("dry-run")
def a_dry_run_stores():
    return unasked(r"dry_run=true")


@found_by("row-errors")
def lines_are_counted_from_nought():
    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            if asked.path.endswith("/errors"):
                rows = [json.loads(line) for line in answer.body.splitlines()]
                less = [row | {"line": row["line"] - 1} for row in rows]
                answer.body = "\n".join(map(json.dumps, less)).encode()

        return tell

    return lie


@found_by("export-complete")
def an_export_lacks_a_row():
    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            if asked.path == "/v1/exports/ratings":
                answer.body = b"".join(answer.body.splitlines(keepends=True)[:-1])

        return tell

    return lie


@found_by("export-news")
def every_export_is_the_whole():
    return unasked(r"&updated_after=[^&]*")
