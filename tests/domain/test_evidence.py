"""How much of their forms and dossiers the figures of several agencies speak for together."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.evidence import Funnel, together
from app.domain.forms import Forms, Reach

counts = st.integers(0, 500)
forms = st.builds(Forms, st.none() | counts, st.none() | counts, st.none() | counts)
funnels = st.builds(Funnel, *[counts] * 6)
agencies = st.lists(st.tuples(forms, funnels), max_size=6)

KNOWN = Forms(200, 150, 140), Funnel(returned=60, rated=30)
LARGER = Forms(600, 300, 300), Funnel(returned=30, rated=30)


def test_several_agencies_speak_for_their_forms_and_dossiers_added_up():
    assert together([KNOWN, LARGER]) == Reach(Decimal("56.25"), Decimal("66.67"))


def test_of_forms_that_one_agency_did_not_record_nobody_knows_the_share():
    unrecorded = Forms(None, None, 9), Funnel()
    assert together([KNOWN, unrecorded]) == Reach(None, Decimal("50.00"))
    half_recorded = Forms(40, None, 9), Funnel()
    assert together([half_recorded, LARGER]) == Reach(None, Decimal("100.00"))


def test_no_agencies_speak_for_nothing():
    assert together([]) == Reach()


@given(agencies, st.randoms())
def test_the_order_of_the_agencies_makes_no_difference(drawn, chance):
    found = together(drawn)
    chance.shuffle(drawn)
    assert together(drawn) == found


@given(st.tuples(forms, funnels))
def test_one_agency_speaks_for_its_own(drawn):
    own, came = drawn
    assert together([drawn]) == Reach(own.response_rate, came.share_rated)


@given(agencies.filter(bool), st.integers(2, 5))
def test_more_agencies_of_the_same_kind_speak_for_the_same_share(drawn, times):
    assert together(drawn * times) == together(drawn)


def test_what_one_agency_did_not_record_of_its_forms_is_not_known_of_both():
    assert Forms(20, 15, None) + Forms(8, None, 4) == Forms(28, None, None)
