"""Findings: what a reader must know about a figure, in words."""

from collections.abc import Iterable

from pydantic import Field

from app.api import texts
from app.api.schemas import Out
from app.api.texts import Language
from app.domain.figure import Finding


class FindingOut(Out):
    """A flaw that was accepted with a reason, or a note."""

    code: str = Field(description="What was found, for programs, e.g. more-answers-than-forms")
    detail: str
    reason: str | None = Field(description="In the words of who accepted the flaw; null: a note")
    agency: str | None = Field(
        description="Code of the agency that it is about; null: the one of the figure"
    )
    survey: str | None = Field(
        description="Code of the survey that it is about; null: no single one"
    )
    question: str | None = Field(
        description="Code of the question that it is about; null: no single one"
    )
    month: str | None = Field(description="Month of the flawed sheet, e.g. 2022-10; null: no sheet")


def findings_out(findings: Iterable[Finding], language: Language) -> list[FindingOut]:
    """The findings in the reader's language."""
    return [
        FindingOut(
            code=finding.code,
            detail=texts.say(language, f"{finding.code}:detail", **finding.params),
            reason=finding.reason,
            agency=finding.agency,
            survey=finding.survey,
            question=finding.question,
            month=finding.month,
        )
        for finding in findings
    ]
