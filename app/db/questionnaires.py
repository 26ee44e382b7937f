"""Questionnaires: immutable documents, one per version."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import catalogue
from app.db.catalogue import Expected
from app.db.tables import Questionnaire, Survey
from app.domain import questionnaire
from app.domain.errors import Fault, QuestionnaireInUseError, QuestionnaireNotFoundError


async def get(session: AsyncSession, code: str, version: int) -> Questionnaire:
    """The version of a questionnaire; raises QuestionnaireNotFoundError."""
    found = await session.get(Questionnaire, (code, version))
    if found is None:
        raise QuestionnaireNotFoundError(
            Fault("/path/questionnaire", "questionnaire-not-found", {"code": f"{code}@{version}"})
        )
    return found


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
