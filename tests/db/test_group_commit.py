"""Ratings that arrive together are committed together, and each is answered for itself."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice

import pytest
from conftest import NOW
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text

from app.api.errors import unavailable
from app.db import ratings
from app.db.group_commit import GroupCommit
from app.db.known import Known
from app.db.ratings import CREATED, REPLAYED, NewRating
from app.db.session import own_connection, sessions
from app.domain.errors import SaturatedError
from app.domain.period import local_day

KEYED = {"Idempotency-Key": "the-same-request"}


@pytest.fixture
async def dossiers(committed):
    """Returned dossiers of a surveyed agency."""
    await committed.agency()
    await committed.survey()
    return [await committed.dossier() for _ in range(12)]


def rating(dossier, number=None, **fields) -> NewRating:
    agency, survey = fields.pop("ids")
    reference = ratings.reference(b"key", "A1", dossier)
    return NewRating(
        id=number or uuid.uuid4(),
        agency_id=agency,
        survey_id=survey,
        dossier=dossier,
        reference=reference,
        digest=reference[:16],
        window_days=90,
        channel="tablet",
        counter=None,
        answers=(1, 1),
        comment=None,
        device=None,
        device_seq=None,
        rated_at=NOW,
        received_at=NOW,
    )


@pytest.fixture
async def ids(committed, dossiers):
    """The numbers of the agency and the survey."""
    row = await committed.session.execute(text("SELECT agency.id, survey.id FROM agency, survey"))
    return tuple(row.one())


@pytest.fixture
async def store(committing):
    """A process's way of storing ratings."""
    made = GroupCommit(partial(own_connection, committing), most_waiting=100)
    yield made
    await made.close()


async def stored(committed) -> list[tuple[int, str]]:
    """The ratings that are there, each with the transaction that stored it."""
    await committed.session.rollback()
    rows = await committed.session.execute(text("SELECT id, xmin::text FROM rating"))
    return [tuple(row) for row in rows]


async def forms_counted(committed) -> int:
    counted = text("SELECT sum(n) FROM tally_cell WHERE facet = 'all' AND question = 0")
    return int(await committed.session.scalar(counted) or 0)


async def test_what_arrives_while_a_batch_commits_shares_the_next_commit(
    committed, dossiers, ids, store
):
    batch = [rating(dossier, ids=ids) for dossier in dossiers]
    outcomes = await asyncio.gather(*(store.submit([new]) for new in batch))
    assert {outcome.code for (outcome,) in outcomes} == {CREATED}
    rows = await stored(committed)
    assert len(rows) == 12
    assert len({transaction for _, transaction in rows}) <= 2
    assert await forms_counted(committed) == 12


async def test_the_same_request_twice_in_a_batch_is_stored_once(committed, dossiers, ids, store):
    one = rating(dossiers[0], ids=ids)
    outcomes = await store.submit([one, one._replace(received_at=NOW), one])
    assert [outcome.code for outcome in outcomes] == [CREATED, REPLAYED, REPLAYED]
    assert {outcome.id for outcome in outcomes} == {one.id}
    assert await forms_counted(committed) == 1


async def test_another_request_under_the_same_id_in_a_batch_is_refused(
    committed, dossiers, ids, store
):
    one = rating(dossiers[0], ids=ids)
    outcomes = await store.submit([one, rating(dossiers[1], one.id, ids=ids)])
    assert sorted(outcome.code for outcome in outcomes) == [CREATED, "idempotency-key-reused"]


async def test_a_row_that_cannot_be_stored_does_not_fail_its_batch(committed, dossiers, ids, store):
    good = [rating(dossier, ids=ids) for dossier in dossiers[:2]]
    bad = rating(dossiers[2], ids=ids)._replace(survey_id=2**30)
    outcomes = await store.submit([good[0], bad, good[1]])
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [CREATED, None, CREATED]
    assert isinstance(outcomes[1], Exception)
    assert await forms_counted(committed) == 2


async def test_more_than_may_wait_are_refused_and_nothing_of_them_is_stored(
    committed, committing, dossiers, serving
):
    app = serving(most_waiting=3)
    body = {"agency": "A1", "survey": "s1", "channel": "tablet", "answers": {"q1": "5"}}
    bodies = [body | {"dossier": dossier} for dossier in dossiers]
    async with AsyncClient(
        transport=ASGITransport(app), base_url="http://test", headers=committed.admin.headers
    ) as client:
        async with committing.begin() as connection:
            await connection.execute(text("LOCK TABLE rating IN SHARE MODE"))  # nothing is written
            sent = [asyncio.create_task(client.post("/v1/ratings", json=one)) for one in bodies]
            refused = [await one for one in islice(asyncio.as_completed(sent), 6)]
            batch = await client.post("/v1/ratings/batch", json={"ratings": bodies})
        assert {answer.status_code for answer in [*refused, batch]} == {503}
        assert {answer.json()["code"] for answer in [*refused, batch]} == {"saturated"}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in [*refused, batch])
        answers = [await one for one in sent]
        assert {answer.status_code for answer in answers} == {201, 503}
        accepted = [answer for answer in answers if answer.status_code == 201]
        assert len(await stored(committed)) == len(accepted)
    await app.state.group_commit.close()


async def test_what_was_accepted_is_committed_before_the_process_ends(
    committed, dossiers, ids, store
):
    accepted = [
        asyncio.create_task(store.submit([rating(dossier, ids=ids)])) for dossier in dossiers
    ]
    await asyncio.sleep(0)
    await store.close()
    assert {outcome.code for (outcome,) in [await one for one in accepted]} == {CREATED}
    with pytest.raises(SaturatedError):
        await store.submit([rating(dossiers[0], ids=ids)])
    assert len(await stored(committed)) == 12


async def test_a_rating_is_stored_though_its_sender_has_hung_up(committed, dossiers, ids, store):
    sent = [asyncio.create_task(store.submit([rating(dossier, ids=ids)])) for dossier in dossiers]
    await asyncio.sleep(0)
    for one in sent[::2]:
        one.cancel()
    said = await asyncio.gather(*sent, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in said) == 6
    await store.close()
    assert len(await stored(committed)) == 12


async def test_a_lost_connection_costs_a_refusal_and_nothing_else(
    committed, committing, dossiers, ids, store
):
    first = rating(dossiers[0], ids=ids)
    await store.submit([first])
    async with committing.begin() as connection:
        # The transaction that is open is ours; the store's connection is idle between batches.
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE '%unnest%' AND pid <> pg_backend_pid()"
            )
        )
    later = [rating(dossier, ids=ids) for dossier in dossiers[1:4]]
    for new in [first, *later]:
        (outcome,) = await store.submit([new])
        if isinstance(outcome, Exception):
            assert unavailable(outcome)
            (outcome,) = await store.submit([new])
        assert outcome.code == (REPLAYED if new is first else CREATED)
    assert await forms_counted(committed) == 4


@pytest.mark.parametrize("processes", [1, 2])
async def test_eight_clients_that_send_the_same_request_at_once_get_the_same_answer(
    committed, dossiers, serving, processes
):
    apps = [serving() for _ in range(processes)]
    body = {"agency": "A1", "survey": "s1", "channel": "portal", "answers": {"q1": "5"}}
    clients = [
        AsyncClient(transport=ASGITransport(apps[n % processes]), base_url="http://test")
        for n in range(8)
    ]
    headers = dict(committed.admin.headers) | KEYED
    answers = await asyncio.gather(
        *(
            client.post("/v1/ratings", json=body | {"dossier": dossiers[0]}, headers=headers)
            for client in clients
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
    assert await forms_counted(committed) == 1
    for client, app in zip(clients, apps * 8, strict=False):
        await client.aclose()
        await app.state.group_commit.close()


async def test_what_a_process_remembers_is_forgotten_when_another_changes_it(committed, committing):
    await committed.agency()
    await committed.survey()
    known = Known(sessions(committing))
    listening = asyncio.create_task(known.listen(partial(own_connection, committing)))
    key = await committed.key()

    async def grounds():
        return await known.grounds("A1", "s1", None)

    for _ in range(500):
        if (await grounds()) is (await grounds()):
            break
        await asyncio.sleep(0.01)
    assert (await grounds()) is (await grounds())
    assert (await grounds()).form.survey.closes_on is None
    assert (await known.credential(key)).ends_at is None
    await committed.survey(closes_on="2026-07-01")
    await committed.session.execute(text("UPDATE api_key SET revoked_at = now()"))
    await committed.session.commit()
    for _ in range(500):
        survey, granted = (await grounds()).form.survey, await known.credential(key)
        if survey.closes_on and granted.ends_at:
            break
        await asyncio.sleep(0.01)
    assert survey.closes_on is not None
    assert granted.ends_at is not None
    listening.cancel()
    await asyncio.wait([listening])


async def test_what_was_read_before_a_change_is_not_remembered_after_it(committed, committing):
    key = await committed.key()
    read, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow():
        async with sessions(committing)() as session:
            yield session
        read.set()
        await go_on.wait()

    known = Known(slow)
    listening = asyncio.create_task(known.listen(partial(own_connection, committing)))
    go_on.set()
    for _ in range(500):
        if (await known.credential(key)) is (await known.credential(key)):
            break
        await asyncio.sleep(0.01)
    other = await committed.key()
    go_on.clear()
    read.clear()
    asking = asyncio.create_task(known.credential(other))
    await read.wait()
    generation = known._generation  # noqa: SLF001 -- nothing else tells that a change was heard of
    await committed.session.execute(text("UPDATE api_key SET revoked_at = now()"))
    await committed.session.commit()
    for _ in range(500):
        if known._generation > generation:  # noqa: SLF001 -- as above
            break
        await asyncio.sleep(0.01)
    go_on.set()
    assert (await asking).ends_at is None
    assert (await known.credential(other)).ends_at is not None
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_process_that_cannot_hear_of_changes_remembers_nothing(committed, committing):
    await committed.agency()
    await committed.survey()
    known = Known(sessions(committing))
    first = await known.grounds("A1", "s1", None)
    assert (await known.grounds("A1", "s1", None)) is not first


async def test_an_invitation_revoked_while_its_rating_waited_gives_no_right(
    committed, dossiers, ids, store
):
    await committed.session.execute(text("UPDATE invitation SET revoked_at = now()"))
    await committed.session.commit()
    waited = rating(dossiers[0], ids=ids)._replace(invitation=1)
    (outcome,) = await store.submit([waited])
    assert outcome.code == "invitation-revoked"
    assert await forms_counted(committed) == 0


async def test_a_form_is_remembered_once_whatever_rests_on_it(committed, committing):
    await committed.agency()
    for counter in ("Q1", "Q2"):
        await committed.put(f"/v1/agencies/A1/counters/{counter}", {"name": {"vi": counter}})
    await committed.survey()
    known = Known(sessions(committing))
    listening = asyncio.create_task(known.listen(partial(own_connection, committing)))
    for _ in range(500):
        first, second = [await known.grounds("A1", "s1", counter) for counter in ("Q1", "Q2")]
        if first.form is second.form:
            break
        await asyncio.sleep(0.01)
    assert first.form is second.form
    assert first.covers(local_day(NOW))
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_counter_that_is_new_is_known_before_it_is_heard_of(committed, committing):
    await committed.agency()
    await committed.survey()
    known = Known(sessions(committing))
    listening = asyncio.create_task(known.listen(partial(own_connection, committing)))
    for _ in range(500):
        if await known.grounds("A1", "s1", None) is await known.grounds("A1", "s1", None):
            break
        await asyncio.sleep(0.01)
    await committed.session.execute(text("ALTER TABLE counter DISABLE TRIGGER USER"))
    await committed.session.commit()
    await committed.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Q1"}})
    assert (await known.grounds("A1", "s1", None)).counters == frozenset()
    assert (await known.grounds("A1", "s1", "Q1")).counters == {"Q1"}
    await committed.session.execute(text("ALTER TABLE counter ENABLE TRIGGER USER"))
    await committed.session.commit()
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_process_whose_line_was_cut_hears_again(committed, committing):
    await committed.agency()
    await committed.survey()
    known = Known(sessions(committing))
    listening = asyncio.create_task(known.listen(partial(own_connection, committing)))

    async def remembers() -> bool:
        for _ in range(500):
            grounds = await known.grounds("A1", "s1", None)
            if grounds is await known.grounds("A1", "s1", None):
                return True
            await asyncio.sleep(0.01)
        return False

    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    for _ in range(3):
        assert await remembers()
        await committed.session.execute(cut)
    assert await remembers()
    listening.cancel()
    await asyncio.wait([listening])
