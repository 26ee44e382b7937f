"""Procedures: the services that are applied for."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Procedure
from app.domain.errors import Fault, ProcedureNotFoundError, UnknownReferenceError


async def get(session: AsyncSession, code: str) -> Procedure:
    """The procedure; raises ProcedureNotFoundError."""
    procedure = await session.get(Procedure, code)
    if procedure is None:
        raise ProcedureNotFoundError(
            Fault("/path/procedure", "procedure-not-found", {"code": code})
        )
    return procedure


async def list_page(session: AsyncSession, after: str | None, limit: int) -> Sequence[Procedure]:
    """Up to `limit` procedures after the one named; raises InvalidError when there is none such."""
    stmt = await catalogue.page(session, select(Procedure), col(Procedure.code), after, limit)
    return (await session.scalars(stmt)).all()


async def names(session: AsyncSession, codes: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """The names of procedures, by their codes."""
    stmt = select(col(Procedure.code), col(Procedure.name)).where(col(Procedure.code).in_(codes))
    return dict((await session.execute(stmt)).all())


async def check_known(session: AsyncSession, code: str) -> None:
    """Nothing when there is a procedure of this code; else raises UnknownReferenceError."""
    if await session.get(Procedure, code) is None:
        raise UnknownReferenceError(Fault("/procedure", "procedure-not-found", {"code": code}))


async def put(
    session: AsyncSession, code: str, values: Mapping[str, Any], expected: Expected
) -> Procedure:
    """Store the procedure and return it."""
    return await catalogue.put(session, Procedure, {"code": code}, values, expected)
