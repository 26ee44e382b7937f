"""What a device's numbers say."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from app.domain.device import Arrivals, Gap, SequenceReport


def report(arrivals: Arrivals, *gaps: Gap) -> SequenceReport:
    return SequenceReport("K1", "A1", "Q1", arrivals, gaps)


def test_a_device_that_has_sent_nothing_misses_nothing():
    fresh = report(Arrivals())
    assert (fresh.arrivals.received, fresh.arrivals.missing, fresh.truncated) == (0, 0, False)


def test_a_refused_number_has_arrived():
    arrivals = Arrivals(last_seq=7, accepted=3, refused=1)
    assert (arrivals.received, arrivals.missing) == (4, 3)


@given(st.sets(st.integers(1, 60), max_size=40), st.integers(0, 30))
def test_a_report_is_truncated_exactly_when_it_leaves_out_a_gap(numbers, most):
    arrivals = Arrivals(max(numbers, default=0), len(numbers))
    absent = [n for n in range(1, arrivals.last_seq + 1) if n not in numbers]
    runs = [
        [n for _, n in run] for _, run in groupby(enumerate(absent), lambda one: one[1] - one[0])
    ]
    gaps = [Gap(run[0], run[-1]) for run in runs]
    assert arrivals.missing == len(absent)
    assert report(arrivals, *gaps[:most]).truncated == (len(gaps) > most)
