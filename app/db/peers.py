"""The peers of a group under a view, with what their figures rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import agencies, peer_groups, successions
from app.db.tables import Agency
from app.domain import structure
from app.domain.evidence import Evidence
from app.domain.period import Period
from app.domain.structure import Portion, View


@dataclass(frozen=True, slots=True)
class Standpoint:
    """From where a group is looked at: under which view, on which day, over which months.

    `span` holds both periods that are compared.
    """

    peer_group: str
    view: View
    day: date
    span: Period


@dataclass(frozen=True, slots=True)
class Peers:
    """The agencies of a group in the order of their codes, and whose data count for each."""

    agencies: Sequence[Agency]
    sources: Sequence[Agency]
    origins: Mapping[str, Mapping[str, Portion]]


async def peers(session: AsyncSession, standpoint: Standpoint, period: Period) -> Peers:
    """The group's peers in a period."""
    group, day, span = standpoint.peer_group, standpoint.day, standpoint.span
    if standpoint.view is View.AS_WAS:
        found = await peer_groups.agencies_in(session, group, period.first, period.last)
        return Peers(found, found, {})
    if standpoint.view is View.LIKE_FOR_LIKE:
        found = await peer_groups.agencies_in(session, group, span.first, span.last)
        codes = [agency.code for agency in found]
        members: dict[str, list[tuple[date, date | None]]] = {code: [] for code in codes}
        for member in await peer_groups.members(session, group):
            members.get(member.agency, []).append((member.valid_from, member.valid_to))
        around = await successions.involving(session, codes)
        same = structure.unchanged(members, around, span.first, span.last)
        kept = [agency for agency in found if agency.code in same]
        return Peers(kept, kept, {})
    found = await peer_groups.agencies_in(session, group, day, day)
    codes = [agency.code for agency in found]
    leading = await successions.involving(session, codes)
    origins = structure.origins(codes, leading, day)
    kept = [agency for agency in found if agency.code in origins]
    wanted = {source for own in origins.values() for source in own}
    sources = await agencies.of_codes(session, sorted(wanted))
    return Peers(kept, sources, origins)


def as_seen(found: Peers, read: Sequence[Evidence]) -> dict[str, Evidence]:
    """Each peer's evidence from that of the agencies whose data count for it."""
    made = {one.agency: one for one in read}
    if not found.origins:
        return made
    return {
        agency.code: structure.merged(
            agency.code,
            [(made[source], part) for source, part in found.origins[agency.code].items()],
        )
        for agency in found.agencies
    }
