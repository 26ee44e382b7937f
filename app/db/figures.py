"""All that figures of agencies rest on, read in a fixed number of round trips."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import surveys, tallies, tally_sheets, targets
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import tally
from app.domain.figure import Finding, Target
from app.domain.period import Period
from app.domain.tally import SurveyTally


@dataclass(frozen=True, slots=True)
class Evidence:
    """An agency's tallies in the surveys that cover it, what was found in them, its targets."""

    agency: Agency
    tallies: tuple[SurveyTally, ...]
    findings: tuple[Finding, ...]
    targets: tuple[Target, ...]


async def evidence(
    session: AsyncSession, agencies: Sequence[Agency], forms: Sequence[SurveyForm], period: Period
) -> list[Evidence]:
    """The evidence for each agency, in the order given."""
    ids = [agency.id or 0 for agency in agencies]
    codes = [agency.code for agency in agencies]
    counted = await tallies.read(session, ids, forms, period)
    found = await tally_sheets.findings(session, ids, forms, period)
    aims = await targets.of_agencies(session, codes, period)
    names = [form.survey.code for form in forms]
    covered = await surveys.covered(session, names, codes, period)
    return [
        Evidence(
            agency,
            tuple(
                counted.get(agency.id or 0, {}).get(form.survey.code)
                or tally.read(form.survey.code, form.questionnaire, {})
                for form in forms
                if (form.survey.code, agency.code) in covered
                or form.survey.code in counted.get(agency.id or 0, {})
            ),
            tuple(found.get(agency.id or 0, [])),
            tuple(aims.get(agency.code, [])),
        )
        for agency in agencies
    ]
