"""Invitations: what a token tells, and how long it holds."""

import base64
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import invitation
from app.domain.invitation import Terms

KEY = b"a secret of the tests, long enough for one"
ISSUED = datetime(2026, 6, 15, 10, tzinfo=UTC)

agency_ids = st.integers(1, invitation.LARGEST_AGENCY_ID)
agencies = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
dossiers = st.from_regex(r"[A-Z][0-9]{2}\.[0-9]{1,3}-[0-9]{6}-[0-9]{4,5}", fullmatch=True)
numbers = st.integers(1, 10_000)
named = st.tuples(agency_ids, agencies, dossiers, numbers)


@given(named)
def test_a_token_read_leads_to_the_agency_and_itself(what):
    token = invitation.make(KEY, *what)
    assert invitation.read(token) == (what[0], token)
    assert invitation.read(token.lower()) == (what[0], token)


@given(named)
def test_a_token_is_32_characters_that_can_be_read_aloud(what):
    token = invitation.make(KEY, *what)
    assert len(token) == 32
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert 8 * len(base64.b32decode(token)[4:]) >= 128


@given(named, named)
def test_another_agency_dossier_or_number_has_another_token(one, other):
    same = one == other
    assert (invitation.make(KEY, *one) == invitation.make(KEY, *other)) == same


@given(named)
def test_without_the_key_nobody_makes_the_token(what):
    theirs = invitation.make(b"another secret, just as long as ours is", *what)
    assert invitation.make(KEY, *what)[8:] != theirs[8:]


@given(named)
def test_the_same_invitation_always_has_the_same_token(what):
    assert invitation.make(KEY, *what) == invitation.make(KEY, *what)


@given(named)
def test_a_token_says_nothing_of_its_dossier(what):
    token = invitation.make(KEY, *what)
    assert what[2] not in token
    assert what[2].encode() not in base64.b32decode(token)


def test_agency_and_dossier_cannot_be_mixed_up():
    assert invitation.make(KEY, 1, "A1", "H00-260601-0001", 11) != invitation.make(
        KEY, 1, "A1", "H00-260601-00011", 1
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "thanks",
        "A" * 31,
        "A" * 33,
        "AAAAAAI" + "A" * 24 + "1",
        "AAAAAAI" + "A" * 24 + "=",
        "AAAAAAI" + "A" * 24 + "ı",
        "AAAAAAI" + "A" * 24 + "\n",
        "A" * 32,  # no agency has the number 0
        "7" * 32,  # nor one beyond what PostgreSQL counts
    ],
)
def test_what_cannot_be_a_token_is_refused(text):
    with pytest.raises(ValueError, match="not a token"):
        invitation.read(text)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        agency_id, token = invitation.read(text)
    except ValueError:
        return
    assert 0 < agency_id <= invitation.LARGEST_AGENCY_ID
    assert token == text.upper()


def test_an_invitation_holds_as_long_as_the_survey_says():
    terms = Terms(invitation_days=30, rating_window_days=90, closes_on=None)
    assert terms.expiry(ISSUED, ISSUED) == ISSUED + timedelta(days=30)


def test_an_invitation_does_not_outlive_the_time_for_rating():
    terms = Terms(invitation_days=30, rating_window_days=40, closes_on=None)
    returned = ISSUED - timedelta(days=20)
    assert terms.expiry(ISSUED, returned) == returned + timedelta(days=40)


def test_an_invitation_ends_with_the_last_day_of_the_survey_in_vietnam():
    terms = Terms(invitation_days=30, rating_window_days=90, closes_on=date(2026, 6, 20))
    assert terms.expiry(ISSUED, ISSUED) == datetime(2026, 6, 20, 17, tzinfo=UTC)


def test_none_is_issued_when_the_time_for_rating_is_over():
    terms = Terms(invitation_days=30, rating_window_days=20, closes_on=None)
    assert terms.expiry(ISSUED, ISSUED - timedelta(days=20)) is None


days = st.integers(1, 3650)


@given(days, days, st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)), days)
def test_an_invitation_is_always_for_a_time_to_come(granted, window, closes_on, ago):
    returned = ISSUED - timedelta(days=ago)
    expiry = Terms(granted, window, closes_on).expiry(ISSUED, returned)
    if expiry is not None:
        assert ISSUED < expiry <= ISSUED + timedelta(days=granted)
        assert expiry <= returned + timedelta(days=window)
