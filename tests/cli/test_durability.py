"""An acknowledged rating survives: kill -9 of the service and of its PostgreSQL, and storms."""

import random
from itertools import islice

import pytest

from app.db.embedded import EmbeddedServer
from bench import scene
from bench.durability import kill_and_check
from bench.scratch import folder, serving
from bench.storm import storm


@pytest.fixture(scope="module")
def province():
    """A data folder with returned dossiers that nobody has rated, and ratings of them."""
    with folder() as data:
        with EmbeddedServer(data) as server:
            scene.found(data)
            url = server.start()
            scene.register(url, 0, 12_000)
            scene.recount(data, url)
        yield data, scene.bodies(0, random.Random(1))


@pytest.mark.parametrize(("workers", "latest"), [(1, 0.4), (2, 1.0), (1, 1.0)])
def test_what_was_acknowledged_is_there_once_after_everything_was_killed(province, workers, latest):
    data, bodies = province
    moment = random.uniform(0.1, latest)
    outcome = kill_and_check(data, moment, bodies, workers=workers)
    assert outcome.acknowledged > 0
    assert outcome.whole, (moment, outcome)


def test_a_storm_of_repeats_loses_nothing_and_counts_nothing_twice(province):
    data, bodies = province
    sent, seed = list(islice(bodies, 300)), random.randrange(2**32)
    with serving(data, workers=2) as service:
        outcome = storm(service, sent, seed)
    assert outcome.whole, (seed, outcome)
    assert outcome.ratings == len(sent)
    assert outcome.broken_off > 0
