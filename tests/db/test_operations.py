"""Operations as workers claim them."""

from contextlib import AsyncExitStack
from datetime import timedelta

from conftest import NOW
from sqlalchemy import text

from app.db import operations

ROW = b'{"agency": "A1"}\n'
NDJSON = {"Content-Type": "application/x-ndjson"}


async def queued(client):
    answer = await client.post("/v1/imports/ratings", content=ROW, headers=NDJSON)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def test_what_fails_again_and_again_stands_behind_what_does_not(committed, committing):
    client = await committed.caller()
    poison, interrupted, last = [await queued(client) for _ in range(3)]
    tried = text("""
        UPDATE operation SET created_at = :at, attempts = :attempts, state = 'running'
         WHERE id = :id
    """)
    for number, (one, attempts) in enumerate(((poison, 5), (interrupted, 1), (last, 0))):
        at = NOW + timedelta(seconds=number)
        await committed.session.execute(tried, {"id": one, "attempts": attempts, "at": at})
    await committed.session.commit()
    async with AsyncExitStack() as workers:
        connections = [
            await workers.enter_async_context(operations.holding(committing)) for _ in range(3)
        ]
        claimed = [await operations.claim(connection, NOW) for connection in connections]
    assert [str(one.id) for one in claimed] == [interrupted, last, poison]
