"""Questionnaires: immutable documents, one per version."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Questionnaire, Survey
from app.domain import questionnaire
from app.domain.errors import Fault, QuestionnaireInUseError, QuestionnaireNotFoundError


class Versions(NamedTuple):
    """The versions of a questionnaire, ascending, and the title of the last of them."""

    code: str
    title: Mapping[str, str]
    versions: Sequence[int]


async def get(session: AsyncSession, code: str, version: int) -> Questionnaire:
    """The version of a questionnaire; raises QuestionnaireNotFoundError."""
    found = await session.get(Questionnaire, (code, version))
    if found is None:
        raise QuestionnaireNotFoundError(
            Fault("/path/questionnaire", "questionnaire-not-found", {"code": f"{code}@{version}"})
        )
    return found


async def list_page(session: AsyncSession, after: str | None, limit: int) -> Sequence[Versions]:
    """Up to `limit` questionnaires after the one named; raises InvalidError when there is none."""
    code, version = col(Questionnaire.code), col(Questionnaire.version)
    title = col(Questionnaire.document)["title"]
    stmt = select(
        code,
        func.array_agg(aggregate_order_by(title, version.desc()))[1],
        func.array_agg(aggregate_order_by(version, version)),
    ).group_by(code)
    stmt = await catalogue.page(session, stmt, code, after, limit)
    return [Versions(*found) for found in await session.execute(stmt)]


async def put(
    session: AsyncSession,
    code: str,
    version: int,
    document: Mapping[str, Any],
    expected: Expected,
) -> Questionnaire:
    """Store the document and return it.

    Once a survey uses the version, the same document is accepted and another refused with
    QuestionnaireInUseError.
    """
    questionnaire.read(code, version, document)
    key = {"code": code, "version": version}
    await catalogue.alone(session, Questionnaire, code, version)
    # The lock keeps a survey from taking up the version between this look and the write.
    held = await session.get(Questionnaire, (code, version), with_for_update=True)
    if held is not None and held.document != document:
        used = select(col(Survey.id)).where(
            col(Survey.questionnaire) == code, col(Survey.version) == version
        )
        if await session.scalar(used.limit(1)) is not None:
            raise QuestionnaireInUseError
    return await catalogue.put(session, Questionnaire, key, {"document": document}, expected)
