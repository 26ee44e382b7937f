"""What webhooks are told, when they are tried again, and where they may be sent to."""

import base64
import json
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import webhook
from app.domain.errors import InvalidError
from app.domain.receiver import check_url, public
from app.domain.webhook import Attempt, PauseReason, WebhookEvent, next_attempt, pause

NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)
DAY = timedelta(days=1)

chances = st.floats(0, 1, exclude_max=True)


def failed(at=NOW, status=500, **more):
    return Attempt(at, 10, status, **more)


def all_tries(chance, **more):
    """The moments of all tries of a receiver that always fails."""
    at, tries = NOW, []
    while at is not None:
        tries.append(at)
        at = next_attempt(NOW, len(tries), failed(at, **more), chance)
    return tries


@given(chances)
def test_a_receiver_that_always_fails_is_tried_for_three_days_and_then_no_more(chance):
    tries = all_tries(chance)
    assert tries[-1] == NOW + 3 * DAY
    assert 14 <= len(tries) <= 20


@given(chances)
def test_each_wait_is_longer_than_the_one_before_until_they_are_eight_hours(chance):
    tries = all_tries(chance)
    waits = [after - before for before, after in pairwise(tries[:-1])]
    assert waits == sorted(waits)
    assert timedelta(seconds=4) <= waits[0] <= timedelta(seconds=6)
    assert waits[-1] <= timedelta(hours=9.6)


def test_waits_grow_fourfold():
    waits = [next_attempt(NOW, tries, failed(), 0.5) - NOW for tries in (1, 2, 3, 4)]
    assert [wait.total_seconds() for wait in waits] == [5, 20, 80, 320]


def test_chance_spreads_the_waits_by_a_fifth_to_either_side():
    early, late = (next_attempt(NOW, 4, failed(), chance) - NOW for chance in (0, 1))
    assert (early.total_seconds(), late.total_seconds()) == (256, 384)


@given(st.integers(1, 10**6), chances)
def test_what_was_tried_however_often_waits_no_longer_than_the_longest_wait(tries, chance):
    again = next_attempt(NOW, tries, failed(), chance)
    assert NOW < again <= NOW + timedelta(hours=9.6)


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_time_is_given_it(status):
    asked = timedelta(hours=2)
    assert next_attempt(NOW, 1, failed(status=status, retry_after=asked), 0.5) == NOW + asked


@pytest.mark.parametrize(
    ("status", "asked"),
    [(500, timedelta(hours=2)), (503, timedelta(days=-3)), (503, None), (429, timedelta())],
)
def test_what_is_asked_for_otherwise_changes_nothing(status, asked):
    last = failed(status=status, retry_after=asked)
    assert next_attempt(NOW, 1, last, 0.5) == NOW + timedelta(seconds=5)


@given(st.timedeltas(), chances)
def test_nobody_can_ask_for_more_than_a_day_or_be_tried_after_three(asked, chance):
    for at in all_tries(chance, status=503, retry_after=asked)[1:]:
        assert NOW < at <= NOW + 3 * DAY
    again = next_attempt(NOW, 1, failed(status=503, retry_after=asked), chance)
    assert again <= NOW + DAY


def test_a_receiver_that_is_gone_is_not_tried_again_and_the_webhook_paused():
    gone = failed(status=410)
    assert next_attempt(NOW, 1, gone, 0.5) is None
    assert pause(gone, NOW) is PauseReason.GONE


@pytest.mark.parametrize(("since", "reason"), [(2.9, None), (3, PauseReason.FAILING)])
def test_three_days_of_failures_pause_a_webhook(since, reason):
    assert pause(failed(), NOW - since * DAY) is reason


@pytest.mark.parametrize(
    ("status", "delivered"),
    [
        (200, True),
        (204, True),
        (299, True),
        (199, False),
        (300, False),
        (302, False),
        (None, False),
    ],
)
def test_only_a_success_is_a_delivery(status, delivered):
    assert failed(status=status).delivered is delivered


def test_a_secret_is_made_of_its_salt_and_nobody_makes_it_without_the_key():
    salt = uuid4()
    made = webhook.secret(b"key", salt)
    assert made == webhook.secret(b"key", salt)
    assert made not in {webhook.secret(b"other", salt), webhook.secret(b"key", uuid4())}
    assert base64.b64decode(webhook.shown(made).removeprefix("whsec_")) == made
    assert 24 <= len(made) <= 64


PERIOD = (date(2026, 1, 1), date(2026, 3, 31))
RATING = UUID("8f14e45f-ceea-467f-a0e6-1f9c3f6f3a57")
EVENTS = [
    webhook.edition_published("e1", "peers", PERIOD, None, NOW),
    webhook.operation_finished(RATING, NOW, {"state": "done"}, frozenset({"A1"})),
    webhook.rating_low("A1", RATING, "s1", date(2026, 6, 15)),
    webhook.dossier_overdue("A1", "000.00.01.H00-260601-00001", NOW),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type.value)
def test_an_event_is_written_as_cloudevents_asks(event):
    said = json.loads(event.body)
    assert said["specversion"] == "1.0"
    assert said["id"] == str(event.id)
    assert said["type"] == event.type
    assert said["subject"].startswith("/v1/")
    assert all(said[name] for name in ("source", "datacontenttype", "data"))


def test_the_same_event_has_the_same_id_and_another_one_another():
    again = webhook.edition_published("e1", "peers", PERIOD, None, NOW)
    other = webhook.edition_published("e2", "peers", PERIOD, None, NOW)
    assert again.id == EVENTS[0].id != other.id
    due = [webhook.dossier_overdue("A1", "d", NOW + DAY * days) for days in (0, 1)]
    assert due[0].id != due[1].id


def test_a_low_rating_tells_the_day_and_no_moment():
    said = json.loads(EVENTS[2].body)
    assert "time" not in said
    assert said["data"] == {
        "agency": "A1",
        "survey": "s1",
        "rating": str(RATING),
        "rated_on": "2026-06-15",
    }


def test_who_subscribes_must_be_allowed_to_read_it():
    every = list(WebhookEvent)
    assert webhook.faults_of_events(every, frozenset({"ratings:read", "dossiers:read"})) == []
    faults = webhook.faults_of_events(every, frozenset({"ratings:read"}))
    assert [fault.pointer for fault in faults] == [f"/events/{every.index('dossier.overdue')}"]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_closed(address):
    assert not public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111"]
)
def test_an_address_of_the_public_internet_is_open(address):
    assert public(ip_address(address))


@given(st.ip_addresses())
def test_nothing_is_open_that_the_standard_library_calls_private(address):
    if public(address):
        assert address.is_global
        assert not address.is_multicast


def refusal(url, *, private=False):
    try:
        check_url(url, private=private)
    except InvalidError as error:
        return error.faults[0].code
    return None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.vn",
        "https://example.vn/hooks/1?key=a%20b",
        "https://example.vn:8443/x",
        "https://xn--cng-dch-v-s4a.vn/",
        "https://[2606:4700:4700::1111]/x",
    ],
)
def test_an_https_address_is_accepted(url):
    assert refusal(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://user:password@example.vn/",
        "https://user@example.vn/",
        "https://example.vn/#part",
        "https://example.vn/a b",
        "https://example.vn:0/",
        "https://example.vn:65536/",
        "https://example.vn\\@evil.vn/",
        "https://dịch-vụ.vn/",
        "https:///x",
        "https://",
        "ftp://example.vn/",
        "file:///etc/passwd",
        "//example.vn/",
        "https://example.vn/\n",
        "https://example.vn/" + "a" * 2000,
        "",
    ],
)
def test_what_is_no_plain_web_address_is_refused_whatever_is_allowed(url):
    assert refusal(url) == refusal(url, private=True) == "bad-webhook-url"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.vn/", "webhook-url-not-https"),
        ("https://127.0.0.1/", "webhook-url-private"),
        ("https://169.254.169.254/latest", "webhook-url-private"),
        ("https://[::1]/", "webhook-url-private"),
        ("https://[::ffff:10.0.0.1]/", "webhook-url-private"),
    ],
)
def test_an_unsafe_address_is_refused_unless_the_setting_allows_it(url, code):
    assert refusal(url) == code
    assert refusal(url, private=True) is None
