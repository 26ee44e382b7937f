"""Checks of what makes ratings trustworthy: sent however often, stored and counted once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx

from hailong_conformance.server import AT_ONCE, faults_of
from hailong_conformance.trial import Trial, check

RATINGS = "/v1/ratings"
REPLAYED = "Idempotent-Replayed"
FAST, TOO_FAST = timedelta(minutes=5), timedelta(hours=2)


def counted(trial: Trial) -> int:
    """How many ratings the figures of the kit's agency rest on."""
    scene = trial.scene
    asked = {"agency": scene.code, "survey": scene.code}
    asked |= {"period": f"{scene.now():%Y}", "method": "overall-question@1"}
    said = trial.answered(trial.server.ask("GET", "/v1/indices", params=asked), 200)
    return int(said["figures"][0]["n"])


def rate(trial: Trial, body: dict[str, Any], **said: Any) -> httpx.Response:
    """The answer to a rating."""
    return trial.server.ask("POST", RATINGS, json=body, **said)


@check
def retry_storm(trial: Trial) -> None:
    """A rating sent 50 times at once under one id is stored once, and counted once."""
    dossier, _ = trial.scene.returned()
    before = counted(trial)
    body = trial.scene.rating(dossier, id=str(uuid.uuid4()))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [*pool.map(lambda _: rate(trial, body), range(AT_ONCE))]
    for answer in answers:
        trial.answered(answer, 201)
    first = [answer for answer in answers if REPLAYED not in answer.headers]
    trial.expect(f"answers of {AT_ONCE} without {REPLAYED}", 1, len(first))
    trial.expect("different answers", 1, len({answer.text for answer in answers}))
    trial.expect("ratings counted besides", 1, counted(trial) - before)


@check
def request_names(trial: Trial) -> None:
    """Under one Idempotency-Key the same is answered as before, and anything else refused."""
    dossier, _ = trial.scene.returned()
    named = {"headers": {"Idempotency-Key": f"kit-{uuid.uuid4()}"}}
    body = trial.scene.rating(dossier)
    first = rate(trial, body, **named)
    trial.answered(first, 201)
    trial.replayed(first, expected=False)
    again = rate(trial, body, **named)
    trial.answered(again, 201)
    trial.replayed(again, expected=True)
    trial.expect("the answer to the repeat", first.json(), again.json())
    other = rate(trial, body | {"answers": {"q1": "1"}}, **named)
    trial.answered(other, 422, "idempotency-key-reused")


@check
def event_names(trial: Trial) -> None:
    """A dossier's event sent twice is recorded once, and the invitation stays the same."""
    scene = trial.scene
    code = scene.registered(scene.now() - timedelta(hours=1))
    event = {"type": "result_returned", "at": scene.now().isoformat()}
    named = {"Idempotency-Key": f"{code}-returned"}
    path = f"{scene.dossiers}/{code}"
    first, again = (
        trial.server.ask("POST", f"{path}/events", json=event, headers=named) for _ in range(2)
    )
    trial.answered(first, 201)
    trial.answered(again, 201)
    trial.replayed(again, expected=True)
    trial.expect("the invitation", first.json()["invitation"], again.json()["invitation"])
    held = trial.answered(trial.server.ask("GET", path), 200)
    trial.expect("events of the dossier", 1, len(held["events"]))


@check
def batch(trial: Trial) -> None:
    """Of a batch each rating is judged by itself, and the batch can be sent again."""
    dossiers = [trial.scene.returned()[0] for _ in range(2)]
    rows = [trial.scene.rating(code, id=str(uuid.uuid4())) for code in dossiers]
    rows.insert(1, trial.scene.rating(trial.scene.new_code(), id=str(uuid.uuid4())))
    for again in (False, True):
        answer = trial.server.ask("POST", f"{RATINGS}/batch", json={"ratings": rows})
        outcomes = trial.answered(answer, 200)["outcomes"]
        seen = [(one["status"], one["replayed"]) for one in outcomes]
        trial.expect("outcomes", [(201, again), (404, False), (201, again)], seen)
        trial.expect("the refusal", "dossier-not-found", outcomes[1]["problem"]["code"])


@check
def clock_ahead(trial: Trial) -> None:
    """A device may be some minutes fast; what was rated hours ahead is refused."""
    dossier, _ = trial.scene.returned()
    ahead = rate(trial, trial.scene.rating(dossier, rated_at=_at(trial, TOO_FAST)))
    trial.answered(ahead, 422, "answers-invalid")
    trial.expect("what is wrong", {"/rated_at": "in-the-future"}, faults_of(ahead))
    trial.answered(rate(trial, trial.scene.rating(dossier, rated_at=_at(trial, FAST))), 201)


@check
def clock_behind(trial: Trial) -> None:
    """A device may be some minutes slow: a rating from just before the return is taken."""
    returned_at = trial.scene.now() - timedelta(minutes=30)
    early, late = (trial.scene.returned(returned_at)[0] for _ in range(2))
    at = (returned_at - TOO_FAST).isoformat()
    too_early = rate(trial, trial.scene.rating(early, rated_at=at))
    trial.answered(too_early, 409, "result-not-returned")
    at = (returned_at - FAST).isoformat()
    trial.answered(rate(trial, trial.scene.rating(late, rated_at=at)), 201)


@check
def late_arrival(trial: Trial) -> None:
    """A rating counts from when it was given, however much later it arrives."""
    returned_at = trial.scene.now() - timedelta(days=2)
    in_time, too_late = (trial.scene.returned(returned_at)[0] for _ in range(2))
    at = (returned_at + timedelta(hours=1)).isoformat()
    trial.answered(rate(trial, trial.scene.rating(in_time, rated_at=at)), 201)
    refused = rate(trial, trial.scene.rating(too_late))
    trial.answered(refused, 409, "rating-window-closed")


def _at(trial: Trial, ahead: timedelta) -> str:
    return (trial.scene.now() + ahead).isoformat()


CHECKS = (retry_storm, request_names, event_names, batch, clock_ahead, clock_behind, late_arrival)
