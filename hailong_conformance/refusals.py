"""Checks of refusals: each with its status, its code, and every fault at its place."""

import time
from datetime import datetime, timedelta
from typing import Any

from hailong_conformance.ratings import rate
from hailong_conformance.scene import WINDOW
from hailong_conformance.server import faults_of
from hailong_conformance.trial import SkippedError, Trial, check

FOR_SECONDS = timedelta(seconds=4)  # how long an invitation holds that is to end soon


@check
def rated_once(trial: Trial) -> None:
    """A dossier is rated once: 409 already-rated."""
    dossier, _ = trial.scene.returned()
    trial.answered(rate(trial, trial.scene.rating(dossier)), 201)
    trial.answered(rate(trial, trial.scene.rating(dossier)), 409, "already-rated")


@check
def result_not_returned(trial: Trial) -> None:
    """A dossier is rated after its result was returned: 409 result-not-returned."""
    dossier = trial.scene.registered()
    trial.answered(rate(trial, trial.scene.rating(dossier)), 409, "result-not-returned")


@check
def unknown_dossier(trial: Trial) -> None:
    """What is rated is registered: 404 dossier-not-found."""
    body = trial.scene.rating(trial.scene.new_code())
    trial.answered(rate(trial, body), 404, "dossier-not-found")


@check
def survey_closed(trial: Trial) -> None:
    """A survey that is over takes no ratings: 409 survey-closed."""
    dossier, _ = trial.scene.returned()
    body = trial.scene.rating(dossier) | {"survey": trial.scene.closed}
    trial.answered(rate(trial, body), 409, "survey-closed")


@check
def answers_invalid(trial: Trial) -> None:
    """Answers that do not fit the form are refused with a pointer for every one of them."""
    dossier, _ = trial.scene.returned()
    answers = {"q1": "9", "q2": "8", "q9": "5"}
    answer = rate(trial, trial.scene.rating(dossier) | {"answers": answers})
    trial.answered(answer, 422, "answers-invalid")
    expected = {"/answers/q1": "unknown-option", "/answers/q2": "unknown-option"}
    expected |= {"/answers/q9": "unknown-question"}
    trial.expect("faults", expected, faults_of(answer))


@check
def every_fault(trial: Trial) -> None:
    """A malformed request is told everything that is wrong with it, each at its place."""
    body = {"agency": trial.scene.code, "chanel": "portal", "answers": [], "device_seq": 0}
    answer = rate(trial, body)
    trial.answered(answer, 422, "invalid-request")
    expected = {"/chanel": "unknown-field", "/channel": "missing"}
    expected |= {"/answers": "wrong-type", "/device_seq": "too-small"}
    expected |= {"/survey": "missing", "/dossier": "missing"}
    trial.expect("faults", expected, faults_of(answer))


@check
def misspelt_query(trial: Trial) -> None:
    """A parameter that a route does not have is refused, not ignored."""
    answer = trial.server.ask("GET", trial.scene.dossiers, params={"overdu": "true"})
    trial.answered(answer, 422, "invalid-request")
    trial.expect("faults", {"/query/overdu": "unknown-field"}, faults_of(answer))


@check
def invitation_used(trial: Trial) -> None:
    """An invitation is the right to rate without a key, once: then 410 invitation-used."""
    body = _by(_invited(trial))
    trial.answered(rate(trial, body, key=None), 201)
    trial.answered(rate(trial, body, key=None), 410, "invitation-used")


@check
def invitation_revoked(trial: Trial) -> None:
    """An invitation dies when another is issued: 410 invitation-revoked."""
    code, invitation = trial.scene.returned()
    again = trial.server.ask("POST", f"{trial.scene.dossiers}/{code}/invitations")
    renewed = trial.answered(again, 201)
    old = rate(trial, _by(invitation or {}), key=None)
    trial.answered(old, 410, "invitation-revoked")
    trial.answered(rate(trial, _by(renewed), key=None), 201)


@check
def invitation_expired(trial: Trial) -> None:
    """An invitation ends with the time for rating: 410 invitation-expired."""
    at = trial.scene.now() - WINDOW + FOR_SECONDS
    _, invitation = trial.scene.returned(at)
    if invitation is None:
        raise SkippedError("the server was too slow to invite before it ended")
    ends_at = datetime.fromisoformat(invitation["expires_at"])
    trial.holds("it ends with the time for rating", ends_at <= at + WINDOW)
    # The server's clock is known to a second.
    time.sleep(max(0.0, (ends_at - trial.scene.now()).total_seconds()) + 1.1)
    trial.answered(rate(trial, _by(invitation), key=None), 410, "invitation-expired")


@check
def survey_invitations(trial: Trial) -> None:
    """A recipient invited to a survey answers once; the answer counts for the survey."""
    path = f"/v1/surveys/{trial.scene.code}/invitations"
    days = str(trial.scene.now().date() + timedelta(days=2))
    body = {"agency": trial.scene.code, "channel": "e_office", "expires_on": days}
    sent = trial.server.ask("POST", path, json=body | {"recipients": ["kit-1", "kit-2"]})
    first, second = trial.answered(sent, 201)["items"]
    answered = rate(trial, _by(first["invitation"]), key=None)
    said = trial.answered(answered, 201)
    trial.expect("basis of the rating", "survey", said["basis"])
    trial.answered(rate(trial, _by(first["invitation"]), key=None), 410, "invitation-used")
    withdrawn = {"agency": trial.scene.code, "recipients": ["kit-2"]}
    revoked = trial.answered(trial.server.ask("POST", f"{path}/revoke", json=withdrawn), 200)
    trial.expect("invitations revoked", 1, revoked["revoked"])
    late = rate(trial, _by(second["invitation"]), key=None)
    trial.answered(late, 410, "invitation-revoked")


def _invited(trial: Trial) -> dict[str, Any]:
    _, invitation = trial.scene.returned()
    trial.holds("the return invites", invitation is not None)
    return invitation or {}


def _by(invitation: dict[str, Any]) -> dict[str, Any]:
    """What is sent by who holds an invitation."""
    return {"invitation": invitation["token"], "channel": "mobile", "answers": {"q1": "5"}}


CHECKS = (
    rated_once,
    result_not_returned,
    unknown_dossier,
    survey_closed,
    answers_invalid,
    every_fault,
    misspelt_query,
    invitation_used,
    invitation_revoked,
    invitation_expired,
    survey_invitations,
)
