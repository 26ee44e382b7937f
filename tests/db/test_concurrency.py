"""Many at once, on rows that are really committed: the database's constraints decide."""

import asyncio

from factories import PLAIN
from sqlalchemy import text

from app.db import recount


async def drift(make) -> int:
    await make.session.rollback()
    return await recount.drift(make.session)


async def test_of_eight_ratings_of_one_dossier_at_once_one_is_counted(committed):
    await committed.agency()
    await committed.survey()
    dossier = await committed.dossier()
    answers = await asyncio.gather(
        *(committed.rate({"q1": str(1 + n % 5)}, dossier=dossier) for n in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await drift(committed) == 0


async def test_ratings_of_many_dossiers_at_once_are_all_counted(committed):
    await committed.agency()
    await committed.survey()
    dossiers = [await committed.dossier() for _ in range(24)]
    answers = await asyncio.gather(
        *(committed.rate({"q1": "5", "q2": "na"}, dossier=code) for code in dossiers)
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await drift(committed) == 0
    counted = await committed.session.scalar(
        text("SELECT n FROM tally_cell WHERE facet = 'all' AND question = 0")
    )
    assert counted == 24


async def test_of_eight_equal_sheets_at_once_one_is_counted(committed):
    await committed.agency()
    await committed.survey()
    await committed.caller()
    answers = await asyncio.gather(*(committed.sheet({"q1": {"5": 3}}, 3) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert await drift(committed) == 0


async def test_of_eight_first_entries_at_once_one_is_the_first(committed):
    admin = await committed.caller()
    body = {"name": {"vi": "Sở Mẫu"}, "kind": "department", "valid_from": "2010-01-01"}
    answers = await asyncio.gather(
        *(admin.put("/v1/agencies/A1", json=body, headers={"If-None-Match": "*"}) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 7


async def test_what_is_acknowledged_is_committed(committed):
    """FastAPI would by default send the 201 before the transaction's commit can fail."""
    await committed.agency()
    admin = await committed.caller()
    await committed.session.execute(
        text("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no'; END $$
        """)
    )
    await committed.session.execute(
        text("""
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON counter
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
        """)
    )
    await committed.session.commit()
    answer = await admin.put("/v1/agencies/A1/counters/Q1", json={"name": {"vi": "Quầy 1"}})
    await committed.session.execute(text("DROP FUNCTION refuse CASCADE"))
    await committed.session.commit()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert (await admin.get("/v1/agencies/A1/counters/Q1")).status_code == 404


async def test_two_who_create_a_survey_at_once_do_not_change_each_others_questionnaire(committed):
    await committed.agency()
    admin = await committed.caller()
    for code in ("f", "g"):
        await committed.put(f"/v1/questionnaires/{code}/versions/1", PLAIN)
    body = {"title": {"vi": "Đợt"}, "version": 1, "opens_on": "2026-01-01", "agencies": ["A1"]}
    for number in range(6):
        answers = await asyncio.gather(
            *(
                admin.put(f"/v1/surveys/s{number}", json=body | {"questionnaire": code})
                for code in ("f", "g")
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_receipt_corrected_while_the_result_is_returned_is_no_fault(committed):
    await committed.agency()
    admin = await committed.caller()
    receipt = {
        "procedure": await committed.procedure(),
        "channel": "desk",
        "received_at": "2026-06-01T08:00:00+07:00",
        "due_at": "2026-06-20T17:00:00+07:00",
    }
    event = {"type": "result_returned", "at": "2026-06-02T08:00:00+07:00"}
    for number in range(6):
        path = f"/v1/agencies/A1/dossiers/000.00.01.H00-260601-{number:05}"
        sent = [admin.put(path, json=receipt) for _ in range(4)]
        sent += [admin.post(f"{path}/events", json=event) for _ in range(3)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} <= {200, 201, 404, 409}


async def test_an_agency_changed_while_it_is_succeeded_keeps_its_end(committed):
    admin = await committed.caller()
    await committed.agency("B")
    body = {"name": {"vi": "Sở Mẫu"}, "kind": "department", "valid_from": "2010-01-01"}
    succession = {"successors": [{"agency": "B", "share": 1}], "on": "2025-03-01"}
    for number in range(6):
        await committed.agency(f"A{number}")
        path = f"/v1/agencies/A{number}"
        sent = [admin.put(path, json=body) for _ in range(3)]
        sent += [admin.post(f"{path}/succession", json=succession) for _ in range(2)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} <= {200, 201, 409}
        assert (await admin.get(path)).json()["valid_to"] == "2025-02-28"


async def test_receipts_corrected_crosswise_do_not_wait_for_each_other(committed):
    await committed.agency()
    for counter in ("QA", "QB"):
        await committed.put(f"/v1/agencies/A1/counters/{counter}", {"name": {"vi": counter}})
    receipt = {
        "procedure": await committed.procedure(),
        "channel": "desk",
        "received_at": "2026-06-01T08:00:00+07:00",
        "due_at": "2026-06-20T17:00:00+07:00",
    }
    paths = [f"/v1/agencies/A1/dossiers/000.00.01.H00-260601-{n:05}" for n in range(6)]

    async def correct(place):
        for turn in range(8):
            counter = ("QA", "QB")[(place + turn) % 2]
            answer = await committed.admin.put(paths[place], json=receipt | {"counter": counter})
            assert answer.status_code in {200, 201}, answer.text

    await asyncio.gather(*(correct(place) for place in range(6)))
    assert await drift(committed) == 0
