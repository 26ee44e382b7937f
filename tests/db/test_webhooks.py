"""Webhooks on their way to real receivers, which fail, hang, redirect and recover."""

import asyncio
import socket
import ssl
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cli.processes import wait_until
from conftest import REFERENCE_KEY
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from receiver import receiving
from sqlalchemy import text
from standardwebhooks import Webhook as Verifier

from app.db import deliveries, webhooks
from app.db.catalogue import Expected
from app.db.session import sessions
from app.domain import webhook as rules
from app.settings import Settings
from app.worker import Jobs
from app.worker.sending import MOST_AT_ONCE, Sender
from app.worker.webhooks import Post, work

KEY = REFERENCE_KEY.encode()
PERIOD = (date(2026, 1, 1), date(2026, 3, 31))


class Clock:
    """The present, as far ahead as a test likes."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead

    def advance(self, **span):
        self.ahead += timedelta(**span)


@pytest.fixture
def receiver(tmp_path):
    with receiving(tmp_path) as started:
        yield started


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def jobs(committing, committed, clock):
    """What a worker is handed; all is gone when the test ends."""
    settings = Settings(webhook_allow_private=True, log_level="error")
    return Jobs(settings, committing, sessions(committing), KEY, clock)


async def subscribe(jobs, code, url, secrets=1):
    """A webhook of published editions, and its secrets."""
    values = {"url": url, "events": ["edition.published"], "agencies": None, "active": True}
    values["url_by"] = "test"
    salts = [uuid4() for _ in range(secrets)]
    async with jobs.sessions.begin() as session:
        await webhooks.put(session, code, values, jobs.clock(), Expected())
        for salt in salts:
            await webhooks.add_secret(session, code, salt, jobs.clock())
    return [rules.shown(rules.secret(KEY, salt)) for salt in salts]


async def happen(jobs, code="e1"):
    """An edition is published."""
    async with jobs.sessions.begin() as session:
        event = rules.edition_published(code, "g", PERIOD, None, jobs.clock())
        await webhooks.enqueue(session, jobs.clock(), event)
    return str(event.id)


async def deliver(jobs, *, private=True, seconds=5.0, **more):
    """Send what is due, as one worker does."""
    post = Post(jobs, Sender(jobs.clock, private=private, seconds=seconds, **more))
    try:
        while await post.take():
            await post.wait(asyncio.Event())
    finally:
        await post.close()


async def value(jobs, stmt, **given):
    async with jobs.sessions.begin() as session:
        return await session.scalar(text(stmt), given)


async def state(jobs):
    return await value(jobs, "SELECT state FROM webhook_delivery")


async def attempts(jobs):
    return await value(jobs, "SELECT attempts FROM webhook_delivery")


async def test_an_event_is_signed_with_every_live_secret(jobs, receiver):
    secrets = await subscribe(jobs, "w1", receiver.url("ok"), secrets=2)
    event = await happen(jobs)
    await deliver(jobs)
    (got,) = receiver.received
    for secret in secrets:
        assert Verifier(secret).verify(got["body"], got["headers"])["id"] == event
    assert got["headers"]["webhook-id"] == event
    assert len(got["headers"]["webhook-signature"].split(" ")) == 2
    assert got["headers"]["content-type"] == "application/cloudevents+json"
    assert await state(jobs) == "delivered"


async def test_a_receiver_that_fails_is_sent_the_same_event_until_it_recovers(
    jobs, receiver, clock
):
    await subscribe(jobs, "w1", receiver.url("as-told"))
    receiver.behave("fail")
    event = await happen(jobs)
    await deliver(jobs)
    await deliver(jobs)
    assert len(receiver.received) == 1
    clock.advance(seconds=6)
    await deliver(jobs)
    assert await value(jobs, "SELECT failing_since FROM webhook") is not None
    receiver.behave("ok")
    clock.advance(seconds=25)
    await deliver(jobs)
    clock.advance(days=1)
    await deliver(jobs)
    assert [got["headers"]["webhook-id"] for got in receiver.received] == [event] * 3
    assert len({got["headers"]["webhook-signature"] for got in receiver.received}) == 3
    assert [one["status"] for one in await attempts(jobs)] == [500, 500, 204]
    assert await state(jobs) == "delivered"
    assert await value(jobs, "SELECT failing_since FROM webhook") is None


async def test_a_receiver_that_is_down_is_sent_the_event_when_it_is_up(jobs, tmp_path, clock):
    with receiving(tmp_path) as receiver:
        url = receiver.url("ok")
    await subscribe(jobs, "w1", url)
    await happen(jobs)
    await deliver(jobs)
    assert [one["error"] for one in await attempts(jobs)] == ["no-connection"]
    clock.advance(seconds=6)
    with receiving(tmp_path, int(url.split(":")[2].split("/")[0])) as receiver:
        await deliver(jobs)
        assert len(receiver.received) == 1


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
async def test_a_receiver_that_does_not_answer_is_not_waited_for(jobs, receiver, behaviour):
    await subscribe(jobs, "w1", receiver.url(behaviour))
    await happen(jobs)
    await deliver(jobs, seconds=0.3)
    assert [(one["status"], one["error"]) for one in await attempts(jobs)] == [(None, "timeout")]
    assert await state(jobs) == "waiting"


async def test_an_endless_answer_is_not_read(jobs, receiver):
    await subscribe(jobs, "w1", receiver.url("endless"))
    await happen(jobs)
    await deliver(jobs)
    assert await state(jobs) == "delivered"


async def test_what_is_no_http_is_a_failure(jobs, receiver):
    await subscribe(jobs, "w1", receiver.url("nonsense"))
    await happen(jobs)
    await deliver(jobs)
    assert [one["error"] for one in await attempts(jobs)] == ["broken-answer"]


async def test_a_redirection_is_not_followed(jobs, receiver):
    await subscribe(jobs, "w1", receiver.url("redirect"))
    await happen(jobs)
    await deliver(jobs)
    assert [got["path"] for got in receiver.received] == ["/redirect"]
    assert [one["status"] for one in await attempts(jobs)] == [307]


async def test_what_one_receiver_says_is_not_repeated_to_another(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("redirect"))
    await happen(jobs)
    await deliver(jobs)
    clock.advance(seconds=6)
    await deliver(jobs)
    assert ["cookie" in got["headers"] for got in receiver.received] == [False, False]


async def test_a_receiver_that_wants_nothing_more_is_left_alone(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("gone"))
    await happen(jobs)
    await happen(jobs, "e2")
    await deliver(jobs)
    clock.advance(days=1)
    await happen(jobs, "e3")
    await deliver(jobs)
    assert len(receiver.received) == 1
    states = "SELECT string_agg(state, ' ' ORDER BY created_at) FROM webhook_delivery"
    assert await value(jobs, states) == "given_up waiting"
    assert await value(jobs, "SELECT pause_reason FROM webhook WHERE NOT active") == "gone"


async def test_a_receiver_that_asks_for_an_hour_gets_it(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("busy"))
    await happen(jobs)
    await deliver(jobs)
    for minutes, times in ((59, 1), (2, 2)):
        clock.advance(minutes=minutes)
        await deliver(jobs)
        assert len(receiver.received) == times


async def test_a_receiver_that_fails_for_three_days_is_paused_and_tried_no_more(
    jobs, receiver, clock
):
    await subscribe(jobs, "w1", receiver.url("fail"))
    await happen(jobs)
    reasons = []
    for _ in range(9):
        await deliver(jobs)
        clock.advance(hours=9)
        reasons.append(await value(jobs, "SELECT pause_reason FROM webhook"))
    assert reasons == [None] * 8 + ["failing"]
    assert await state(jobs) == "given_up"
    await happen(jobs, "e2")
    await deliver(jobs)
    assert len(receiver.received) == 9
    assert await value(jobs, "SELECT active FROM webhook") is False


async def test_a_receiver_that_hangs_does_not_hold_up_others(jobs, receiver):
    await subscribe(jobs, "a-hangs", receiver.url("hang"))
    await subscribe(jobs, "b-works", receiver.url("ok"))
    post = Post(jobs, Sender(jobs.clock, private=True, seconds=2))
    for number in range(5):
        await happen(jobs, f"e{number}")
    try:
        while await post.take() > 1:
            await post.wait(asyncio.Event())
        by = "SELECT string_agg(state, ' ' ORDER BY state) FROM webhook_delivery WHERE webhook = "
        assert await value(jobs, by + "'b-works'") == " ".join(["delivered"] * 5)
        assert await value(jobs, by + "'a-hangs'") == "sending" + " waiting" * 4
        assert [got["path"] for got in receiver.received].count("/hang") == 1
    finally:
        await post.close()


async def test_two_workers_send_nothing_twice(jobs, receiver):
    for number in range(6):
        await subscribe(jobs, f"w{number}", receiver.url("slow"))
    for number in range(3):
        await happen(jobs, f"e{number}")
    await asyncio.gather(deliver(jobs), deliver(jobs))
    signed = [got["headers"]["webhook-signature"] for got in receiver.received]
    assert len(signed) == len(set(signed)) == 18
    assert await value(jobs, "SELECT bool_and(state = 'delivered') FROM webhook_delivery")


async def taken(session, clock):
    return [str(one.id) for one in await deliveries.claim(session, clock(), [], 10)]


async def test_the_webhook_that_one_worker_is_about_another_passes_over(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("ok"))
    first, second = [await happen(jobs, code) for code in ("e1", "e2")]
    async with jobs.sessions.begin() as one, jobs.sessions.begin() as another:
        assert [await taken(session, clock) for session in (one, another)] == [[first], []]
    async with jobs.sessions.begin() as another:
        assert await taken(another, clock) == [second]


async def waiting(jobs, clock, count=5):
    """Events that wait, the oldest first."""
    events = []
    for number in range(count):
        events.append(await happen(jobs, f"e{number}"))
        clock.advance(milliseconds=1)
    return events


async def sent(receiver):
    return [got["headers"]["webhook-id"] for got in receiver.received]


async def test_a_receiver_that_fails_is_tried_with_one_event_a_step_whatever_waits(
    jobs, receiver, clock
):
    await subscribe(jobs, "w1", receiver.url("as-told"))
    receiver.behave("fail")
    events = await waiting(jobs, clock)
    for seconds, times in ((0, 1), (0, 1), (6, 2), (5, 2), (20, 3), (50, 3), (50, 4)):
        clock.advance(seconds=seconds)
        await deliver(jobs)
        assert len(receiver.received) == times, seconds
    assert await sent(receiver) == events[:4]
    receiver.behave("ok")
    clock.advance(minutes=7)
    await deliver(jobs)
    assert (await sent(receiver))[4:] == [events[4], *events[:4]]
    assert await value(jobs, "SELECT bool_and(state = 'delivered') FROM webhook_delivery")
    assert await value(jobs, "SELECT failures FROM webhook WHERE retry_at IS NULL") == 0


async def test_a_receiver_that_fails_has_one_try_however_many_workers_there_are(
    jobs, receiver, clock
):
    await subscribe(jobs, "w1", receiver.url("fail"))
    first, second, *_ = await waiting(jobs, clock)
    await deliver(jobs)
    clock.advance(seconds=6)
    for expected in ([second], []):
        async with jobs.sessions.begin() as session:
            assert await taken(session, clock) == expected
        async with jobs.sessions.begin() as session:
            await deliveries.again(session, "w1", UUID(second), clock())
    assert await sent(receiver) == [first]
    clock.advance(seconds=31)
    async with jobs.sessions.begin() as session:
        assert len(await taken(session, clock)) == 1


async def test_an_event_that_is_refused_each_time_does_not_stop_the_others(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("as-told"))
    receiver.behave("fail")
    await happen(jobs, "refused")
    await deliver(jobs)
    receiver.behave("ok")
    clock.advance(seconds=1)
    others = await waiting(jobs, clock, 3)
    clock.advance(seconds=5)
    async with jobs.sessions.begin() as session:
        later = {"at": clock() + timedelta(hours=1)}
        stmt = text("UPDATE webhook_delivery SET next_at = :at WHERE tries > 0")
        await session.execute(stmt, later)
    await deliver(jobs)
    assert (await sent(receiver))[1:] == others


async def test_what_is_sent_again_by_request_goes_first_though_the_webhook_rests(
    jobs, receiver, clock
):
    await subscribe(jobs, "w1", receiver.url("fail"))
    *_, last = await waiting(jobs, clock)
    for _ in range(4):
        await deliver(jobs)
        clock.advance(hours=1)
    before = len(receiver.received)
    async with jobs.sessions.begin() as session:
        await session.execute(
            text("UPDATE webhook SET retry_at = :at"), {"at": clock() + timedelta(hours=8)}
        )
    await deliver(jobs)
    assert len(receiver.received) == before
    async with jobs.sessions.begin() as session:
        await deliveries.again(session, "w1", UUID(last), clock())
    await deliver(jobs)
    assert (await sent(receiver))[before:] == [last]


@pytest.mark.parametrize(("behaviour", "status"), [("slow", 204), ("fail", 500)])
async def test_what_is_asked_for_while_it_is_being_sent_is_sent_again_afterwards(
    jobs, receiver, clock, behaviour, status
):
    await subscribe(jobs, "w1", receiver.url(behaviour))
    event = await happen(jobs)
    async with jobs.sessions.begin() as session:
        (mine,) = await deliveries.claim(session, clock(), [], 1)
    async with jobs.sessions.begin() as session:
        asked = await deliveries.again(session, "w1", UUID(event), clock())
    assert asked.state == "sending"
    async with jobs.sessions.begin() as session:
        await deliveries.settle(session, mine, rules.Attempt(clock(), 9, status), 0.5)
    assert await state(jobs) == "waiting"
    await deliver(jobs)
    assert await sent(receiver) == [event]
    assert [one["status"] for one in await attempts(jobs)] == [status] * 2
    clock.advance(days=4)
    await deliver(jobs)
    assert len(receiver.received) == (1 if status == 204 else 2)


async def test_receivers_that_do_not_fail_come_before_those_that_do(jobs, receiver, clock):
    await subscribe(jobs, "a-fails", receiver.url("fail"))
    await happen(jobs)
    await deliver(jobs)
    await subscribe(jobs, "b-works", receiver.url("ok"))
    clock.advance(hours=1)
    await happen(jobs, "e2")
    clock.advance(seconds=1)
    order = []
    async with jobs.sessions.begin() as session:
        for _ in range(2):
            order += [one.webhook for one in await deliveries.claim(session, clock(), order, 1)]
    assert order == ["b-works", "a-fails"]


def test_one_name_cannot_have_a_worker_to_itself():
    assert rules.MOST_WEBHOOKS < MOST_AT_ONCE


OVERDUE = rules.dossier_overdue("A1", "000.00.01.H00-260601-00001", datetime.now(UTC))


async def want(session, *events):
    values = {"url": "https://receiver.example/", "agencies": None, "active": True}
    values |= {"events": list(events), "url_by": "test"}
    await webhooks.put(session, "w1", values, OVERDUE.time, Expected())


async def tell(session):
    await webhooks.enqueue(session, OVERDUE.time, OVERDUE)


async def narrow(session):
    await want(session, "edition.published")


@pytest.mark.parametrize(("first", "then"), [(narrow, tell), (tell, narrow)])
async def test_what_happens_while_a_webhook_is_put_is_told_as_it_wants_it_then(jobs, first, then):
    async def second():
        async with jobs.sessions.begin() as session:
            await then(session)

    async with jobs.sessions.begin() as session:
        await want(session, "dossier.overdue")
    async with jobs.sessions.begin() as session:
        await first(session)
        waits = asyncio.create_task(second())
        locked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not waits.done() and not await value(jobs, locked):
            await asyncio.wait([waits], timeout=0.02)
    await waits
    assert await value(jobs, "SELECT count(*) FROM webhook_delivery") == 0


async def test_a_webhook_that_is_put_anew_does_not_rest(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("fail"))
    await waiting(jobs, clock)
    for _ in range(4):
        await deliver(jobs)
        clock.advance(hours=1)
    await deliver(jobs)
    before = len(receiver.received)
    await subscribe(jobs, "w1", receiver.url("ok"), secrets=0)
    await deliver(jobs)
    assert len(receiver.received) > before


async def test_what_a_lost_worker_had_taken_is_sent_by_the_next(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("ok"))
    event = await happen(jobs)
    async with jobs.sessions.begin() as session:
        (lost,) = await deliveries.claim(session, clock(), [], 10)
    await deliver(jobs)
    assert receiver.received == []
    clock.advance(seconds=31)
    async with jobs.sessions.begin() as session:
        (again,) = await deliveries.claim(session, clock(), [], 10)
        assert str(again.id) == event
    async with jobs.sessions.begin() as session:
        late = rules.Attempt(clock(), 31_000, 204)
        await deliveries.settle(session, lost, late, 0.5)
    assert (await state(jobs), await attempts(jobs)) == ("sending", [])


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("127.0.0.1", "address-not-allowed"),
        ("[::1]", "address-not-allowed"),
        ("localhost", "name-not-found"),
        ("127.1", "name-not-found"),
        ("0x7f000001", "name-not-found"),
    ],
)
async def test_nothing_is_sent_to_this_machine_unless_the_setting_allows_it(
    jobs, receiver, host, error
):
    await subscribe(jobs, "w1", receiver.url("ok", host).replace("http:", "https:"))
    await happen(jobs)
    await deliver(jobs, private=False)
    assert receiver.received == []
    assert [one["error"] for one in await attempts(jobs)] == [error]


async def test_nothing_is_sent_without_tls_unless_the_setting_allows_it(jobs, receiver):
    await subscribe(jobs, "w1", "http://example.com/")
    await happen(jobs)
    await deliver(jobs, private=False)
    assert [one["error"] for one in await attempts(jobs)] == ["address-not-allowed"]


@pytest.fixture
def names(monkeypatch):
    """Names of the network, as an attacker may answer for them, and how often each was asked."""
    led, asked, real = {}, [], socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        asked.append(host)
        found = [real(address, port, *args, **kwargs) for address in led.get(host, [host])]
        return [place for places in found for place in places]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return led, asked


async def test_a_name_that_also_leads_to_a_private_address_is_refused(jobs, receiver, names):
    names[0]["mixed.example"] = ["8.8.8.8", "127.0.0.1"]
    await subscribe(jobs, "w1", "https://mixed.example/x")
    await happen(jobs)
    await deliver(jobs, private=False)
    assert [one["error"] for one in await attempts(jobs)] == ["address-not-allowed"]


async def test_a_name_that_is_known_inside_only_looks_like_one_that_is_not_known(jobs, names):
    names[0]["inside.example"] = ["10.1.2.3"]
    for code, host in (("w1", "inside.example"), ("w2", "name.invalid")):
        await subscribe(jobs, code, f"https://{host}/x")
    await happen(jobs)
    await deliver(jobs, private=False)
    told = "SELECT array_agg(attempts -> 0 ->> 'error') FROM webhook_delivery"
    assert await value(jobs, told) == ["name-not-found"] * 2


async def test_a_name_is_asked_once_and_the_address_that_was_looked_at_is_called(
    jobs, receiver, names
):
    names[0]["receiver.example"] = ["127.0.0.1"]
    url = receiver.url("ok", "receiver.example")
    await subscribe(jobs, "w1", url)
    await happen(jobs)
    await deliver(jobs)
    assert names[1].count("receiver.example") == 1
    (got,) = receiver.received
    assert got["headers"]["host"] == url.split("/")[2]


async def test_of_two_addresses_the_one_that_answers_is_used(jobs, receiver, names):
    names[0]["receiver.example"] = ["127.9.9.9", "127.0.0.1"]
    await subscribe(jobs, "w1", receiver.url("ok", "receiver.example"))
    await happen(jobs)
    await deliver(jobs)
    assert len(receiver.received) == 1


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate of receiver.example, with its key, that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key.private_bytes(*private) + made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("host", "received"), [("receiver.example", 1), ("other.example", 0), ("127.0.0.1", 0)]
)
async def test_a_receiver_must_have_the_certificate_of_the_name_it_is_called_by(
    jobs, tmp_path, names, certificate, host, received
):
    names[0].update({"receiver.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    with receiving(tmp_path, certificate=certificate) as receiver:
        await subscribe(jobs, "w1", receiver.url("ok", host))
        await happen(jobs)
        await deliver(jobs, context=ssl.create_default_context(cafile=certificate))
        assert len(receiver.received) == received
    error = None if received else "no-connection"
    assert [one["error"] for one in await attempts(jobs)] == [error]


@pytest.mark.parametrize("host", ["name.invalid", "a" * 64 + ".example", ".", "a..b"])
async def test_a_name_that_leads_nowhere_is_a_failure(jobs, host):
    await subscribe(jobs, "w1", f"https://{host}/x")
    await happen(jobs)
    await deliver(jobs, private=False)
    assert [one["error"] for one in await attempts(jobs)] == ["name-not-found"]
    assert await state(jobs) == "waiting"


async def test_a_worker_told_to_stop_finishes_what_is_under_way(jobs, receiver):
    await subscribe(jobs, "w1", receiver.url("slow"))
    await happen(jobs)
    stop = asyncio.Event()
    working = asyncio.create_task(work(jobs, stop))
    await asyncio.to_thread(wait_until, lambda: receiver.received, "nothing is sent")
    stop.set()
    await working
    assert await state(jobs) == "delivered"


async def test_settled_deliveries_are_forgotten_after_thirty_days(jobs, receiver, clock):
    await subscribe(jobs, "w1", receiver.url("ok"))
    await happen(jobs)
    await deliver(jobs)
    for days, left in ((29, 1), (2, 0)):
        clock.advance(days=days)
        async with jobs.sessions.begin() as session:
            await deliveries.forget(session, clock())
        assert await value(jobs, "SELECT count(*) FROM webhook_delivery") == left
