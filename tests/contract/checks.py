"""What Schemathesis is told besides the contract: what is there, and what a refusal may say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

from app.api.statuses import PROTOCOL

EXAMPLES = Path(__file__).parents[2] / "examples"
FORM = json.loads((EXAMPLES / "questionnaires" / "nd118-2025.json").read_text("utf-8"))
NOW = datetime.now(UTC)
DOSSIERS = [f"000.00.01.H00-{NOW:%y%m%d}-0000{number}" for number in range(1, 6)]

# At random nothing would ever be there: half of the requests that are allowed ask for what is.
KNOWN = {
    "agency": ["H00.01", "H32.15", "H98.01"],
    "answers": [
        {
            question["code"]: question["options"][0]["code"]
            for criterion in FORM["criteria"]
            for question in criterion["questions"]
        }
    ],
    "at": [NOW.isoformat(), (NOW - timedelta(hours=1)).isoformat()],
    "counter": ["Q01"],
    "criterion": ["overall", "access"],
    "dossier": DOSSIERS,
    "due_at": [(NOW + timedelta(days=9)).isoformat()],
    "edition": ["e1", "e2"],
    "peer_group": ["minh-hoa", "so-minh-hoa-2"],
    "period": ["2025", "2026"],
    "procedure": ["1.000001"],
    "questionnaire": ["nd118-2025"],
    "received_at": [(NOW - timedelta(hours=2)).isoformat()],
    "survey": ["tthc"],
    "surveys": [["sap-nhap-minh-hoa"]],
    "type": ["accepted", "result_returned"],
    "version": [1],
    "webhook": ["w1"],
}


@schemathesis.hook
def flatmap_case(_context, case):
    """The request, or the same about what is there."""
    if case.meta.generation.mode is not GenerationMode.POSITIVE:
        return st.just(case)
    parts = (case.path_parameters, case.query, case.body)
    named = [part for part in parts if isinstance(part, dict)]

    def filled(chosen):
        for part in named:
            for name in part.keys() & KNOWN.keys():
                if chosen and type(part[name]) is type(KNOWN[name][0]):
                    part[name] = KNOWN[name][chosen % len(KNOWN[name])]
        return case

    return st.integers(0, 9).map(lambda chosen: filled(chosen if chosen > 4 else 0))


schemathesis.serializer.alias("application/x-ndjson", "application/octet-stream")


@schemathesis.check
def refusal_is_named(_context, response, case):
    """A problem document's code is one of those listed for the operation and the status."""
    media = response.headers.get("content-type", [""])[0]
    if not media.startswith("application/problem+json"):
        return
    answers = case.operation.definition.raw["responses"]
    listed = answers.get(str(response.status_code), {}).get("x-codes")
    code = response.json()["code"]
    if code == PROTOCOL[404]:
        return  # what was filled in makes it another address, which is nobody's
    if listed is not None and code not in listed:
        message = f"{response.status_code} {code} is not listed: {', '.join(listed)}"
        raise AssertionError(message)
