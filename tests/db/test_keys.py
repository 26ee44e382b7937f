"""Keys: changed for another one in time, and when each was last used."""

import asyncio
from datetime import timedelta

import pytest
from conftest import NOW
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.cli.keys import new_key
from app.db import keys
from app.db.known import Known
from app.db.session import sessions
from app.domain.access import SCOPES, Caller
from app.domain.errors import CredentialUnknownError

DAY, WEEK = timedelta(days=1), timedelta(days=7)
PORTAL = Caller("portal", frozenset({"dossiers:read", "dossiers:write"}), None)


async def made(session, granted=PORTAL, expires_at=None):
    """A new key and its number."""
    key = new_key()
    await keys.create(session, key, granted, NOW, expires_at)
    return key, (await keys.find(session, key)).number


async def grants(session, key, moment):
    """What a key grants at a moment, or None."""
    try:
        return (await keys.find(session, key)).at(moment)
    except CredentialUnknownError:
        return None


async def test_a_key_gives_way_to_another_with_the_same_grants_after_both_were_good(session, make):
    await make.agency("A1")
    limited = Caller("portal", frozenset({"dossiers:read"}), frozenset({"A1"}))
    (old, number), new = await made(session, limited), new_key()
    await keys.rotate(session, new, number, NOW + WEEK, NOW)
    for moment, of_old in ((NOW, limited), (NOW + WEEK - DAY, limited), (NOW + WEEK, None)):
        assert await grants(session, old, moment) == of_old
        assert await grants(session, new, moment) == limited


async def test_a_key_that_ends_sooner_does_so_although_it_is_rotated(session):
    (old, number), new = await made(session, expires_at=NOW + DAY), new_key()
    await keys.rotate(session, new, number, NOW + WEEK, NOW)
    assert await grants(session, old, NOW + DAY) is None
    assert await grants(session, new, NOW) == PORTAL


@pytest.mark.parametrize("life", [None, timedelta(days=365)])
async def test_the_new_key_lasts_as_long_as_the_old_one_was_made_for(session, life):
    (_, number), new = await made(session, expires_at=life and NOW + life), new_key()
    later = NOW + timedelta(days=100)
    await keys.rotate(session, new, number, later + WEEK, later)
    assert (await keys.find(session, new)).ends_at == (life and later + life)


async def test_a_key_that_has_ended_cannot_be_rotated(session):
    _, revoked = await made(session)
    await keys.revoke(session, revoked, NOW)
    _, expired = await made(session, expires_at=NOW)
    for number in (revoked, expired, 999_999):
        assert await keys.rotate(session, new_key(), number, NOW + WEEK, NOW) is None


@pytest.mark.parametrize("name", ["device:tablet-1", "oidc:nhan-vien-1"])
async def test_no_key_has_the_name_of_a_device_or_of_somebody_who_signs_in(session, name):
    with pytest.raises(IntegrityError):
        await made(session, Caller(name, SCOPES, None))


@pytest.fixture
def known(connection):
    return Known(sessions(connection))


async def last_use(session, number):
    found = {row.id: row.last_used_at for row in await keys.list_all(session)}
    session.expire_all()
    return found[number]


async def test_a_use_is_written_once_a_minute_and_key(session, known):
    key, number = await made(session)
    await session.commit()
    assert await last_use(session, number) is None
    for seconds, written in ((0, 0), (30, 0), (59, 0), (60, 60), (90, 60), (600, 600)):
        await known.caller(key, NOW + timedelta(seconds=seconds))
        await known.note_uses()
        assert await last_use(session, number) == NOW + timedelta(seconds=written)


async def test_uses_are_written_from_time_to_time_and_not_by_the_request(session, known):
    key, number = await made(session)
    await session.commit()
    await known.caller(key, NOW)
    assert await last_use(session, number) is None
    writing = asyncio.create_task(known.keep_uses(0.01))
    for _ in range(500):
        if await last_use(session, number):
            break
        await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.wait([writing])
    assert await last_use(session, number) == NOW


async def test_an_ended_key_is_not_used(session, known):
    key, number = await made(session, expires_at=NOW)
    await session.commit()
    with pytest.raises(CredentialUnknownError):
        await known.caller(key, NOW)
    await known.note_uses()
    assert await last_use(session, number) is None


async def test_uses_wait_while_the_server_cannot_take_them(session, known):
    key, number = await made(session)
    await session.commit()
    await known.caller(key, NOW)
    await session.execute(text("ALTER TABLE api_key RENAME TO elsewhere"))
    await session.commit()
    await known.note_uses()
    await session.execute(text("ALTER TABLE elsewhere RENAME TO api_key"))
    await session.commit()
    await known.note_uses()
    assert await last_use(session, number) == NOW


async def test_a_row_that_another_process_writes_is_left_to_it(committed, committing):
    key = await committed.key()
    number = (await keys.find(committed.session, key)).number
    known = Known(sessions(committing))
    await known.caller(key, NOW)
    stmt = text("SELECT FROM api_key WHERE id = :number FOR UPDATE")
    await committed.session.execute(stmt, {"number": number})
    await known.note_uses()
    await committed.session.commit()
    await known.note_uses()
    assert await last_use(committed.session, number) is None


async def test_every_change_of_a_key_but_its_use_is_told_to_all_processes(session):
    told = await session.scalars(
        text(
            "SELECT event_object_column FROM information_schema.triggered_update_columns"
            " WHERE trigger_name = 'api_key_changed'"
        )
    )
    columns = await session.scalars(
        text("SELECT column_name FROM information_schema.columns WHERE table_name = 'api_key'")
    )
    assert set(told) == set(columns) - {"last_used_at"}
