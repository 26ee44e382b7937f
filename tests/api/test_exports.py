import csv
import io
import json
from collections import Counter

import pytest
from factories import five_levels, questionnaire
from sqlalchemy import text

from app.bulk.reading import Form, read
from app.bulk.rows import Line
from app.db import exports

CSV = {"Accept": "text/csv"}
ASKED = {"s1": ("q1", "q2"), "s2": ("q2", "q3")}
OPTIONS = ("5", "4", "3", "2", "1", "na")
SOME_ID = "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11"
RECEIPT = ("procedure", "counter", "channel", "received_at", "officer", "applicant_kind")


@pytest.fixture
async def rated(make):
    """Two agencies, two surveys with different questions, and ratings of both."""
    await make.agency("A1")
    await make.agency("A2")
    await make.survey("s1", "A1", "A2")
    other = questionnaire(("access", [five_levels("q2"), five_levels("q3")]))
    await make.survey("s2", "A1", form=other)
    for agency, survey, answers in (
        ("A1", "s1", {"q1": "5", "q2": "na"}),
        ("A1", "s1", {"q1": "4"}),
        ("A1", "s2", {"q2": "1", "q3": "2"}),
        ("A2", "s1", {"q1": "5", "q2": "3"}),
    ):
        answer = await make.rate(answers, agency=agency, survey=survey, comment="=1+1")
        assert answer.status_code == 201, answer.text
    return make


def lines(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def table(answer):
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_an_export_holds_every_rating_as_the_agencys_list_shows_it(rated, client):
    answer = await client.get("/v1/exports/ratings")
    listed = []
    for agency in ("A1", "A2"):
        items = (await client.get(f"/v1/agencies/{agency}/ratings")).json()["items"]
        listed += [{**item, "agency": agency} for item in items]
    found = lines(answer)
    assert [{k: v for k, v in row.items() if k != "updated_on"} for row in found] == listed
    assert len(found) == 4
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content.endswith(b"}\n")


async def test_an_export_tells_no_more_of_a_rating_than_the_list_does(rated, client):
    (row, *_) = lines(await client.get("/v1/exports/ratings"))
    (listed, *_) = (await client.get("/v1/agencies/A1/ratings")).json()["items"]
    assert set(row) - set(listed) == {"agency", "updated_on"}
    assert len(row["updated_on"]) == len("2026-06-15")


async def test_the_tallies_are_those_of_the_exported_ratings(rated, client, session):
    counted = Counter(
        (row["agency"], row["survey"], question, option)
        for row in lines(await client.get("/v1/exports/ratings"))
        for question, option in row["answers"].items()
    )
    cells = await session.execute(
        text("""
        SELECT agency.code, survey.code, question, option, sum(n)
          FROM tally_cell
          JOIN agency ON agency.id = agency_id
          JOIN survey ON survey.id = survey_id
         WHERE facet = 'all' AND question > 0
         GROUP BY 1, 2, 3, 4
        """)
    )
    held = {
        (agency, survey, ASKED[survey][question - 1], OPTIONS[option - 1]): n
        for agency, survey, question, option, n in cells
    }
    assert counted == held


async def test_ratings_as_csv_have_a_column_for_each_question(rated, client):
    rows = table(await client.get("/v1/exports/ratings", headers=CSV))
    assert [name for name in rows[0] if name.startswith("answers")] == [
        "answers.q1",
        "answers.q2",
        "answers.q3",
    ]
    assert {row["comment"] for row in rows} == {"'=1+1"}
    told = Counter((r["survey"], r["answers.q1"], r["answers.q2"], r["answers.q3"]) for r in rows)
    assert told == Counter(
        [("s1", "5", "na", ""), ("s1", "4", "", ""), ("s2", "", "1", "2"), ("s1", "5", "3", "")]
    )
    one = table(await client.get("/v1/exports/ratings?survey=s2", headers=CSV))
    assert [name for name in one[0] if name.startswith("answers")] == ["answers.q2", "answers.q3"]
    assert [row["survey"] for row in one] == ["s2"]


async def test_a_voided_rating_is_exported_with_the_reason(rated, client):
    (row, *_) = lines(await client.get("/v1/exports/ratings"))
    body = {"reason": "Nhầm hồ sơ", "rate_again": True}
    await client.post(f"/v1/agencies/A1/ratings/{row['id']}/void", json=body)
    (again, *_) = lines(await client.get("/v1/exports/ratings"))
    assert (again["void_reason"], again["rate_again"]) == ("Nhầm hồ sơ", True)
    assert again["voided_at"] == "2026-06-15T17:00:00+07:00"


async def test_dossiers_are_exported_as_they_are_shown_with_their_events(make, client):
    await make.agency("A1")
    await make.agency("A2")
    codes = [
        ("A1", await make.dossier("A1", officer="cb-01")),
        ("A1", await make.dossier("A1", returned=False)),
        ("A2", await make.dossier("A2", returned=False, due_at=None)),
    ]
    answer = await client.get("/v1/exports/dossiers")
    found = lines(answer)
    shown = [(await client.get(f"/v1/agencies/{a}/dossiers/{code}")).json() for a, code in codes]
    own = ("receipt_due_at", "updated_at")
    assert [{k: v for k, v in row.items() if k not in own} for row in found] == shown
    assert [len(row["events"]) for row in found] == [1, 0, 0]
    rows = table(await client.get("/v1/exports/dossiers", headers=CSV))
    assert [json.loads(row["events"]) for row in rows] == [row["events"] for row in found]
    assert [row["on_time"] for row in rows] == ["true", "", ""]


async def test_dossiers_go_into_an_empty_service_and_come_out_the_same(make, client, session):
    await make.agency("A1")
    returned = await make.dossier("A1")
    await make.dossier("A1", returned=False)
    before = lines(await client.get("/v1/exports/dossiers"))
    funnel = (await session.execute(text("SELECT * FROM funnel ORDER BY 2, 3, 4, 5"))).all()
    for table_name in ("invitation", "dossier_event", "dossier", "funnel"):
        await session.execute(text(f"DELETE FROM {table_name}"))  # noqa: S608 -- a name of the test's
    await session.commit()
    for row in before:
        path = f"/v1/agencies/{row['agency']}/dossiers/{row['code']}"
        receipt = {name: row[name] for name in RECEIPT} | {"due_at": row["receipt_due_at"]}
        assert (await client.put(path, json=receipt)).status_code == 201
        for event in row["events"]:
            said = {"type": event["type"], "at": event["at"]}
            assert (await client.post(f"{path}/events", json=said)).status_code == 201
    after = lines(await client.get("/v1/exports/dossiers"))
    assert next(row["code"] for row in before) == returned
    assert [{**row, "updated_at": ""} for row in after] == [{**r, "updated_at": ""} for r in before]
    assert (await session.execute(text("SELECT * FROM funnel ORDER BY 2, 3, 4, 5"))).all() == funnel


async def test_an_exported_comment_is_read_back_as_it_was(rated, client):
    answer = await client.get("/v1/exports/ratings?survey=s2", headers=CSV)
    wanted = ("survey", "channel", "answers.q2", "answers.q3", "comment")
    cut = io.StringIO()
    writer = csv.DictWriter(cut, wanted, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(table(answer))
    (row,) = read([cut.getvalue().encode()], "ratings", Form.CSV)
    assert isinstance(row, Line)
    assert row.fields == {
        "survey": "s2",
        "channel": "tablet",
        "answers": {"q2": "1", "q3": "2"},
        "comment": "=1+1",
    }


@pytest.mark.parametrize("kind", ["ratings", "dossiers"])
async def test_a_broken_download_goes_on_after_the_last_row_that_arrived(rated, client, kind):
    whole = lines(await client.get(f"/v1/exports/{kind}"))
    key = "id" if kind == "ratings" else "code"
    assert len(whole) == 4
    for place, row in enumerate(whole, 1):
        cursor = f"{row['agency']}:{row[key]}"
        answer = await client.get(f"/v1/exports/{kind}", params={"cursor": cursor})
        assert lines(answer) == whole[place:]


@pytest.mark.parametrize(
    "cursor", ["", "A1", "A9:x", "A1:x", ":", "A1:\x00", "\x00:x", "A\x00:" + SOME_ID]
)
@pytest.mark.parametrize("kind", ["ratings", "dossiers"])
async def test_a_cursor_of_nothing_is_refused(rated, client, kind, cursor):
    answer = await client.get(f"/v1/exports/{kind}", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "bad-cursor"
    assert "joined by a colon" in answer.json()["detail"]


async def test_a_limited_key_exports_its_own_agencies_only(rated):
    caller = await rated.caller("ratings:read", "dossiers:read", agencies={"A2"})
    for kind in ("ratings", "dossiers"):
        assert {row["agency"] for row in lines(await caller.get(f"/v1/exports/{kind}"))} == {"A2"}
        refused = await caller.get(f"/v1/exports/{kind}?agency=A1")
        assert (refused.status_code, refused.json()["code"]) == (403, "agency-not-allowed")
    for scope, kind in (("ratings:read", "dossiers"), ("dossiers:read", "ratings")):
        other = await rated.caller(scope)
        assert (await other.get(f"/v1/exports/{kind}")).status_code == 403


async def test_one_agency_can_be_asked_for(rated, client):
    assert {r["agency"] for r in lines(await client.get("/v1/exports/ratings?agency=A1"))} == {"A1"}
    for query, code in (("agency=A9", "agency-not-found"), ("survey=s9", "survey-not-found")):
        answer = await client.get(f"/v1/exports/ratings?{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_head_of_an_export_reads_no_row(client, app):
    del app.state.snapshots
    for kind in ("ratings", "dossiers"):
        assert (await client.head(f"/v1/exports/{kind}")).status_code == 200
        assert (await client.get(f"/v1/exports/{kind}")).status_code == 500


async def test_an_export_of_nothing_is_empty(client):
    for kind in ("ratings", "dossiers"):
        assert lines(await client.get(f"/v1/exports/{kind}")) == []
        assert table(await client.get(f"/v1/exports/{kind}", headers=CSV)) == []


async def test_what_was_changed_since_the_last_export_is_exported_again(rated, client, connection):
    long_ago = "2020-01-01T00:00:00Z"
    await connection.execute(text("ALTER TABLE rating DISABLE TRIGGER rating_updated"))
    await connection.execute(text("ALTER TABLE dossier DISABLE TRIGGER dossier_updated"))
    await connection.execute(text("UPDATE rating SET updated_at = '2020-01-01'"))
    await connection.execute(text("UPDATE dossier SET updated_at = '2020-01-01'"))
    await connection.execute(text("ALTER TABLE rating ENABLE TRIGGER rating_updated"))
    await connection.execute(text("ALTER TABLE dossier ENABLE TRIGGER dossier_updated"))
    first = await client.get("/v1/exports/ratings", params={"updated_after": long_ago})
    since = {"updated_after": first.headers["X-Next-Updated-After"]}
    for kind in ("ratings", "dossiers"):
        assert len(lines(await client.get(f"/v1/exports/{kind}?updated_after={long_ago}"))) == 4
        assert lines(await client.get(f"/v1/exports/{kind}", params=since)) == []
    row = lines(first)[2]
    path = f"/v1/agencies/{row['agency']}/ratings/{row['id']}/void"
    assert (await client.post(path, json={"reason": "x"})).status_code == 200
    code = await rated.dossier("A2", returned=False)
    ratings = lines(await client.get("/v1/exports/ratings", params=since))
    assert [one["id"] for one in ratings] == [row["id"]]
    dossiers = lines(await client.get("/v1/exports/dossiers", params=since))
    assert [one["code"] for one in dossiers] == [code]


async def test_by_changes_nobody_learns_at_what_time_of_day_somebody_rated(rated, client):
    (row, *_) = lines(await client.get("/v1/exports/ratings"))
    day = row["updated_on"]
    for moment in ("00:00:00", "12:00:00", "23:59:59"):
        query = {"updated_after": f"{day}T{moment}+07:00"}
        assert len(lines(await client.get("/v1/exports/ratings", params=query))) == 4


async def test_instants_that_are_none_are_refused(client):
    answer = await client.get("/v1/exports/ratings?updated_after=yesterday")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad-instant")


async def test_who_writes_a_plus_sign_into_an_address_is_told_how(client):
    path = "/v1/exports/ratings?updated_after=2026-06-15T09:00:00"
    answer = await client.get(f"{path}+07:00")
    assert answer.status_code == 422
    assert "%2B07:00" in answer.json()["detail"]
    assert (await client.get(f"{path}%2B07:00")).status_code == 200


async def test_large_exports_come_in_pages(rated, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 1)
    whole = lines(await client.get("/v1/exports/dossiers"))
    assert len(whole) == len({row["code"] for row in whole}) == 4
    assert all(len(row["events"]) == 1 for row in whole)
    assert len(lines(await client.get("/v1/exports/ratings"))) == 4
