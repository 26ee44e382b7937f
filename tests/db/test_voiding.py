"""What is left after voiding, against a plain-Python count of the ratings that still count."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import recount
from app.db.session import sessions

DOSSIERS = 3
PATH = "/v1/agencies/A1/ratings"
FORM = {"q1": "54321", "q2": ("5", "4", "3", "2", "1", "na")}

answers = st.fixed_dictionaries(
    {}, optional={question: st.sampled_from(options) for question, options in FORM.items()}
).filter(bool)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("rate"), st.integers(0, DOSSIERS - 1), answers),
        st.tuples(st.just("void"), st.integers(0, 5), st.booleans()),
    ),
    max_size=14,
)


@dataclass
class Rated:
    """A stored rating as plain Python remembers it; `released` is None while it counts."""

    id: str
    dossier: int
    answers: dict[str, str]
    released: bool | None = None


@dataclass
class Oracle:
    """What must have become of every step."""

    ratings: list[Rated] = field(default_factory=list)

    def may_rate(self, dossier: int) -> bool:
        return all(one.released for one in self.ratings if one.dossier == dossier)

    def cells(self) -> Counter:
        """Question and option, by their places, of the ratings that count; (0, 0) for each."""
        counting = [one.answers for one in self.ratings if one.released is None]
        ticked = Counter(
            (place, FORM[question].index(option) + 1)
            for given_answers in counting
            for place, question in enumerate(FORM, 1)
            if (option := given_answers.get(question))
        )
        return ticked + Counter({(0, 0): len(counting)})


@pytest.fixture
async def dossiers(make):
    """Returned dossiers of an agency with a survey."""
    await make.agency()
    await make.survey()
    return [await make.dossier(officer=f"officer-{n}") for n in range(DOSSIERS)]


async def take(make, oracle, step, dossiers):
    """Do one step over HTTP, and check that it is answered as plain Python says."""
    action, which, said = step
    if action == "rate":
        allowed = oracle.may_rate(which)
        answer = await make.rate(said, dossier=dossiers[which])
        assert answer.status_code == (201 if allowed else 409), answer.text
        if allowed:
            oracle.ratings.append(Rated(answer.json()["id"], which, said))
    elif oracle.ratings:
        rated = oracle.ratings[which % len(oracle.ratings)]
        answer = await make.admin.post(
            f"{PATH}/{rated.id}/void", json={"reason": "Sai.", "rate_again": said}
        )
        allowed = rated.released in {None, False, said}  # released now, or later
        assert answer.status_code == (200 if allowed else 409), answer.text
        assert ("Idempotent-Replayed" in answer.headers) == (rated.released == said)
        rated.released = said if allowed else rated.released


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=steps)
async def test_only_ratings_that_are_not_voided_count(dossiers, make, connection, drawn):
    nested, oracle = await connection.begin_nested(), Oracle()
    for step in drawn:
        await take(make, oracle, step, dossiers)
    async with sessions(connection)() as session:
        rows = await session.execute(
            text("SELECT question, option, n FROM tally_cell WHERE facet = 'all'")
        )
        assert {(row.question, row.option): row.n for row in rows} == dict(oracle.cells())
        rated = await session.scalar(text("SELECT sum(rated) FROM funnel"))
        assert rated == oracle.cells()[0, 0]
        assert await recount.drift(session) == 0
        stored = await session.scalar(text("SELECT count(*) FROM rating"))
        assert stored == len(oracle.ratings)
    await nested.rollback()


async def test_of_eight_who_void_a_rating_at_once_one_does(committed):
    await committed.agency()
    await committed.survey()
    ids = [(await committed.rate({"q1": "5"})).json()["id"] for _ in range(3)]
    words = [{"reason": f"Lý do {n % 2}."} for n in range(8)]
    answers = await asyncio.gather(
        *(committed.admin.post(f"{PATH}/{ids[0]}/void", json=said) for said in words)
    )
    first = [a for a in answers if a.status_code == 200 and "Idempotent-Replayed" not in a.headers]
    assert len(first) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 4
    assert await recount.drift(committed.session) == 0


async def test_voiding_and_rating_at_once_never_lock_crosswise(committed):
    await committed.agency()
    await committed.survey()
    ids = [(await committed.rate({"q1": "5", "q2": "1"})).json()["id"] for _ in range(12)]
    dossiers = [await committed.dossier() for _ in range(12)]
    answers = await asyncio.gather(
        *(committed.admin.post(f"{PATH}/{one}/void", json={"reason": "Sai."}) for one in ids),
        *(committed.rate({"q1": "1", "q2": "na"}, dossier=one) for one in dossiers),
    )
    assert [answer.status_code for answer in answers] == [200] * 12 + [201] * 12
    assert await recount.drift(committed.session) == 0
    counted = await committed.session.scalar(
        text("SELECT counts[1] FROM tally WHERE facet = 'all'")
    )
    assert counted == 12
