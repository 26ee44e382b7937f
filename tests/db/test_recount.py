"""The recount: as the definition counts, it finds what differs and puts it right."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from factories import five_levels, option, questionnaire
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import recount
from app.db.recount import BY_DEFINITION
from app.db.session import sessions

NEW_YEAR = datetime(2025, 12, 31, 17, tzinfo=UTC)  # in Vietnam

TWO_SIZES = questionnaire(
    ("access", [five_levels("q1", na=True)]),
    ("visits", [{"code": "q2", "text": {"vi": "?"}, "options": [option("1"), option("2")]}]),
    ("attitude", [five_levels("q3")]),
)
SIZES = {"s1": (5, 6), "s2": (6, 2, 5)}  # options of each question

moments = st.integers(-90, 90).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes))
maybe = st.sampled_from


@st.composite
def ratings(draw):
    survey = draw(st.sampled_from(["s1", "s2"]))
    basis = draw(st.sampled_from(["dossier", "survey"]))
    served = basis == "dossier"
    voided = draw(maybe([None, NEW_YEAR]))
    return {
        "agency": draw(st.sampled_from(["A1", "A2"])),
        "survey": survey,
        "channel": draw(st.sampled_from(["tablet", "portal"])),
        "counter": draw(maybe([None, "Q1", "Q2"])),
        "basis": basis,
        "procedure": draw(st.sampled_from(["1.000001", "1.000002"])) if served else None,
        "service_channel": "desk" if served else None,
        "funnel_month": NEW_YEAR.date().replace(day=1) if served else None,
        "officer": draw(maybe([None, "o1", "o2"])) if served else None,
        "answers": [draw(st.integers(0, options)) for options in SIZES[survey]],
        "rated_at": draw(moments),
        "voided_at": voided,
        "void_reason": voided and "Sai.",
        "released": voided is not None and draw(st.booleans()),
    }


@st.composite
def dossiers(draw):
    received_at, status = draw(moments), draw(st.sampled_from([1, 2, 3, 10]))
    returned_at = received_at + timedelta(minutes=draw(st.integers(0, 90)))
    ended = returned_at if status in {3, 10} else None
    return {
        "agency": draw(st.sampled_from(["A1", "A2"])),
        "procedure": draw(st.sampled_from(["1.000001", "1.000002"])),
        "counter": draw(maybe([None, "Q1"])),
        "channel": draw(st.sampled_from(["desk", "online"])),
        "received_at": received_at,
        "due_at": received_at + timedelta(minutes=45),
        "status": status,
        "returned_at": ended if status == 10 else None,
        "ended_at": ended,
        "opened": draw(st.lists(st.booleans(), max_size=3)),
    }


sheets = st.fixed_dictionaries(
    {
        "agency": st.sampled_from(["A1", "A2"]),
        "channel": st.sampled_from(["paper", "tablet"]),
        "month": st.sampled_from([NEW_YEAR.date().replace(day=1), datetime(2026, 1, 1).date()]),  # noqa: DTZ001
        "cells": st.dictionaries(
            st.sampled_from([(0, 0), (1, 1), (1, 6), (2, 2), (3, 5)]), st.integers(1, 9)
        ),
    }
)


@pytest.fixture
async def catalogue(make):
    """Two agencies, and two surveys whose forms have other sizes."""
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.survey("s1", "A1", "A2")
    await make.survey("s2", "A1", "A2", form=TWO_SIZES)
    for code in ("1.000001", "1.000002"):
        await make.procedure(code)


_RATING = text("""
    INSERT INTO rating (agency_id, id, survey_id, basis, reference, digest, channel,
           service_channel, counter, procedure, officer, answers, rated_at, received_at,
           funnel_month, funnel_counter, voided_at, void_reason, released)
    SELECT agency.id, gen_random_uuid(), survey.id, :basis,
           uuid_send(gen_random_uuid()), '', :channel, :service_channel, :counter, :procedure,
           :officer, CAST(:answers AS smallint[]), :rated_at, :rated_at, :funnel_month, :counter,
           :voided_at,
           :void_reason, :released
      FROM agency, survey WHERE agency.code = :agency AND survey.code = :survey
""")
_DOSSIER = text("""
    INSERT INTO dossier (agency_id, code, procedure, counter, channel, applicant_kind, received_at,
           due_at, status, returned_at, ended_at, revision)
    SELECT id, :code, :procedure, :counter, :channel, 'citizen', :received_at, :due_at, :status,
           :returned_at, :ended_at, 1
      FROM agency WHERE code = :agency
""")
_INVITATION = text("""
    INSERT INTO invitation (agency_id, dossier, number, token_hash, survey_id, issued_at,
           expires_at, revoked_at, opened)
    SELECT agency.id, :code, :number, uuid_send(gen_random_uuid()), survey.id, :at, :at, :at,
           :opened
      FROM agency, survey WHERE agency.code = :agency AND survey.code = 's1'
""")
_SHEET = text("""
    INSERT INTO tally_sheet (agency_id, id, survey_id, request_key, digest, channel, month, sheet,
           findings, received_at)
    SELECT agency.id, gen_random_uuid(), survey.id, gen_random_uuid(), '', :channel, :month,
           jsonb_build_object('cells', CAST(:cells AS jsonb)), '[]', now()
      FROM agency, survey WHERE agency.code = :agency AND survey.code = 's2'
""")


async def store(session, drawn_ratings=(), drawn_dossiers=(), drawn_sheets=()):
    """Put rows where they are, without a word to tally and funnel."""
    for one in drawn_ratings:
        await session.execute(_RATING, one)
    for number, one in enumerate(drawn_dossiers):
        code, opened = f"D{number}", one["opened"]
        await session.execute(_DOSSIER, one | {"code": code})
        for place, seen in enumerate(opened, 1):
            said = {"agency": one["agency"], "code": code, "number": place, "opened": seen}
            await session.execute(_INVITATION, said | {"at": NEW_YEAR})
    for one in drawn_sheets:
        cells = [
            f'{{"question": {q}, "option": {o}, "n": {n}}}' for (q, o), n in one["cells"].items()
        ]
        await session.execute(_SHEET, one | {"cells": f"[{', '.join(cells)}]"})


async def due(session, part, counting):
    """Each row that the part has to hold."""
    rows = await session.execute(text(f"WITH {counting.due} SELECT * FROM due"), part.range)  # noqa: S608 -- no input
    return {tuple(row[:-1]): tuple(row.counts) for row in rows}


async def held(session):
    """Every row of tally and funnel with a count in it."""
    tally = await session.execute(
        text("SELECT tally.* FROM tally WHERE 0 < ANY (counts) ORDER BY 1, 2, 3, 4, 5")
    )
    funnel = await session.execute(text("SELECT * FROM funnel ORDER BY 1, 2, 3, 4, 5"))
    return tally.all(), funnel.all()


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.tuples(
        st.lists(ratings(), max_size=8),
        st.lists(dossiers(), max_size=6),
        st.lists(sheets, max_size=2),
    )
)
async def test_many_are_counted_as_the_definition_counts_each(catalogue, connection, drawn):
    nested = await connection.begin_nested()
    async with sessions(connection)() as session:
        await store(session, *drawn)
        for part in await recount.parts(session, 2):
            many = await recount.for_many(session, part.table)
            expected = await due(session, part, BY_DEFINITION[part.table])
            assert await due(session, part, many) == expected
            assert (
                await session.scalar(text(f"WITH {many.due} SELECT {many.unfit}"), part.range)
            ) == 0
    await nested.rollback()


def rating(**fields):
    return {
        "agency": "A1",
        "survey": "s1",
        "channel": "tablet",
        "counter": "Q1",
        "basis": "dossier",
        "procedure": "1.000001",
        "service_channel": "desk",
        "funnel_month": NEW_YEAR.date().replace(day=1),
        "officer": None,
        "answers": [5, 6],
        "rated_at": NEW_YEAR,
        "voided_at": None,
        "void_reason": None,
        "released": False,
    } | fields


async def test_a_rating_of_another_century_is_counted_by_definition(catalogue, session):
    await store(session, [rating(), rating(rated_at=datetime(1999, 12, 31, tzinfo=UTC))])
    (part, _) = await recount.parts(session, 1)
    found = await recount.compare(session, part)
    # Five facets of two months, each with the form and two answers.
    assert found.drift == 5 * 2 * 3
    assert min(one.month for one in found.differences).isoformat() == "1999-12-01"


async def test_a_form_too_long_for_a_wide_row_is_counted_by_definition(catalogue, make, session):
    questions = [five_levels(f"q{n}") for n in range(recount.MOST_COUNTERS // 5 + 1)]
    criteria = [
        (f"c{start}", questions[start : start + 50]) for start in range(0, len(questions), 50)
    ]
    await make.survey("s3", form=questionnaire(*criteria))
    await store(session, [rating(survey="s3", answers=[5] * len(questions))])
    (part, _) = await recount.parts(session, 1)
    assert (await recount.compare(session, part)).drift == 5 * (1 + len(questions))


async def test_invitations_without_a_first_are_counted_by_definition(catalogue, session):
    one = {"agency": "A1", "procedure": "1.000001", "counter": None, "channel": "desk"}
    at = {
        "received_at": NEW_YEAR,
        "due_at": NEW_YEAR,
        "returned_at": NEW_YEAR,
        "ended_at": NEW_YEAR,
    }
    await store(session, (), [one | at | {"status": 10, "opened": [False, True]}])
    await session.execute(text("DELETE FROM invitation WHERE number = 1"))
    (_, part) = await recount.parts(session, 1)
    found = await recount.compare(session, part)
    assert [one.count for one in found.differences] == ["received", "returned", "invited", "opened"]


@pytest.fixture
async def counted(catalogue, make):
    """Ratings, a voided one and a sheet, all through the API."""
    for answers in ({"q1": "5"}, {"q1": "4", "q2": "na"}, {"q2": "1"}):
        answer = await make.rate(answers)
    await make.admin.post(
        f"/v1/agencies/A1/ratings/{answer.json()['id']}/void", json={"reason": "Sai."}
    )
    await make.sheet({"q1": {"5": 3}}, 3)
    await make.dossier(returned=False)


DAMAGES = [
    "UPDATE tally SET counts[1] = counts[1] + 2 WHERE facet = 'channel'",
    "UPDATE tally SET counts[2] = 0 WHERE facet = 'all'",
    "UPDATE tally SET counts = '{}' WHERE facet = 'all'",
    "UPDATE tally SET counts = counts || '{7}' WHERE facet = 'all'",
    "UPDATE tally SET month = month - interval '1 year'",
    "DELETE FROM tally WHERE facet = 'procedure'",
    "DELETE FROM tally",
    "UPDATE funnel SET rated = rated + 1, late = late + 1",
    "UPDATE funnel SET received = 0",
    "UPDATE funnel SET counter = 'Q9'",
    "DELETE FROM funnel",
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_differs_is_found_and_put_right(counted, connection, session, damage):
    assert await recount.drift(session) == 0
    before = await held(session)
    await session.execute(text(damage))
    await session.commit()
    assert await recount.drift(session) > 0
    parts = await recount.parts(session)
    found = await recount.compare_all(sessions(connection), parts, at_once=1)
    table = "tally" if "tally" in damage else "funnel"
    assert recount.total(found) == recount.total(found, table) == await recount.drift(session)
    mended = [await recount.mend(sessions(connection), part) for part in parts]
    assert sum(mended) > 0
    assert await recount.drift(session) == 0
    rows = await held(session)
    assert strip(rows) == strip(before)


def strip(rows):
    """Without rows and places that count nothing."""
    tally, funnel = rows
    return (
        [(*row[:5], *trimmed(row.counts)) for row in tally],
        [tuple(row) for row in funnel if any(row[5:])],
    )


def trimmed(counts):
    while counts and not counts[-1]:
        counts = counts[:-1]
    return tuple(counts)


async def test_a_difference_is_named_in_the_words_of_the_field(counted, session):
    await session.execute(text("UPDATE tally SET counts[3] = 9 WHERE facet = 'officer'"))
    await session.execute(
        text("UPDATE tally SET counts[12] = 9 WHERE facet = 'channel' AND facet_key = 'tablet'")
    )
    await session.execute(text("UPDATE funnel SET late = 4"))
    tally, funnel = [await recount.compare(session, p) for p in await recount.parts(session, 1)]
    (one,) = tally.differences
    assert (one.agency, f"{one.month:%Y-%m}", one.row) == ("A1", "2026-06", "s1 channel tablet")
    assert (one.count, one.held, one.due) == ("question no. 2, option no. 6", 9, 1)
    (one,) = funnel.differences
    assert (one.agency, f"{one.month:%Y-%m}", one.row) == ("A1", "2026-06", "1.000001 desk")
    assert (one.count, one.held, one.due) == ("late", 4, 0)
    assert (tally.ratings, funnel.ratings) == (2, 0)


async def test_the_first_differences_are_named_and_all_are_counted(counted, session):
    await session.execute(text("UPDATE tally SET counts = ARRAY(SELECT 8 FROM unnest(counts))"))
    (part, _) = await recount.parts(session, 1)
    found = await recount.compare(session, part)
    assert len(found.differences) == recount.SHOWN < found.drift


async def test_each_agency_is_in_one_range_of_about_equal_work(catalogue, make, session):
    for number in range(6):
        await make.agency(f"B{number}")
    for work in (1, 5):
        await session.execute(
            text("""
            INSERT INTO funnel SELECT id, '2026-01-01', '', '1.000001', 'desk', 0, 0, 0, 0, 0, 100
              FROM agency WHERE code = :code
            """),
            {"code": f"B{work}"},
        )
    parts = [part for part in await recount.parts(session, 2) if part.table == "tally"]
    assert sum(part.agencies for part in parts) == 8
    assert parts[0].last < parts[1].first
    assert [part.agencies for part in parts] == [4, 4]


async def test_a_comparison_is_exact_while_ratings_come_in(committed):
    await committed.agency()
    await committed.survey()
    dossiers = [await committed.dossier() for _ in range(20)]
    opening = sessions(committed.session.bind)
    async with opening.begin() as session:
        parts = await recount.parts(session)

    async def rate_and_void(dossier):
        rating = (await committed.rate({"q1": "5", "q2": "1"}, dossier=dossier)).json()["id"]
        words = {"reason": "Sai."}
        await committed.admin.post(f"/v1/agencies/A1/ratings/{rating}/void", json=words)

    rating = asyncio.gather(*(rate_and_void(dossier) for dossier in dossiers))
    while not rating.done():
        assert recount.total(await recount.compare_all(opening, parts)) == 0
    await rating
    assert await recount.drift(committed.session) == 0


async def test_what_is_wrong_is_put_right_while_ratings_come_in(committed):
    await committed.agency()
    await committed.survey()
    for _ in range(3):
        await committed.rate({"q1": "5", "q2": "1"})
    dossiers = [await committed.dossier() for _ in range(20)]
    await committed.session.execute(
        text("UPDATE tally SET counts = ARRAY(SELECT 2 + n FROM unnest(counts) AS n)")
    )
    await committed.session.execute(text("DELETE FROM tally WHERE facet = 'channel'"))
    await committed.session.execute(text("UPDATE funnel SET rated = 0"))
    await committed.session.commit()
    opening = sessions(committed.session.bind)
    parts = await recount.parts(committed.session)
    await committed.session.rollback()
    await asyncio.gather(
        *(recount.mend(opening, part) for part in [*parts, *parts]),
        *(committed.rate({"q1": "4", "q2": "na"}, dossier=dossier) for dossier in dossiers),
    )
    assert await recount.drift(committed.session) == 0
