"""Peer groups: who is ranked against whom, and since when."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.bodies import NamedOnce
from app.api.deps import (
    CatalogueReader,
    CatalogueWriter,
    CodeCursor,
    ExpectedState,
    Paging,
    Session,
    stored,
    tag,
)
from app.api.errors import problems
from app.api.schemas import Code, Day, In, Localised, Out, example, texts_of
from app.db import agencies, peer_groups
from app.db.tables import PeerGroup
from app.domain.errors import (
    Fault,
    InvalidError,
    PeerGroupNotFoundError,
    PreconditionFailedError,
    UnknownReferenceError,
)
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/peer-groups", tags=["catalogue"], route_class=NamedOnce)

MEMBERS = 20_000

DEPARTMENTS = {
    "name": {"vi": "Khối sở, ban, ngành", "en": "Departments"},
    "members": [{"agency": "H32.15", "valid_from": "2010-01-01", "valid_to": None}],
}


class MemberIn(In):
    """An agency's time in a peer group."""

    agency: Code = Field(description="Code of the member")
    valid_from: Day
    valid_to: Day | None = None


class MemberOut(Out):
    """An agency's time in a peer group."""

    agency: str = Field(description="Code of the member")
    valid_from: date
    valid_to: date | None


class PeerGroupIn(In):
    """A peer group with all its members."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(DEPARTMENTS))

    name: Localised
    members: Annotated[list[MemberIn], Field(max_length=MEMBERS)]

    def faults(self) -> Iterator[Fault]:
        """An agency may come back to a group, but not be in it twice at a time."""
        for place, member in enumerate(self.members):
            if member.valid_to is not None and member.valid_to < member.valid_from:
                yield Fault(f"/members/{place}/valid_to", "ends-before-it-begins")
        spans = sorted(
            (member.agency, member.valid_from, member.valid_to or date.max, place)
            for place, member in enumerate(self.members)
        )
        for before, after in pairwise(spans):
            if before[0] == after[0] and after[1] <= before[2]:
                yield Fault(f"/members/{after[3]}", "duplicate-code", {"value": after[0]})


class ListedPeerGroup(Out):
    """A peer group as lists show it: its members are told by itself."""

    code: str
    name: Localised


class PeerGroupPage(Out):
    """Peer groups in the order of their codes."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "items": [{"code": "so-ban-nganh", "name": DEPARTMENTS["name"]}],
                "next_cursor": None,
            }
        )
    )

    items: list[ListedPeerGroup]
    next_cursor: str | None


class PeerGroupOut(ListedPeerGroup):
    """A peer group with all its members, past ones included."""

    model_config = ConfigDict(json_schema_extra=example({"code": "so-ban-nganh", **DEPARTMENTS}))

    members: list[MemberOut]


@router.get("", operation_id="list_peer_groups", responses=problems())
async def list_peer_groups(
    session: Session, _caller: CatalogueReader, paging: Paging, cursor: CodeCursor = None
) -> PeerGroupPage:
    """Peer groups in the order of their codes, a page at a time, without their members."""
    rows = await peer_groups.list_page(session, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    items = [ListedPeerGroup.model_validate(row) for row in page]
    return PeerGroupPage(items=items, next_cursor=following)


@router.put(
    "/{peer_group}",
    operation_id="put_peer_group",
    responses={
        201: {"model": PeerGroupOut, "description": "Created"},
        **problems(PreconditionFailedError, UnknownReferenceError, InvalidError),
    },
)
async def put_peer_group(
    peer_group: Code,
    body: PeerGroupIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> PeerGroupOut:
    """Create or change a peer group; its members are replaced as a whole."""
    caller.check_unlimited()
    refusals = Refusals()
    with refusals:
        body.check()
    with refusals:
        await agencies.check_known(
            session, {f"/members/{n}/agency": m.agency for n, m in enumerate(body.members)}
        )
    refusals.raise_all()
    members = [member.model_dump() for member in body.members]
    row = await peer_groups.put(session, peer_group, texts_of(body.name), members, state)
    stored(response, row.revision)
    return await _out(session, row)


@router.get(
    "/{peer_group}", operation_id="get_peer_group", responses=problems(PeerGroupNotFoundError)
)
async def get_peer_group(
    peer_group: Code, response: Response, session: Session, _caller: CatalogueReader
) -> PeerGroupOut:
    """A peer group with its members."""
    row = await peer_groups.get(session, peer_group)
    tag(response, row.revision)
    return await _out(session, row)


async def _out(session: Session, row: PeerGroup) -> PeerGroupOut:
    members = await peer_groups.members(session, row.code)
    return PeerGroupOut(
        code=row.code,
        name=Localised.model_validate(row.name),
        members=[MemberOut.model_validate(member) for member in members],
    )
