"""Which numbers of a counter's tablet have not arrived."""

import pytest
from conftest import NOW
from sqlalchemy import text

from app.db import devices
from app.db.tables import DeviceRefusal


@pytest.fixture
async def device(make, session):
    """A tablet at a counter of A1, beside another agency."""
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    await devices.create(session, "hld_1", "K1", ("A1", "Q1"), NOW)
    await session.commit()
    return "K1"


async def refuse(session, *numbers) -> None:
    """Let the numbers arrive with ratings that were refused."""
    agency_id = await session.scalar(text("SELECT id FROM agency WHERE code = 'A1'"))
    await devices.record_refusals(
        session,
        [
            DeviceRefusal(
                agency_id=agency_id,
                device="K1",
                device_seq=number,
                code="dossier-not-found",
                received_at=NOW,
            )
            for number in numbers
        ],
    )
    await session.commit()


async def test_the_numbers_that_have_not_arrived_are_named(client, make, session, device):
    await make.survey()
    rating = {"agency": "A1", "survey": "s1", "channel": "tablet", "answers": {"q1": "5"}}
    tablet, dossier = make.with_key("hld_1"), await make.dossier()
    for number, status in ((4, 201), (9, 409)):
        sent = {"dossier": dossier, "device_seq": number}
        assert (await tablet.post("/v1/ratings", json=rating | sent)).status_code == status
    await refuse(session, 2, 4)
    answer = await client.get("/v1/devices/K1/gaps")
    assert answer.status_code == 200
    assert answer.json() == {
        "device": "K1",
        "agency": "A1",
        "counter": "Q1",
        "last_seq": 9,
        "received": 3,
        "refused": 2,
        "missing": 6,
        "gaps": [{"first": 1, "last": 1}, {"first": 3, "last": 3}, {"first": 5, "last": 8}],
        "truncated": False,
    }


async def test_a_device_that_has_sent_nothing_has_no_gaps(client, device):
    answer = (await client.get("/v1/devices/K1/gaps")).json()
    assert (answer["last_seq"], answer["received"], answer["missing"]) == (0, 0, 0)
    assert (answer["gaps"], answer["truncated"]) == ([], False)


async def test_who_sees_only_the_first_gaps_is_told(client, session, device):
    await refuse(session, *range(2, 2003, 2))
    answer = (await client.get("/v1/devices/K1/gaps")).json()
    assert (len(answer["gaps"]), answer["missing"], answer["truncated"]) == (1000, 1001, True)


async def test_a_revoked_devices_gaps_are_still_named(client, session, device):
    await refuse(session, 3)
    await devices.revoke(session, "K1", NOW)
    await session.commit()
    answer = (await client.get("/v1/devices/K1/gaps")).json()
    assert answer["gaps"] == [{"first": 1, "last": 2}]


async def test_an_unknown_device_is_said_to_be_so(make, device):
    answer = await (await make.caller()).get("/v1/devices/K9/gaps")
    assert (answer.status_code, answer.json()["code"]) == (404, "device-not-found")
    assert answer.json()["errors"] == [
        {
            "pointer": "/path/device",
            "code": "device-not-found",
            "detail": "There is no device K9.",
        }
    ]


async def test_what_is_no_code_is_refused(client, device):
    answer = await client.get("/v1/devices/K%001/gaps")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad-code")


async def test_a_key_of_one_agency_sees_only_its_devices(make, device):
    own = await make.caller("ratings:read", agencies={"A1"})
    assert (await own.get("/v1/devices/K1/gaps")).status_code == 200
    other = await make.caller("ratings:read", agencies={"A2"})
    answer = await other.get("/v1/devices/K1/gaps")
    assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")


@pytest.mark.parametrize("scope", ["ratings:write", "catalogue:read"])
async def test_gaps_are_for_those_who_read_ratings(make, device, scope):
    answer = await (await make.caller(scope)).get("/v1/devices/K1/gaps")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


async def test_a_device_submits_and_reads_nothing(make, device):
    answer = await make.with_key("hld_1").get("/v1/devices/K1/gaps")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


async def test_a_device_is_a_tablet_whatever_it_says(make, session, device):
    await make.survey()
    body = {"agency": "A1", "survey": "s1", "dossier": await make.dossier(), "channel": "portal"}
    tablet = make.with_key("hld_1")
    answer = await tablet.post("/v1/ratings", json=body | {"answers": {"q1": "5"}})
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("/channel", "not-allowed"),
        ("/device_seq", "missing"),
    ]
    assert await session.scalar(text("SELECT count(*) FROM rating")) == 0
