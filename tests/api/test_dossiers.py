"""Dossiers as the portal registers them."""

import pytest

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
