"""Dossiers as the portal registers them."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from conftest import NOW
from sqlalchemy import text

from app.db import dossiers

PATH = "/v1/agencies/A1/dossiers/000.17.22.H56-210531-0001"


@pytest.fixture
async def receipt(make):
    await make.agency()
    await make.put("/v1/agencies/A1/counters/Q01", {"name": {"vi": "Quầy 1"}})
    return {
        "procedure": await make.procedure(),
        "counter": "Q01",
        "channel": "desk",
        "received_at": "2026-06-01T08:05:00+07:00",
        "due_at": "2026-06-08T17:00:00+07:00",
        "officer": "cb-01",
        "applicant_kind": "organisation",
    }


def returned(at: str) -> dict[str, str]:
    return {"type": "result_returned", "at": at}


async def test_a_dossier_is_registered_and_read_again(client, receipt):
    answer = await client.put(PATH, json=receipt)
    assert answer.status_code == 201
    dossier = answer.json()
    assert (dossier["status"], dossier["on_time"], dossier["returned_at"]) == (2, None, None)
    assert (await client.get(PATH)).json() == dossier


async def test_registering_again_in_the_same_words_changes_nothing(client, receipt):
    first = (await client.put(PATH, json=receipt)).json()
    again = await client.put(PATH, json=receipt)
    assert (again.status_code, again.json()) == (200, first)


async def test_a_receipt_can_be_corrected_until_the_result_is_returned(client, receipt):
    await client.put(PATH, json=receipt)
    corrected = await client.put(PATH, json=receipt | {"channel": "post"})
    assert corrected.json()["channel"] == "post"
    await client.post(f"{PATH}/events", json=returned("2026-06-08T16:00:00+07:00"))
    refused = await client.put(PATH, json=receipt)
    assert (refused.status_code, refused.json()["code"]) == (409, "dossier-move-refused")


@pytest.mark.parametrize(
    ("at", "on_time"), [("2026-06-08T17:00:00+07:00", True), ("2026-06-08T17:00:01+07:00", False)]
)
async def test_on_time_means_not_after_the_appointment(client, receipt, at, on_time):
    await client.put(PATH, json=receipt)
    answer = await client.post(f"{PATH}/events", json=returned(at))
    assert answer.status_code == 201
    assert (answer.json()["dossier"]["status"], answer.json()["dossier"]["on_time"]) == (
        10,
        on_time,
    )


async def test_a_return_recorded_twice_is_one_return(client, receipt):
    await client.put(PATH, json=receipt)
    event = returned("2026-06-08T16:00:00+07:00")
    answers = [await client.post(f"{PATH}/events", json=event) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    other = await client.post(f"{PATH}/events", json=returned("2026-06-09T16:00:00+07:00"))
    assert (other.status_code, other.json()["errors"][0]["code"]) == (409, "returned-already")


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-05-31T08:00:00+07:00", "before-reception"),
        ("2026-06-20T08:00:00+07:00", "in-the-future"),
    ],
)
async def test_a_return_has_a_possible_moment(client, receipt, at, code):
    await client.put(PATH, json=receipt)
    answer = await client.post(f"{PATH}/events", json=returned(at))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, code)


@pytest.mark.parametrize(
    "code",
    ["000.17.22.H56-210531-001", "000.17.22.H56-210231-0001", "H56-210531-0001x", "hồ-sơ", "%00"],
)
async def test_what_is_no_dossier_code_is_refused(client, receipt, code):
    answer = await client.put(f"/v1/agencies/A1/dossiers/{code}", json=receipt)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/path/dossier"


async def test_the_short_form_of_a_code_is_accepted(client, receipt):
    path = "/v1/agencies/A1/dossiers/H56.14-210531-0001"
    assert (await client.put(path, json=receipt)).status_code == 201


async def test_an_unknown_procedure_and_counter_are_both_named(client, receipt):
    answer = await client.put(PATH, json=receipt | {"procedure": "9.9", "counter": "Q99"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/procedure", "/counter"]


async def test_the_receipts_dates_are_checked_together(client, receipt):
    wrong = {"received_at": "2026-07-01T08:00:00+07:00", "due_at": "2026-06-08T17:00:00+07:00"}
    answer = await client.put(PATH, json=receipt | wrong)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/received_at", "in-the-future"),
        ("/due_at", "ends-before-it-begins"),
    ]


async def test_the_same_code_at_another_agency_is_another_dossier(client, make, receipt):
    await client.put(PATH, json=receipt)
    await make.agency("A2")
    other = PATH.replace("A1", "A2")
    assert (await client.get(other)).json()["code"] == "dossier-not-found"
    assert (await client.put(other, json=receipt | {"counter": None})).status_code == 201


async def test_a_returned_dossier_keeps_to_what_the_caller_expects_too(client, receipt):
    await client.put(PATH, json=receipt)
    await client.post(f"{PATH}/events", json=returned("2026-06-08T16:00:00+07:00"))
    for headers in ({"If-None-Match": "*"}, {"If-Match": '"999"'}):
        answer = await client.put(PATH, json=receipt, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    assert (await client.put(PATH, json=receipt, headers={"If-Match": '"2"'})).status_code == 200


ONLINE = {"channel": "online", "due_at": None}
REASONS = {"corrected": {"reason": "Ghi nhầm"}, "apology_sent": {"reason": "Chờ phối hợp"}}


def event(kind: str, day: str, **said: object) -> dict[str, object]:
    """An event at nine o'clock of a day of 2026, told as its type requires."""
    return {"type": kind, "at": f"2026-{day}T09:00:00+07:00", **REASONS.get(kind, {}), **said}


ACCEPTED = event("accepted", "06-01", due_at="2026-06-08T17:00:00+07:00")
APOLOGY = event("apology_sent", "06-05", new_due_at="2026-06-20T17:00:00+07:00")
TAKEN = event("accepted", "06-02")
ASKED = event("supplement_requested", "06-02")
COMPLETE = event("supplement_received", "06-10")
FINISHED = event("finished", "06-03")
RETURN = event("result_returned", "06-08")


@pytest.fixture
def tell(client):
    """Posts an event."""

    async def post(said, **given):
        return await given.get("by", client).post(f"{given.get('at', PATH)}/events", json=said)

    return post


async def happened(client, receipt, *events):
    """The dossier of the receipt after these events."""
    answer = await client.put(PATH, json=receipt)
    assert answer.status_code == 201, answer.text
    for said in events:
        answer = await client.post(f"{PATH}/events", json=said)
        assert answer.status_code == 201, answer.text
    return (await client.get(PATH)).json()


def faults(answer):
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (1, []),
        (2, [ACCEPTED]),
        (3, [event("not_accepted", "06-01", reason="Không thuộc thẩm quyền")]),
        (4, [ACCEPTED, TAKEN]),
        (5, [ASKED]),
        (6, [ACCEPTED, event("fee_due", "06-02")]),
        (7, [event("withdrawn", "06-02")]),
        (8, [ACCEPTED, event("paused", "06-02", reason="Chờ bản án")]),
        (9, [ACCEPTED, FINISHED]),
        (10, [ACCEPTED, FINISHED, RETURN]),
    ],
)
async def test_each_national_status_is_reached(client, receipt, status, path):
    dossier = await happened(client, receipt | ONLINE, *path)
    assert dossier["status"] == status
    assert (dossier["ended_at"] is not None) == (status in {3, 7, 10})
    assert [told["type"] for told in dossier["events"]] == [told["type"] for told in path]


async def test_a_paused_dossier_goes_on_and_a_stopped_one_does_not(client, receipt, tell):
    paused = await happened(client, receipt, event("paused", "06-02"))
    assert (paused["status"], paused["ended_at"]) == (8, None)
    assert (await tell(event("resumed", "06-03"))).json()["dossier"]["status"] == 4
    stopped = (await tell(event("stopped", "06-04"))).json()["dossier"]
    assert (stopped["status"], stopped["ended_at"]) == (8, "2026-06-04T09:00:00+07:00")
    assert faults(await tell(event("resumed", "06-05"))) == [("/type", "ended-already")]


async def test_a_fee_is_paid_and_the_work_goes_on(client, receipt):
    fee = [event("fee_due", "06-02"), event("fee_paid", "06-03")]
    assert (await happened(client, receipt, *fee))["status"] == 4


async def test_the_answer_shows_the_event_and_the_dossier_after_it(client, receipt, tell):
    await client.put(PATH, json=receipt)
    answer = await tell(APOLOGY)
    assert answer.status_code == 201
    assert answer.json()["event"] == APOLOGY | {
        "number": 1,
        "recorded_at": "2026-06-15T17:00:00+07:00",
        **dict.fromkeys(("due_at", "event", "cancelled_by")),
    }
    shown = (await client.get(PATH)).json()
    assert shown.pop("events") == [answer.json()["event"]]
    assert answer.json()["dossier"] == shown
    assert (shown["due_at"], shown["new_due_at"]) == (receipt["due_at"], APOLOGY["new_due_at"])


async def test_lateness_is_judged_by_the_first_appointment(client, receipt):
    late = event("result_returned", "06-09")
    dossier = await happened(client, receipt, APOLOGY, late)
    assert (dossier["on_time"], dossier["new_due_at"]) == (False, APOLOGY["new_due_at"])


async def test_a_supplement_restarts_the_time_limit(client, receipt):
    dossier = await happened(client, receipt, ASKED, COMPLETE)
    assert (dossier["status"], dossier["due_at"]) == (4, "2026-06-17T17:55:00+07:00")


async def test_a_dossier_that_is_not_completed_is_closed_after_fifteen_days(
    client, receipt, tell, app
):
    await happened(client, receipt, ASKED)
    app.state.clock = lambda: NOW + timedelta(days=5)
    assert faults(await tell(event("supplement_received", "06-18"))) == [
        ("/at", "supplement-too-late")
    ]
    closed = (await tell(event("closed", "06-17"))).json()["dossier"]
    assert (closed["status"], closed["ended_at"]) == (8, "2026-06-17T09:00:00+07:00")


@pytest.mark.parametrize(
    ("path", "wrong", "named"),
    [
        ([], event("fee_paid", "06-02"), [("/type", "move-not-allowed")]),
        ([], event("accepted", "05-31"), [("/at", "before-reception")]),
        ([], event("accepted", "06-20"), [("/at", "in-the-future")]),
        ([TAKEN], event("fee_due", "06-01"), [("/at", "before-last-event")]),
        ([], ACCEPTED, [("/due_at", "due-set-already")]),
        ([], event("supplement_requested", "06-05"), [("/at", "supplement-asked-too-late")]),
        ([ASKED], event("closed", "06-15"), [("/at", "closed-too-early")]),
        (
            [ASKED],
            COMPLETE | {"due_at": COMPLETE["at"]},
            [("/due_at", "due-not-after-event")],
        ),
        (
            [APOLOGY],
            APOLOGY
            | {"at": "2026-06-08T16:00:00+07:00", "new_due_at": "2026-06-08T17:00:00+07:00"},
            [
                ("/type", "apologised-already"),
                ("/at", "apology-too-late"),
                ("/new_due_at", "new-due-not-later"),
            ],
        ),
        ([RETURN], event("finished", "06-09"), [("/type", "returned-already")]),
        ([event("withdrawn", "06-02")], TAKEN, [("/type", "ended-already")]),
        (
            [APOLOGY],
            APOLOGY | {"reason": "Khác", "new_due_at": "2026-06-21T17:00:00+07:00"},
            [("/new_due_at", "recorded-otherwise"), ("/reason", "recorded-otherwise")],
        ),
        ([TAKEN], event("corrected", "06-15", event=2), [("/event", "event-not-found")]),
        (
            [event("fee_due", "06-02"), event("fee_paid", "06-03")],
            event("corrected", "06-15", event=1),
            [("/event", "later-events-depend")],
        ),
        (
            [TAKEN, event("corrected", "06-15", event=1)],
            event("corrected", "06-15", event=1, reason="Lý do khác"),
            [("/event", "cancelled-already")],
        ),
        (
            [TAKEN, event("corrected", "06-15", event=1)],
            event("corrected", "06-15", event=2),
            [("/event", "correction-stays")],
        ),
    ],
)
async def test_what_the_rules_forbid_is_refused_and_changes_nothing(
    client, receipt, tell, path, wrong, named
):
    before = await happened(client, receipt, *path)
    refused = await tell(wrong)
    assert (refused.status_code, refused.json()["code"]) == (409, "dossier-move-refused")
    assert faults(refused) == named
    assert (await client.get(PATH)).json() == before


@pytest.mark.parametrize(
    ("path", "wrong"), [([], TAKEN), ([ASKED], event("supplement_received", "06-03"))]
)
async def test_who_has_no_appointment_yet_needs_one(client, receipt, tell, path, wrong):
    await happened(client, receipt | ONLINE, *path)
    assert faults(await tell(wrong)) == [("/due_at", "missing")]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            {"type": "apology_sent", "at": APOLOGY["at"], "due_at": APOLOGY["at"]},
            [("/new_due_at", "missing"), ("/reason", "missing"), ("/due_at", "field-not-wanted")],
        ),
        (RETURN | {"reason": "Xong"}, [("/reason", "field-not-wanted")]),
        (event("corrected", "06-15"), [("/event", "missing")]),
        (event("corrected", "06-15", event=0), [("/event", "too-small")]),
        (event("corrected", "06-15", event=1, reason=" "), [("/reason", "blank")]),
        (event("rated", "06-15"), [("/type", "not-allowed")]),
    ],
)
async def test_what_does_not_belong_to_a_type_is_named(client, receipt, tell, wrong, named):
    await client.put(PATH, json=receipt)
    refused = await tell(wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
    assert faults(refused) == named


@pytest.mark.parametrize(("day", "status"), [("05-05", 201), ("05-06", 409)])
async def test_public_holidays_are_no_working_days(client, receipt, tell, day, status):
    before_holidays = {
        "received_at": "2026-04-28T08:00:00+07:00",
        "due_at": "2026-06-28T17:00:00+07:00",
    }
    await client.put(PATH, json=receipt | before_holidays)
    assert (await tell(event("supplement_requested", day))).status_code == status


async def test_an_amended_calendar_refuses_no_receipt_in_the_same_words(
    client, receipt, tell, monkeypatch
):
    body = receipt | {"received_at": "2026-04-28T08:00:00+07:00"}
    await happened(client, body, event("supplement_requested", "05-05"))
    monkeypatch.setattr(dossiers, "HOLIDAYS", frozenset())
    assert (await client.put(PATH, json=body)).status_code == 200
    assert (await tell(event("supplement_received", "05-06"))).status_code == 201


async def test_an_event_said_again_changes_nothing(client, receipt, tell):
    await happened(client, receipt, APOLOGY, TAKEN | {"at": APOLOGY["at"]})
    before = await client.get(PATH)
    again = await tell(APOLOGY)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["event"]["number"] == 1
    assert again.json()["dossier"]["status"] == 4
    after = await client.get(PATH)
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])


async def test_a_correction_cancels_the_wrong_event_and_leaves_a_trace(client, receipt, tell):
    await happened(client, receipt, TAKEN, RETURN)
    corrected = event("corrected", "06-15", event=2)
    answer = await tell(corrected)
    dossier = answer.json()["dossier"]
    assert (dossier["status"], dossier["returned_at"], dossier["ended_at"]) == (4, None, None)
    assert (answer.json()["event"]["number"], answer.json()["event"]["event"]) == (3, 2)
    trace = (await client.get(PATH)).json()["events"]
    assert [(told["type"], told["cancelled_by"]) for told in trace] == [
        ("accepted", None),
        ("result_returned", 3),
        ("corrected", None),
    ]
    again = await tell(corrected | {"at": "2026-06-14T09:00:00+07:00"})
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", answer.json())
    assert (await tell(RETURN)).json()["dossier"]["status"] == 10


async def test_a_correction_gives_back_the_one_apology(client, receipt, tell):
    await happened(client, receipt, APOLOGY, event("corrected", "06-15", event=1))
    other = APOLOGY | {"new_due_at": "2026-06-25T17:00:00+07:00"}
    assert (await tell(other)).json()["dossier"]["new_due_at"] == other["new_due_at"]


async def test_a_returned_result_invites_to_rate_once(client, make, receipt, tell):
    await make.survey()
    await client.put(PATH, json=receipt)
    first, again = await tell(RETURN), await tell(RETURN)
    invited = first.json()["invitation"]
    assert set(invited) == {"token", "url", "qr", "expires_at"}
    assert again.json()["invitation"] == invited
    assert (await tell(event("corrected", "06-15", event=1))).json()["invitation"] is None
    assert (await tell(RETURN)).json()["invitation"]["token"] != invited["token"]


async def test_a_correction_before_the_return_leaves_the_invitation(client, make, receipt, tell):
    await make.survey()
    await happened(client, receipt, TAKEN)
    invited = (await tell(RETURN)).json()["invitation"]
    corrected = (await tell(event("corrected", "06-15", event=1))).json()
    assert (corrected["dossier"]["status"], corrected["invitation"]) == (10, None)
    assert (await tell(RETURN)).json()["invitation"] == invited


async def test_without_a_survey_nobody_is_invited(client, receipt, tell):
    await client.put(PATH, json=receipt)
    assert (await tell(RETURN)).json()["invitation"] is None


async def test_a_return_that_was_rated_cannot_be_cancelled(client, make, receipt, tell):
    await make.survey()
    await happened(client, receipt, RETURN)
    rated = await make.rate({"q1": "5"}, dossier=PATH.rpartition("/")[2])
    assert rated.status_code == 201, rated.text
    refused = await tell(event("corrected", "06-15", event=1))
    assert (refused.status_code, refused.json()["code"]) == (409, "already-rated")
    assert faults(refused) == [("/event", "return-was-rated")]
    assert (await client.get(PATH)).json()["status"] == 10
    void = f"/v1/agencies/A1/ratings/{rated.json()['id']}/void"
    assert (await client.post(void, json={"reason": "Trả nhầm hồ sơ"})).status_code == 200
    assert (await tell(event("corrected", "06-15", event=1))).status_code == 201


async def test_a_cancelled_return_revokes_the_invitation(client, make, receipt, tell, session):
    await make.survey()
    await happened(client, receipt, RETURN)
    await tell(event("corrected", "06-15", event=1))
    rows = await session.execute(text("SELECT revoked_at IS NOT NULL FROM invitation"))
    assert rows.scalars().all() == [True]


async def test_an_online_dossier_is_registered_without_an_appointment(client, receipt):
    answer = await client.put(PATH, json=receipt | ONLINE)
    dossier = answer.json()
    assert (answer.status_code, dossier["status"], dossier["due_at"]) == (201, 1, None)
    received = (await client.put(PATH, json=receipt)).json()
    assert (received["status"], received["due_at"]) == (2, receipt["due_at"])


async def test_a_corrected_receipt_moves_what_follows_from_it(client, receipt):
    await happened(client, receipt, ASKED, COMPLETE)
    earlier = receipt | {"due_at": "2026-06-07T17:00:00+07:00"}
    answer = await client.put(PATH, json=earlier)
    assert (answer.status_code, answer.json()["due_at"]) == (200, "2026-06-16T17:55:00+07:00")
    assert answer.json() == (await client.get(PATH)).json()


@pytest.mark.parametrize(
    "changed",
    [{"due_at": "2026-06-05T17:00:00+07:00"}, {"received_at": "2026-06-05T10:00:00+07:00"}],
)
async def test_a_receipt_that_the_events_do_not_fit_is_refused(client, receipt, changed):
    before = await happened(client, receipt, APOLOGY)
    refused = await client.put(PATH, json=receipt | changed)
    assert (refused.status_code, faults(refused)) == (409, [("", "later-events-depend")])
    assert (await client.get(PATH)).json() == before


async def test_a_receipt_of_long_ago_makes_an_asked_supplement_late(client, receipt):
    await happened(client, receipt, ASKED)
    refused = await client.put(PATH, json=receipt | {"received_at": "2026-05-20T08:00:00+07:00"})
    assert faults(refused) == [("", "later-events-depend")]


async def test_a_stale_correction_is_told_so_first(client, receipt):
    await happened(client, receipt, APOLOGY)
    wrong = receipt | {"due_at": "2026-06-05T17:00:00+07:00"}
    answer = await client.put(PATH, json=wrong, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")


@pytest.mark.parametrize(
    ("end", "code"),
    [(RETURN, "returned-already"), (event("withdrawn", "06-08"), "ended-already")],
)
async def test_after_the_end_a_receipt_is_accepted_only_in_the_same_words(
    client, receipt, end, code
):
    ended = await happened(client, receipt, ASKED, event("supplement_received", "06-03"), end)
    same = await client.put(PATH, json=receipt)
    assert (same.status_code, same.json()) == (200, ended)
    refused = await client.put(PATH, json=receipt | {"officer": "cb-02"})
    assert (refused.status_code, faults(refused)) == (409, [("", code)])


def coded(number: int) -> str:
    return f"000.17.22.H56-210531-{number:04}"


@pytest.fixture
async def shelf(client, receipt):
    """Six dossiers of A1: due on six days, the later codes the earlier."""
    for number in range(1, 7):
        body = receipt | {"due_at": f"2026-06-{20 - 2 * number:02}T17:00:00+07:00"}
        body["counter"] = "Q01" if number % 2 else None
        path = f"/v1/agencies/A1/dossiers/{coded(number)}"
        assert (await client.put(path, json=body)).status_code == 201
    return "/v1/agencies/A1/dossiers"


async def codes(client, path, **params):
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [int(item["code"][-4:]) for item in answer.json()["items"]]


async def test_dossiers_are_listed_by_status_counter_and_procedure(client, shelf, tell, make):
    await tell(TAKEN, at=f"{shelf}/{coded(3)}")
    assert await codes(client, shelf) == [1, 2, 3, 4, 5, 6]
    assert await codes(client, shelf, status=4) == [3]
    assert await codes(client, shelf, counter="Q01") == [1, 3, 5]
    assert await codes(client, shelf, counter="Q01", status=2) == [1, 5]
    assert await codes(client, shelf, procedure="1.000001") == [1, 2, 3, 4, 5, 6]
    assert await codes(client, shelf, procedure="9.9") == []
    await make.agency("A2")
    assert await codes(client, shelf.replace("A1", "A2")) == []


async def test_what_is_due_now_or_has_no_appointment_is_not_overdue(client, receipt):
    path = "/v1/agencies/A1/dossiers"
    await client.put(f"{path}/{coded(1)}", json=receipt | {"due_at": NOW.isoformat()})
    await client.put(f"{path}/{coded(2)}", json=receipt | ONLINE)
    assert await codes(client, path, overdue=True) == []
    assert await codes(client, path, overdue=False) == [1, 2]
    items = (await client.get(path)).json()["items"]
    assert [item["overdue"] for item in items] == [False, False]


async def test_who_holds_a_dossier_is_told_when_it_becomes_overdue(app, client, receipt):
    receipt |= {"due_at": "2026-06-20T17:00:00+07:00"}
    await client.put(PATH, json=receipt)
    held = (await client.get(PATH)).headers["ETag"]
    assert (await client.get(PATH, headers={"If-None-Match": held})).status_code == 304
    app.state.clock = lambda: NOW + timedelta(days=400)
    again = await client.get(PATH, headers={"If-None-Match": held})
    assert (again.status_code, again.json()["overdue"]) == (200, True)
    later = {"If-Match": again.headers["ETag"]}
    assert (await client.put(PATH, json=receipt, headers=later)).status_code == 200


async def test_overdue_dossiers_are_listed_longest_overdue_first(client, shelf, tell):
    await tell(event("supplement_requested", "06-02"), at=f"{shelf}/{coded(4)}")
    await tell(event("result_returned", "06-15"), at=f"{shelf}/{coded(6)}")
    assert await codes(client, shelf, overdue=True) == [5, 3]
    assert await codes(client, shelf, overdue=False) == [1, 2, 4, 6]
    shown = (await client.get(shelf)).json()["items"]
    assert [item["overdue"] for item in shown] == [False, False, True, False, True, False]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"status": 2}, [1, 2, 3, 4, 5, 6]),
        ({"overdue": True}, [6, 5, 4, 3]),
        ({"overdue": True, "counter": "Q01"}, [5, 3]),
    ],
)
async def test_pages_follow_one_another_and_keep_their_filters(client, shelf, filters, found):
    seen, following = [], f"{shelf}?{urlencode(filters | {'limit': 1})}"
    while following:
        answer = await client.get(following)
        seen += [int(item["code"][-4:]) for item in answer.json()["items"]]
        link = answer.headers.get("Link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        following = link and link.removeprefix("<").removesuffix('>; rel="next"')
    assert seen == found


async def test_dossiers_due_at_the_same_time_are_none_skipped(client, receipt):
    for number in range(1, 6):
        await client.put(f"/v1/agencies/A1/dossiers/{coded(number)}", json=receipt)
    path, seen, cursor = "/v1/agencies/A1/dossiers", [], {}
    while cursor is not None:
        answer = await client.get(path, params={"overdue": True, "limit": 2} | cursor)
        seen += [int(item["code"][-4:]) for item in answer.json()["items"]]
        following = answer.json()["next_cursor"]
        cursor = following and {"cursor": following}
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("overdue", "cursor"),
    [
        (False, "63900000000000000_000.17.22.H56-210531-0001"),
        (False, "nonsense"),
        (True, "000.17.22.H56-210531-0001"),
        (True, "x_000.17.22.H56-210531-0001"),
        (True, "999999999999999999999_000.17.22.H56-210531-0001"),
        (True, "63900000000000000_"),
    ],
)
async def test_a_cursor_of_another_list_is_refused(client, shelf, overdue, cursor):
    refused = await client.get(shelf, params={"overdue": overdue, "cursor": cursor})
    assert (refused.status_code, faults(refused)) == (422, [("/query/cursor", "bad-cursor")])


async def test_a_limited_key_sees_and_moves_no_other_agencys_dossiers(make, receipt, shelf, tell):
    await make.agency("A2")
    stranger = await make.caller(agencies={"A2"})
    listed = await stranger.get(shelf)
    told = await tell(TAKEN, by=stranger, at=f"{shelf}/{coded(1)}")
    for refused in (listed, told):
        assert (refused.status_code, refused.json()["code"]) == (403, "agency-not-allowed")


async def test_nothing_happens_to_a_dossier_that_is_not_there(client, receipt, tell):
    missing = await tell(TAKEN)
    assert (missing.status_code, missing.json()["code"]) == (404, "dossier-not-found")
    unknown = await client.get("/v1/agencies/A9/dossiers")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "agency-not-found")


async def test_a_late_repeat_under_its_key_does_not_undo_a_correction(client, receipt):
    await client.put(PATH, json=receipt)
    keyed = {"Idempotency-Key": "portal-77"}
    first = await client.post(f"{PATH}/events", json=RETURN, headers=keyed)
    wrong = event("corrected", "06-15", event=1)
    assert (await client.post(f"{PATH}/events", json=wrong)).status_code == 201
    again = await client.post(f"{PATH}/events", json=RETURN, headers=keyed)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["event"]["number"] == first.json()["event"]["number"]
    assert again.json()["dossier"]["status"] == 2
    other = await client.post(f"{PATH}/events", json=event("paused", "06-12"), headers=keyed)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (await client.post(f"{PATH}/events", json=RETURN)).status_code == 201
