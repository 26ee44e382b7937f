"""What SQL counts, against a plain-Python count of the same ratings and sheets."""

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from conftest import driver
from factories import PLAIN
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import ratings, recount, surveys, tallies
from app.db.ratings import NewRating
from app.db.session import sessions
from app.domain import period, tally

NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)
RETURNED = datetime(2026, 3, 31, 16, tzinfo=UTC)
OPTIONS = (5, 6)  # of the two questions of the plain form

ONE = ("A1", "s1", "tablet", None, RETURNED, (1, 0), 1)

answers = st.tuples(*(st.integers(0, options) for options in OPTIONS))
drawn_ratings = st.lists(
    st.tuples(
        st.sampled_from(["A1", "A2"]),
        st.sampled_from(["s1", "s2"]),
        st.sampled_from(["tablet", "portal"]),
        st.sampled_from([None, "Q1", "Q2"]),
        st.integers(0, 60 * 24 * 70).map(lambda minutes: RETURNED + timedelta(minutes=minutes)),
        answers,
        # The dossier, or the recipient of an invitation to the survey: each rates once.
        st.integers(0, 9) | st.integers(0, 3).map("r{}".format),
    ),
    max_size=25,
)


@pytest.fixture
async def catalogue(make, session):
    """Two agencies with ten returned dossiers each, two surveys of the same form."""
    for code in ("A1", "A2"):
        await make.agency(code)
        for counter in ("Q1", "Q2"):
            await make.put(f"/v1/agencies/{code}/counters/{counter}", {"name": {"vi": counter}})
    for code in ("s1", "s2"):
        await make.survey(code, "A1", "A2", form=PLAIN)
    await make.procedure()
    await session.execute(
        text("""
        INSERT INTO dossier (agency_id, code, procedure, counter, channel, officer, applicant_kind,
                             received_at, due_at, status, returned_at, ended_at)
        SELECT agency.id, 'D' || n, '1.000001', CASE WHEN n < 5 THEN 'Q1' END, 'desk',
               'officer-' || n % 3, 'citizen', :at, :at, 10, :at, :at
          FROM agency, generate_series(0, 9) AS n
         WHERE agency.code IN ('A1', 'A2')
        """),
        {"at": RETURNED},
    )
    await session.execute(
        text("""
        INSERT INTO survey_invitation (agency_id, survey_id, recipient, number, token_hash, channel,
                                       issued_at, expires_at, opened)
        SELECT agency.id, survey.id, convert_to('r' || n, 'UTF8'), 1,
               uuid_send(gen_random_uuid()), 'e_office', :at, :at, false
          FROM agency, survey, generate_series(0, 3) AS n
        """),
        {"at": RETURNED},
    )
    rows = await session.execute(text("SELECT code, id FROM agency"))
    forms = await surveys.with_forms(session, ["s1", "s2"], "/survey")
    return dict(rows.all()), {form.survey.code: form for form in forms}


def new(ids, forms, drawn) -> NewRating:
    agency, survey, channel, counter, rated_at, given_answers, rated = drawn
    recipient = rated.encode() if isinstance(rated, str) else None
    return NewRating(
        id=uuid.uuid4(),
        agency_id=ids[agency],
        survey_id=forms[survey].id,
        dossier=None if recipient else f"D{rated}",
        reference=ratings.reference(b"key", *right(drawn)),
        digest=b"",
        window_days=90,
        channel=channel,
        counter=counter,
        answers=given_answers,
        comment=None,
        device=None,
        device_seq=None,
        rated_at=rated_at,
        received_at=NOW,
        invitation=recipient and 1,
        recipient=recipient,
    )


def right(drawn):
    """What is rated, once."""
    agency, survey, *_, rated = drawn
    return agency, f"{survey} {rated}" if isinstance(rated, str) else f"D{rated}"


async def submit(session, batch) -> list[str]:
    connection = await driver(await session.connection())
    return [outcome.code for outcome in await ratings.submit(connection, batch)]


def counted(forms_answered) -> Counter:
    """The cells of forms given as the places of their options, counted one by one."""
    cells = Counter((q, o) for form in forms_answered for q, o in enumerate(form, 1) if o)
    return cells + Counter({tally.FORM: len(forms_answered)})


def oracle(ids, forms, accepted) -> Counter:
    """Every cell that the accepted ratings make, counted one by one."""
    cells: Counter = Counter()
    for agency, survey, channel, counter, rated_at, given_answers, dossier in accepted:
        facets = {"all": "", "basis": "survey", "channel": channel, "counter": counter}
        if isinstance(dossier, int):
            facets |= {
                "basis": "dossier",
                "counter": counter or ("Q1" if dossier < 5 else None),
                "procedure": "1.000001",
                "officer": f"officer-{dossier % 3}",
            }
        ticked = [(0, 0), *((q, o) for q, o in enumerate(given_answers, 1) if o)]
        for facet, key in facets.items():
            for question, option in ticked if key is not None else []:
                month = period.local_day(rated_at).replace(day=1)
                cells[ids[agency], forms[survey].id, facet, month, key, question, option] += 1
    return cells


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=drawn_ratings, size=st.integers(1, 6))
async def test_the_database_counts_what_plain_python_counts(catalogue, connection, drawn, size):
    ids, forms = catalogue
    nested = await connection.begin_nested()
    async with sessions(connection)() as session:
        outcomes: list[str] = []
        for start in range(0, len(drawn), size):
            batch = [new(ids, forms, one) for one in drawn[start : start + size]]
            outcomes += await submit(session, batch)
        accepted = [
            one for one, outcome in zip(drawn, outcomes, strict=True) if outcome == "created"
        ]
        assert len(accepted) == len({right(one) for one in drawn})
        rated = await session.scalar(text("SELECT coalesce(sum(rated), 0) FROM funnel"))
        assert rated == sum(isinstance(one[6], int) for one in accepted)
        rows = await session.execute(
            text("""
            SELECT agency_id, survey_id, facet, month, facet_key, question, option, n
              FROM tally_cell
            """)
        )
        assert {tuple(row[:7]): row[7] for row in rows} == dict(oracle(ids, forms, accepted))
        assert await recount.drift(session, "tally") == 0
        year = period.parse("2026")
        found = await tallies.read(session, list(ids.values()), list(forms.values()), year)
        for agency, number in ids.items():
            for survey, form in forms.items():
                mine = [one[5] for one in accepted if one[:2] == (agency, survey)]
                expected = tally.read(survey, form.questionnaire, counted(mine))
                assert found.get(number, {}).get(survey, expected) == expected
    await nested.rollback()


async def test_one_bad_row_does_not_fail_its_batch(catalogue, session):
    ids, forms = catalogue
    good = ("A1", "s1", "tablet", None, RETURNED, (1, 0), 1)
    unknown = ("A1", "s1", "tablet", None, RETURNED, (1, 0), 77)
    early = ("A1", "s1", "tablet", None, RETURNED - timedelta(hours=1), (1, 0), 2)
    late = ("A1", "s1", "tablet", None, RETURNED + timedelta(days=91), (1, 0), 3)
    batch = [new(ids, forms, one) for one in (unknown, good, early, good, late)]
    assert await submit(session, batch) == [
        "dossier-not-found",
        "created",
        "result-not-returned",
        "already-rated",
        "rating-window-closed",
    ]
    assert await recount.drift(session, "tally") == 0


async def test_a_revoked_invitation_to_a_survey_lets_nobody_rate(catalogue, session):
    ids, forms = catalogue
    await session.execute(
        text("UPDATE survey_invitation SET revoked_at = now() WHERE recipient = 'r1'")
    )
    invited = [
        ("A1", "s1", "e_office", None, RETURNED, (1, 0), recipient) for recipient in ("r1", "r2")
    ]
    unknown = new(ids, forms, invited[1])._replace(invitation=2)
    batch = [unknown, *(new(ids, forms, one) for one in invited)]
    assert await submit(session, batch) == ["invitation-revoked", "invitation-revoked", "created"]
    assert await recount.drift(session, "tally") == 0


async def test_drift_names_every_cell_that_differs(catalogue, session):
    ids, forms = catalogue
    await submit(session, [new(ids, forms, ONE)])
    await session.execute(
        text("UPDATE tally SET counts[1] = counts[1] + 1, counts[2] = 0 WHERE facet = 'channel'")
    )
    assert await recount.drift(session, "tally") == 2
    await session.execute(text("DELETE FROM tally WHERE facet = 'all'"))
    assert await recount.drift(session, "tally") == 4


async def test_a_rating_holds_no_dossier_code(catalogue, session):
    ids, forms = catalogue
    await submit(session, [new(ids, forms, ONE)])
    row = (await session.execute(text("SELECT rating::text FROM rating"))).scalar_one()
    assert "D1" not in row
    references = {ratings.reference(key, "A1", "D1") for key in (b"one", b"other")}
    assert len(references) == 2


async def test_no_tally_can_be_negative(catalogue, session):
    ids, forms = catalogue
    await submit(session, [new(ids, forms, ONE)])
    with pytest.raises(Exception, match="tally_counts_check"):
        await session.execute(text("UPDATE tally SET counts[1] = -1"))
