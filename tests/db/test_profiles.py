"""What the profiles count, against plain Python that walks every dossier and every rating."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from conftest import REFERENCE_KEY
from factories import five_levels, option, questionnaire
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from app.db import profiles, ratings
from app.db.session import sessions
from app.domain import period
from app.domain.profiles import DossierCounts, Timeliness

KEY = REFERENCE_KEY.encode()
MAY = period.parse("2026-05")
NONE = Timeliness(0, 0, 0)

OVERALL = questionnaire(
    ("access", [five_levels("q1", na=True)]), ("general", [five_levels("q2")]), overall="q2"
)
MARKED = questionnaire(
    ("visits", [{"code": "q1", "text": {"vi": "?"}, "options": [option("0"), option("1")]}]),
    (
        "attitude",
        [
            {
                "code": code,
                "text": {"vi": "?"},
                "options": [
                    option("na", counted=False),
                    option("good", satisfied=True),
                    option("bad"),
                ],
            }
            for code in ("q2", "q3")
        ],
    ),
)
FORMS = {
    "s1": {"q1": (*"54321", "na"), "q2": tuple("54321")},
    "s2": {"q1": ("0", "1"), "q2": ("na", "good", "bad"), "q3": ("na", "good", "bad")},
}
BAD, GOOD = ("s1", {"q2": "2"}), ("s1", {"q2": "3"})

# Each side of the months' borders in Vietnam, once in time and once late.
RETURNS = (
    "2026-04-30T23:59:59+07:00",
    "2026-05-01T00:00:00+07:00",
    "2026-05-31T23:59:59.999999+07:00",
    "2026-06-01T00:00:00+07:00",
)


@dataclass
class Lived:
    """A dossier as plain Python remembers it, with its ratings and which of them are void."""

    agency: str
    code: str
    returned_at: datetime
    due_at: datetime
    ratings: list[tuple[str, dict[str, str], bool]] = field(default_factory=list)

    @property
    def month(self) -> str:
        return (self.returned_at + timedelta(hours=7)).strftime("%Y-%m")

    @property
    def late(self) -> bool:
        return self.returned_at > self.due_at

    @property
    def rated(self) -> bool:
        return any(not void for _, _, void in self.ratings)

    @property
    def bad(self) -> bool:
        return any(not void and badly(survey, said) for survey, said, void in self.ratings)


def badly(survey, answers):
    if survey == "s1":
        return answers.get("q2") in {"1", "2"}
    return "bad" in answers.values()


def expected(lived, agency, *months):
    mine = [one for one in lived if one.agency == agency and one.month in months]
    return DossierCounts(
        len(mine),
        sum(one.late for one in mine),
        sum(one.bad for one in mine),
        sum(one.late and one.bad for one in mine),
        sum(one.rated for one in mine),
    )


def answers_to(survey):
    return st.fixed_dictionaries(
        {}, optional={code: st.sampled_from(options) for code, options in FORMS[survey].items()}
    ).filter(bool)


given_answers = st.sampled_from(["s1", "s2"]).flatmap(
    lambda survey: st.tuples(st.just(survey), answers_to(survey))
)
fates = st.lists(st.tuples(given_answers, st.booleans()), max_size=2)


@pytest.fixture
async def catalogue(make, session):
    """Two agencies and two surveys with different questionnaires; the agencies' numbers."""
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.survey("s1", "A1", "A2", form=OVERALL)
    await make.survey("s2", "A1", "A2", form=MARKED)
    await make.procedure()
    rows = await session.execute(text("SELECT code, id FROM agency"))
    return dict(rows.all())


async def returned(make, agency="A1", at=RETURNS[1], *, late=False):
    """A dossier whose result was returned at that moment, at the last in time or the first late."""
    moment = datetime.fromisoformat(at).astimezone(UTC)
    due = moment - timedelta(microseconds=1) if late else moment
    code = await make.dossier(
        agency,
        returned=False,
        received_at="2026-04-01T08:00:00+07:00",
        due_at=due.isoformat(),
    )
    path = f"/v1/agencies/{agency}/dossiers/{code}/events"
    answer = await make.admin.post(path, json={"type": "result_returned", "at": at})
    assert answer.status_code == 201, answer.text
    return Lived(agency, code, moment, due)


async def rate(make, dossier, said, *, void=False):
    """Rate the dossier, which may be rated again if the rating is voided."""
    survey, answers = said
    answer = await make.rate(answers, agency=dossier.agency, survey=survey, dossier=dossier.code)
    assert answer.status_code == 201, answer.text
    if void:
        path = f"/v1/agencies/{dossier.agency}/ratings/{answer.json()['id']}/void"
        words = {"reason": "Sai.", "rate_again": True}
        assert (await make.admin.post(path, json=words)).status_code == 200
    dossier.ratings.append((survey, answers, void))


async def counts(session, ids, span=MAY, agencies=("A1", "A2")):
    found = await profiles.counts(session, [ids[code] for code in agencies], span, KEY)
    return tuple(found[ids[code]] for code in agencies)


@pytest.fixture
async def lived(catalogue, make):
    """Dossiers of two agencies on both sides of the borders of a month, in time and late."""
    return [
        await returned(make, agency, at, late=late)
        for agency in ("A1", "A2")
        for at in RETURNS
        for late in (False, True)
    ]


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(fates, min_size=16, max_size=16))
async def test_dossiers_are_counted_as_plain_python_counts_them(
    catalogue, lived, make, connection, drawn
):
    nested = await connection.begin_nested()
    for dossier, fate in zip(lived, drawn, strict=True):
        dossier.ratings.clear()
        for place, (said, void) in enumerate(fate):
            await rate(make, dossier, said, void=void or place + 1 < len(fate))
    async with sessions(connection)() as session:
        for span, months in (
            ("2026-04", ["2026-04"]),
            ("2026-05", ["2026-05"]),
            ("2026-06", ["2026-06"]),
            ("2026-Q2", ["2026-04", "2026-05", "2026-06"]),
            ("2025", []),
        ):
            found = await counts(session, catalogue, period.parse(span))
            assert found == tuple(expected(lived, code, *months) for code in ("A1", "A2"))
    await nested.rollback()


async def test_a_dossier_late_and_badly_rated_is_subtracted_once(catalogue, make, session):
    late, late_too, in_time, unrated = [
        await returned(make, late=late) for late in (True, True, False, False)
    ]
    for dossier in (late, in_time):
        await rate(make, dossier, BAD)
    await rate(make, late_too, GOOD)
    (found, other) = await counts(session, catalogue)
    assert found == DossierCounts(returned=4, late=2, dissatisfied=2, both=1, rated=3)
    assert (found.satisfied, unrated.ratings) == (1, [])
    assert other == DossierCounts(0, 0, 0, 0, 0)


async def test_a_voided_rating_does_not_count(catalogue, make, session):
    late, in_time = await returned(make, late=True), await returned(make)
    for dossier in (late, in_time):
        await rate(make, dossier, BAD, void=True)
    assert (await counts(session, catalogue))[0] == DossierCounts(2, 1, 0, 0, 0)
    await rate(make, late, BAD)
    assert (await counts(session, catalogue))[0] == DossierCounts(2, 1, 1, 1, 1)


async def test_each_survey_is_read_by_its_own_questionnaire(catalogue, make, session):
    said = [("s1", {"q1": "1"}), ("s1", {"q2": "1"}), ("s2", {"q1": "1"}), ("s2", {"q3": "bad"})]
    for one in said:
        await rate(make, await returned(make), one)
    assert (await counts(session, catalogue))[0] == DossierCounts(4, 0, 2, 0, 4)


async def test_only_the_agencies_asked_for_are_counted(catalogue, make, session):
    for agency in ("A1", "A2"):
        await rate(make, await returned(make, agency, late=True), BAD)
    found = await profiles.counts(session, [catalogue["A2"]], MAY, KEY)
    assert found == {catalogue["A2"]: DossierCounts(1, 1, 1, 1, 1)}
    assert await profiles.counts(session, [], MAY, KEY) == {}


async def test_with_another_key_no_rating_is_found_to_be_of_a_late_dossier(
    catalogue, make, session
):
    await rate(make, await returned(make, late=True), BAD)
    found = await profiles.counts(session, [catalogue["A1"]], MAY, b"another")
    assert found[catalogue["A1"]] == DossierCounts(1, 1, 1, 0, 1)


async def test_the_database_is_not_told_which_dossier_was_rated(
    catalogue, make, session, connection
):
    dossiers = [await returned(make, agency, late=True) for agency in ("A1", "A2") * 4]
    await rate(make, dossiers[0], BAD)
    sent: list[tuple] = []
    listening = (connection.sync_connection, "before_cursor_execute")

    def listen(_connection, _cursor, _statement, parameters, *_):
        sent.append(parameters)

    event.listen(*listening, listen)
    try:
        both = await counts(session, catalogue)
        statements = len(sent)
        await counts(session, catalogue, agencies=("A1",))
    finally:
        event.remove(*listening, listen)
    assert both[0] == DossierCounts(4, 4, 1, 1, 1)
    assert len(sent) == 2 * statements
    told = repr(sent)
    assert not any(dossier.code in told for dossier in dossiers)
    references = sorted(ratings.reference(KEY, one.agency, one.code) for one in dossiers)
    assert references in [value for values in sent for value in values]


moments = st.integers(-60 * 72, 60 * 72).map(
    lambda minutes: datetime(2026, 4, 30, 17, tzinfo=UTC) + timedelta(minutes=minutes)
)
timed = st.tuples(st.sampled_from(["A1", "A2"]), moments, moments, st.booleans())


def judged(dossiers):
    """How dossiers came, judged one by one on the calendar of Vietnam."""
    early = on_time = late = 0
    for _, returned_at, due_at, _ in dossiers:
        days = [(moment + timedelta(hours=7)).date() for moment in (returned_at, due_at)]
        if returned_at > due_at:
            late += 1
        elif days[0] < days[1]:
            early += 1
        else:
            on_time += 1
    return Timeliness(early, on_time, late)


async def store(session, dossiers):
    stmt = text("""
        INSERT INTO dossier (agency_id, code, procedure, channel, applicant_kind, received_at,
                             due_at, status, returned_at, ended_at)
        SELECT id, :code, '1.000001', 'desk', 'citizen', '2026-01-01', :due, 10, :at, :at
          FROM agency WHERE code = :agency
    """)
    for place, (agency, at, due, _) in enumerate(dossiers):
        values = {"agency": agency, "code": f"D{place}", "at": at, "due": due}
        await session.execute(stmt, values)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(timed, max_size=12))
async def test_timeliness_is_judged_as_plain_python_judges_it(catalogue, connection, drawn):
    nested = await connection.begin_nested()
    async with sessions(connection)() as session:
        await store(session, drawn)
        complaints = {
            number: [f"D{place}" for place, one in enumerate(drawn) if one[3]] * 2
            for number in catalogue.values()
        }
        numbers = list(catalogue.values())
        found = await profiles.timeliness(session, numbers, MAY, complaints)
        first = datetime(2026, 4, 30, 17, tzinfo=UTC)
        for code, number in catalogue.items():
            mine = [one for one in drawn if one[0] == code and one[1] >= first]
            assert found[number] == (judged(mine), judged([one for one in mine if one[3]]))
    await nested.rollback()


@pytest.mark.parametrize(
    ("returned_at", "due_at", "came"),
    [
        ("2026-05-11T23:59:00+07:00", "2026-05-12T00:01:00+07:00", Timeliness(1, 0, 0)),
        ("2026-05-12T00:01:00+07:00", "2026-05-12T23:59:00+07:00", Timeliness(0, 1, 0)),
        ("2026-05-12T06:30:00+07:00", "2026-05-12T17:00:00+07:00", Timeliness(0, 1, 0)),
        ("2026-05-12T17:00:00+07:00", "2026-05-12T17:00:00+07:00", Timeliness(0, 1, 0)),
        ("2026-05-12T17:00:01+07:00", "2026-05-12T17:00:00+07:00", Timeliness(0, 0, 1)),
    ],
)
async def test_early_is_a_day_before_on_the_calendar_of_vietnam(
    catalogue, session, returned_at, due_at, came
):
    at, due = (datetime.fromisoformat(moment) for moment in (returned_at, due_at))
    await store(session, [("A1", at, due, False)])
    found = await profiles.timeliness(session, list(catalogue.values()), MAY, {})
    assert found == {catalogue["A1"]: (came, NONE), catalogue["A2"]: (NONE, NONE)}


async def test_a_complaint_counts_once_where_its_dossier_was_returned(catalogue, session):
    at = datetime(2026, 5, 4, tzinfo=UTC)
    await store(session, [("A1", at, at, False), ("A2", at, at, False)])
    complaints = {catalogue["A1"]: ["D0", "D0", "D1", "D9"], 0: ["D1"]}
    found = await profiles.timeliness(session, list(catalogue.values()), MAY, complaints)
    one = Timeliness(0, 1, 0)
    assert found == {catalogue["A1"]: (one, one), catalogue["A2"]: (one, NONE)}


async def test_both_profiles_are_of_the_same_dossiers(catalogue, lived, session):
    numbers = list(catalogue.values())
    for span in (MAY, period.between(date(2026, 4, 1), date(2026, 6, 30))):
        of_766 = await profiles.counts(session, numbers, span, KEY)
        of_tt01 = await profiles.timeliness(session, numbers, span, {})
        for number in numbers:
            came, _ = of_tt01[number]
            assert (came.dossiers, came.late) == (of_766[number].returned, of_766[number].late)
