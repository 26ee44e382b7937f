"""Devices: their keys, kept as hashes, and which of their numbers have arrived."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies
from app.db.keys import Granted, hashed
from app.db.tables import Device, DeviceRefusal
from app.domain.access import DEVICE_NAME, DEVICE_SCOPE, Caller
from app.domain.device import MOST_GAPS, Arrivals, Gap, SequenceReport
from app.domain.errors import CredentialUnknownError, DeviceNotFoundError, Fault, InvalidError

# Each number once: one that was refused at first and accepted later is an accepted one.
_ARRIVED = """
    SELECT agency_id, device, device_seq, true AS accepted
      FROM rating
     WHERE device IS NOT NULL AND device_seq > 0
     UNION ALL
    SELECT agency_id, device, device_seq, false
      FROM device_refusal AS refusal
     WHERE device_seq > 0
       AND NOT EXISTS (
           SELECT FROM rating
            WHERE rating.agency_id = refusal.agency_id AND rating.device = refusal.device
              AND rating.device_seq = refusal.device_seq)
"""

_COUNTS = """
    coalesce(max(device_seq), 0) AS last_seq,
    count(*) FILTER (WHERE accepted) AS accepted,
    count(*) FILTER (WHERE NOT accepted) AS refused
"""

_COUNT_ALL = text(f"""
SELECT agency.code, device, {_COUNTS}
  FROM ({_ARRIVED}) AS arrived JOIN agency ON agency.id = arrived.agency_id
 GROUP BY 1, 2
""")  # noqa: S608 -- fragments of this module, no input

# Read twice in the order of the index rather than kept: a device may have sent a million.
_GAPS = text(f"""
WITH arrived AS NOT MATERIALIZED (
    SELECT device_seq, accepted
      FROM ({_ARRIVED}) AS arrived
     WHERE agency_id = :agency_id AND device = :device
)
SELECT {_COUNTS},
       ARRAY(SELECT ARRAY[before + 1, device_seq - 1]
               FROM (SELECT device_seq,
                            lag(device_seq, 1, 0::bigint) OVER (ORDER BY device_seq) AS before
                       FROM arrived) AS followed
              WHERE device_seq > before + 1
              ORDER BY device_seq
              LIMIT :most) AS gaps
  FROM arrived
""")  # noqa: S608 -- fragments of this module, no input


async def create(
    session: AsyncSession, key: str, code: str, place: tuple[str, str], now: datetime
) -> None:
    """Store the key of a device at a counter (of an agency); the key it had before ends.

    Raises UnknownReferenceError, or InvalidError when the code is of a device elsewhere: numbers
    of two tablets under one code would hide each other's gaps.
    """
    agency, counter = place
    await agencies.check_known(session, {"/agency": agency})
    await agencies.check_counter(session, agency, counter)
    fresh = {"hash": hashed(key), "created_at": now, "revoked_at": None}
    stmt = insert(Device).values(code=code, agency=agency, counter=counter, **fresh)
    stored = await session.scalar(
        stmt.on_conflict_do_update(
            index_elements=["code"],
            set_=fresh,
            where=(col(Device.agency) == agency) & (col(Device.counter) == counter),
        ).returning(col(Device.code))
    )
    if stored is None:
        held = await get(session, code)
        params = {"code": code, "agency": held.agency, "counter": held.counter}
        raise InvalidError(Fault("/device", "device-elsewhere", params))


async def get(session: AsyncSession, code: str) -> Device:
    """The device; raises DeviceNotFoundError."""
    found = await session.scalar(select(Device).where(col(Device.code) == code))
    if found is None:
        raise DeviceNotFoundError(Fault("/path/device", "device-not-found", {"code": code}))
    return found


async def find(session: AsyncSession, key: str) -> Granted:
    """What the device's key grants, and since when no more; raises CredentialUnknownError."""
    found = await session.scalar(select(Device).where(col(Device.hash) == hashed(key)))
    if found is None:
        raise CredentialUnknownError
    caller = Caller(
        f"{DEVICE_NAME}{found.code}",
        frozenset({DEVICE_SCOPE}),
        frozenset({found.agency}),
        device=found.code,
        counter=found.counter,
    )
    return Granted(caller, found.revoked_at)


async def list_all(session: AsyncSession) -> list[tuple[Device, Arrivals]]:
    """All devices ever made, by their codes, and what has arrived from each."""
    rows = await session.execute(_COUNT_ALL)
    counted = {(agency, device): Arrivals(*counts) for agency, device, *counts in rows}
    devices = await session.scalars(select(Device).order_by(col(Device.code)))
    return [(one, counted.get((one.agency, one.code), Arrivals())) for one in devices]


async def revoke(session: AsyncSession, code: str, now: datetime) -> bool:
    """End a device's key now; False when there is no such device, or it was ended before."""
    stmt = (
        update(Device)
        .where(col(Device.code) == code, col(Device.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(Device.code))
    )
    return await session.scalar(stmt) is not None


async def gaps(session: AsyncSession, device: Device) -> SequenceReport:
    """What has arrived from the device, and its first gaps, as of one moment."""
    owner = await agencies.get(session, device.agency)
    wanted = {"agency_id": owner.id, "device": device.code, "most": MOST_GAPS}
    *counts, ranges = (await session.execute(_GAPS, wanted)).one()
    return SequenceReport(
        device.code,
        device.agency,
        device.counter,
        Arrivals(*counts),
        [Gap(first, last) for first, last in ranges],
    )


async def record_refusals(session: AsyncSession, refusals: Sequence[DeviceRefusal]) -> None:
    """Note numbers that arrived with a refused rating; the first refusal of each is kept."""
    # In the order of their key, so that two batches of a device never lock crosswise.
    ordered = sorted(refusals, key=lambda one: (one.agency_id, one.device, one.device_seq))
    if ordered:
        await session.execute(
            insert(DeviceRefusal).on_conflict_do_nothing(), [one.model_dump() for one in ordered]
        )
