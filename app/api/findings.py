"""Findings: what a reader must know about a figure, in words."""

from collections.abc import Iterable

from app.api import texts
from app.api.schemas import Out
from app.api.texts import Language
from app.domain.figure import Finding


class FindingOut(Out):
    """A flaw that was accepted with a reason, or a note."""

    code: str
    detail: str
    reason: str | None
    agency: str | None
    survey: str | None
    question: str | None
    month: str | None


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
