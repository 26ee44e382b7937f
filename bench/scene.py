"""A province to measure with: its catalogue through the API, its many rows by SQL.

Dossiers and ratings have numbers from 0 on: number n belongs to agency n modulo how many there are.
Codes are made of numbers here, in the SQL below and in load.lua, alike.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from httpx import ASGITransport, AsyncClient

from app.db import schema
from app.db.opening import database
from app.domain.period import VIETNAM
from app.main import create_app
from app.settings import Settings
from bench.lines import BenchError
from bench.scratch import ADMIN_KEY, Service, ask, command, number

AGENCIES, COMMUNES = 18, 160  # of a province
COUNTERS, PROCEDURES, OFFICERS, QUESTIONS = 5, 20, 20, 9
GROUP, SURVEY = "peers", "standing"
CRITERIA = ((1,), (2, 3), (4, 5), (6,), (7, 8), (9,))
LEVELS = ("Rất hài lòng", "Hài lòng", "Bình thường", "Không hài lòng", "Rất không hài lòng")
CHANNELS = ("tablet", "portal", "mobile", "e_office", "post", "email", "sms")
DAY_OF_DOSSIERS = 100_000  # as many serials as a code has room for
MOST_AT_ONCE = 100_000

Json = dict[str, Any]

YEAR = datetime.now(VIETNAM).year - 1  # The last whole one: a ranking's twelve months.


def found(data: Path, url: str | None = None, peers: int = AGENCIES) -> None:
    """Bring up the schema in the database, which is empty, and store the catalogue."""
    # None where the environment could choose otherwise.
    settings = Settings(
        data_dir=data,
        database_url=url,
        admin_key=ADMIN_KEY,
        reference_key=None,
        log_level="warning",
    )

    async def store() -> None:
        async with database(settings.address, settings.data_dir) as engine:
            await schema.migrate(engine)
        app = create_app(settings)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with (
            app.router.lifespan_context(app),
            AsyncClient(transport=ASGITransport(app), base_url="http://bench") as client,
        ):
            for path, body in _catalogue(peers):
                answer = await client.put(f"/v1/{path}", json=body, headers=headers)
                answer.raise_for_status()

    asyncio.run(store())


def _catalogue(peers: int) -> Iterator[tuple[str, Json]]:
    since = f"{YEAR - 1}-01-01"
    agencies = [f"H99.{place:02}" for place in range(1, peers + 1)]
    for agency in agencies:
        name = {"vi": f"Cơ quan {agency}"}
        yield f"agencies/{agency}", {"name": name, "kind": "department", "valid_from": since}
        for counter in range(1, COUNTERS + 1):
            yield f"agencies/{agency}/counters/Q{counter:02}", {"name": {"vi": f"Quầy {counter}"}}
    for procedure in range(1, PROCEDURES + 1):
        body = {"name": {"vi": f"Thủ tục {procedure}"}, "field": "Chung", "working_days": 5}
        yield f"procedures/1.{procedure:06}", {**body, "online": "full"}
    members = [{"agency": agency, "valid_from": since} for agency in agencies]
    yield f"peer-groups/{GROUP}", {"name": {"vi": "Các cơ quan cùng khối"}, "members": members}
    yield "questionnaires/form/versions/1", _form()
    survey = {"title": {"vi": "Thường xuyên"}, "questionnaire": "form", "version": 1}
    yield f"surveys/{SURVEY}", {**survey, "opens_on": f"{YEAR}-01-01", "peer_group": GROUP}


def _form() -> Json:
    options = [
        {"code": str(score), "label": {"vi": label}, "score": score, "satisfied": score > 3}  # noqa: PLR2004
        for score, label in zip((5, 4, 3, 2, 1), LEVELS, strict=True)
    ]
    criteria = [
        {
            "code": f"c{place}",
            "name": {"vi": f"Tiêu chí {place}"},
            "weight": 1,
            "questions": [
                {"code": f"q{q}", "text": {"vi": f"Câu hỏi {q}"}, "options": options}
                for q in questions
            ],
        }
        for place, questions in enumerate(CRITERIA, 1)
    ]
    overall = f"q{QUESTIONS}"
    return {"title": {"vi": "Phiếu"}, "overall_question": overall, "criteria": criteria}


def bodies(first: int, chance: random.Random) -> Iterator[Json]:
    """Ratings of the dossiers from number `first` on, without end."""
    place = first
    while True:
        agency, (day, serial) = place % AGENCIES + 1, divmod(place // AGENCIES, DAY_OF_DOSSIERS)
        yield {
            "agency": f"H99.{agency:02}",
            "survey": SURVEY,
            "dossier": f"000.00.{agency:02}.H99-2601{day + 1:02}-{serial:05}",
            "channel": chance.choice(CHANNELS),
            "counter": f"Q{chance.randint(1, COUNTERS):02}",
            "answers": {f"q{q}": str(chance.randint(1, 5)) for q in range(1, QUESTIONS + 1)},
        }
        place += 1


# Dossier or rating n belongs to the agency with place a, and is its k-th.
_REGISTER = f"""
INSERT INTO dossier (agency_id, code, procedure, counter, channel, officer, applicant_kind,
                     received_at, receipt_due_at, due_at, status, returned_at, ended_at, revision)
SELECT agency.id,
       format('000.00.%s.H99-2601%s-%s', lpad(a::text, 2, '0'),
              lpad((k / {DAY_OF_DOSSIERS} + 1)::text, 2, '0'),
              lpad((k % {DAY_OF_DOSSIERS})::text, 5, '0')),
       '1.' || lpad((k % {PROCEDURES} + 1)::text, 6, '0'),
       'Q' || lpad((k / 7 % {COUNTERS} + 1)::text, 2, '0'),
       (ARRAY['desk', 'online', 'post'])[k / 11 % 3 + 1],
       'officer-' || k / 13 % {OFFICERS}, 'citizen', at - interval '5 days',
       at + interval '2 days', at + interval '2 days' - k % 5 * interval '1 day', 10, at, at, 2
  FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
 CROSS JOIN LATERAL (SELECT n % {AGENCIES} + 1 AS a, n / {AGENCIES} AS k) AS parts
  JOIN agency ON agency.code = 'H99.' || lpad(a::text, 2, '0')
 CROSS JOIN LATERAL (
       SELECT CAST(:now AS timestamptz) - (k % 20 + 1) * interval '1 day' AS at) AS moments
"""

# Some are rated better than others.
_ANSWER = "(1 + floor(power(random(), 2 + a::float / CAST(:peers AS int)) * 5))::smallint"
_RATE = f"""
INSERT INTO rating (agency_id, id, survey_id, basis, reference, digest, channel, service_channel,
                    counter, procedure, officer, answers, rated_at, received_at, funnel_month,
                    funnel_counter, released)
SELECT agency.id, uuidv7(), survey.id, 'dossier', sha256(uuid_send(gen_random_uuid())),
       sha256(uuid_send(gen_random_uuid())), (ARRAY{list(CHANNELS)})[k % {len(CHANNELS)} + 1],
       (ARRAY['desk', 'online', 'post'])[k / 11 % 3 + 1],
       'Q' || lpad((k / 7 % {COUNTERS} + 1)::text, 2, '0'),
       '1.' || lpad((k % {PROCEDURES} + 1)::text, 6, '0'), 'officer-' || k / 13 % {OFFICERS},
       ARRAY[{", ".join([_ANSWER] * QUESTIONS)}], at, at,
       date_trunc('month', at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
       'Q' || lpad((k / 7 % {COUNTERS} + 1)::text, 2, '0'), false
  FROM survey
 CROSS JOIN generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
 CROSS JOIN LATERAL (
       SELECT n % CAST(:peers AS int) + 1 AS a, n / CAST(:peers AS int) AS k) AS parts
  JOIN agency ON agency.code = 'H99.' || to_char(a, 'FM900')
 CROSS JOIN LATERAL (
       SELECT CAST(:since AS timestamptz) + n * interval '365 days' / :count AS at) AS moments
"""


def register(url: str, first: int, count: int) -> None:
    """Store dossiers with the numbers from `first` on, their results returned; not counted yet."""
    for start in range(first, first + count, MOST_AT_ONCE):
        last = min(start + MOST_AT_ONCE, first + count) - 1
        ask(url, _REGISTER, first=start, last=last, now=datetime.now(UTC))
    ask(url, "VACUUM (ANALYZE) dossier", "CHECKPOINT")


def rate(url: str, count: int, peers: int = AGENCIES) -> Iterator[int]:
    """Store ratings as they came in over the twelve months, not counted; yields how many."""
    since = datetime(YEAR, 1, 1, tzinfo=VIETNAM)
    for start in range(0, count, MOST_AT_ONCE):
        last = min(start + MOST_AT_ONCE, count) - 1
        ask(url, _RATE, first=start, last=last, count=count, since=since, peers=peers)
        yield last + 1


def recount(data: Path, url: str) -> None:
    """Have the product count what was stored behind its back."""
    ask(url, "VACUUM (ANALYZE)")
    command(data, "recount", "--repair", "--yes", database_url=url)
    if found := drift(data, url):
        raise BenchError(f"after a repair {found} counts differ from what they count")
    ask(url, "VACUUM (ANALYZE)", "CHECKPOINT")


def drift(data: Path, url: str) -> int:
    """How many counts differ from what they count, as `hailong recount` says."""
    said = command(data, "recount", "--json", database_url=url)
    try:
        return int(json.loads(said.stdout)["drift"])
    except (ValueError, KeyError) as error:
        raise BenchError(f"hailong recount says: {(said.stderr or said.stdout).strip()}") from error


def stored(url: str) -> int:
    """The number of ratings."""
    return number(url, "SELECT count(*) FROM rating")


def counted(service: Service) -> int:
    """The number of ratings that figures rest on."""
    query = {"first": f"{YEAR}-01-01", "last": f"{YEAR + 1}-12-31", "method": "overall-question@1"}
    answer = httpx.get(
        service.url("/v1/rankings"),
        params={**query, "peer_group": GROUP, "survey": SURVEY},
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        trust_env=False,
    )
    ranking = answer.raise_for_status().json()
    return sum(int(row["n"]) for row in (*ranking["rows"], *ranking["unranked"]))
