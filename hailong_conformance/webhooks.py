"""Checks of webhooks: signed with every live secret, tried again, and sent nowhere else."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hailong_conformance.files import imported
from hailong_conformance.receiver import Received, Receiver
from hailong_conformance.server import faults_of
from hailong_conformance.trial import SkippedError, Trial, check

EVENT = "operation.finished"
ARRIVES_SECONDS, RETRY_SECONDS, LOOK_SECONDS = 20.0, 30.0, 0.3
FRESH_SECONDS = 300  # how old a signature may be for the libraries that check it
CLOSED = frozenset({"webhook-url-not-https", "webhook-url-private"})
NAMED = frozenset({"id", "source", "specversion", "type"})


@contextmanager
def subscribed(trial: Trial, behaviour: str) -> Iterator[tuple[str, str, Receiver]]:
    """A webhook to the receiver, while it is needed: its path here, its first secret, and where."""
    if trial.receiver is None:
        raise SkippedError("no receiver: --webhook-receiver HOST:PORT")
    name = f"{trial.scene.code}-{behaviour}"
    url = f"{trial.receiver.url}/{behaviour}/{trial.scene.code}"
    path = f"/v1/webhooks/{name}"
    answer = trial.server.ask("PUT", path, json={"url": url, "events": [EVENT]})
    refused = CLOSED & set(faults_of(answer).values())
    if refused:
        raise SkippedError(f"the server does not send to {url}: {', '.join(refused)}")
    made = trial.answered(answer, 201)
    try:
        yield path, made["secret"], trial.receiver
    finally:
        trial.server.ask("DELETE", path)


def _happened(trial: Trial) -> str:
    """The name of an operation that has ended, of which webhooks are told."""
    row = trial.scene.rating(trial.scene.new_code(), id=str(uuid.uuid4()))
    return imported(trial, [row], dry_run=True)


def _arrived(trial: Trial, receiver: Receiver, subject: str, where: str) -> Received:
    """What came at the path about the subject."""

    def wanted(one: Received) -> bool:
        return f"/{where}/" in one.path and subject.encode() in one.body

    found = receiver.wait(wanted, 1, ARRIVES_SECONDS)
    trial.holds(f"{subject} is told (does the worker run?)", bool(found))
    return found[0]


@check
def webhook_addresses(trial: Trial) -> None:
    """An address with a password, or none at all, is refused at its place."""
    for url in ("https://me:secret@example.org/", "ftp://example.org/", "not an address"):
        body = {"url": url, "events": [EVENT]}
        answer = trial.server.ask("PUT", f"/v1/webhooks/{trial.scene.code}-no", json=body)
        trial.answered(answer, 422, "invalid-request")
        trial.expect("places", ["/url"], [*faults_of(answer)])


@check
def webhook_signature(trial: Trial) -> None:
    """An event is a CloudEvent, signed with both secrets while there are two."""
    with subscribed(trial, "ok") as (path, secret, receiver):
        subject = _happened(trial)
        one = _arrived(trial, receiver, subject, "ok")
        trial.expect("signatures", [one.signature(secret)], one.signatures)
        _check_event(trial, one, subject)
        second = trial.answered(trial.server.ask("POST", f"{path}/secrets"), 201)["secret"]
        event = one.headers["webhook-id"]
        again = trial.server.ask("POST", f"{path}/deliveries/{event}/redeliver")
        trial.answered(again, 202)
        found = receiver.wait(lambda got: got.headers["webhook-id"] == event, 2, ARRIVES_SECONDS)
        trial.expect("times that it came", 2, len(found))
        both = sorted(found[1].signature(each) for each in (secret, second))
        trial.expect("signatures with two secrets", both, sorted(found[1].signatures))


def _check_event(trial: Trial, one: Received, subject: str) -> None:
    event: dict[str, Any] = json.loads(one.body)
    trial.expect("attributes that are missing", [], sorted(NAMED - event.keys()))
    trial.expect("its type", EVENT, event["type"])
    trial.expect("its subject", subject, event["subject"])
    trial.expect("its id", one.headers["webhook-id"], event["id"])
    media_type = one.headers.get("content-type", "").partition(";")[0]
    trial.expect("its Content-Type", "application/cloudevents+json", media_type)
    age = abs(trial.scene.now().timestamp() - float(one.headers["webhook-timestamp"]))
    trial.holds("it was signed just now", age < FRESH_SECONDS)


@check
def webhook_retry(trial: Trial) -> None:
    """An event that is answered 500 is sent again under the same webhook-id."""
    with subscribed(trial, "fail") as (path, _, receiver):
        one = _arrived(trial, receiver, _happened(trial), "fail")
        event = one.headers["webhook-id"]
        found = receiver.wait(lambda got: got.headers["webhook-id"] == event, 2, RETRY_SECONDS)
        trial.expect("times that it came", 2, len(found))
        trial.expect("whether its body is the same", one.body, found[1].body)
        statuses = _attempts(trial, path, event, 2)
        trial.expect("statuses in the log of deliveries", [500, 204], statuses)


@check
def webhook_redirect(trial: Trial) -> None:
    """A redirection is a failure, and nobody is followed to where it leads."""
    with subscribed(trial, "redirect") as (path, _, receiver):
        one = _arrived(trial, receiver, _happened(trial), "redirect")
        statuses = _attempts(trial, path, one.headers["webhook-id"], 1)
        trial.expect("statuses in the log of deliveries", [302], statuses[:1])
        astray = [got.path for got in receiver.received if "/redirected/" in got.path]
        trial.expect("requests to where it leads", [], astray)


def _attempts(trial: Trial, path: str, event: str, number: int) -> list[int | None]:
    """The statuses that the log has of an event, once they are so many."""
    deadline = time.monotonic() + ARRIVES_SECONDS
    while True:
        answer = trial.server.ask("GET", f"{path}/deliveries", params={"limit": 500})
        listed = trial.answered(answer, 200)["items"]
        found = [one["attempts"] for one in listed if one["id"] == event]
        statuses = [attempt["status"] for attempts in found for attempt in attempts]
        if len(statuses) >= number or time.monotonic() > deadline:
            return statuses
        time.sleep(LOOK_SECONDS)


CHECKS = (webhook_addresses, webhook_signature, webhook_retry, webhook_redirect)
