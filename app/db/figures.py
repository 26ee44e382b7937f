"""All that figures of agencies rest on, read in a fixed number of round trips."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import funnel, surveys, tallies, tally_sheets, targets
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import tally
from app.domain.evidence import Evidence, Funnel
from app.domain.forms import Part, findings
from app.domain.period import Period


async def tallied(
    session: AsyncSession, agencies: Sequence[Agency], forms: Sequence[SurveyForm], period: Period
) -> list[Evidence]:
    """Each agency's tallies, in the order given; enough for a period to compare with."""
    counted = await tallies.read(session, [agency.id or 0 for agency in agencies], forms, period)
    names = [form.survey.code for form in forms]
    covered = await surveys.covered(session, names, [agency.code for agency in agencies], period)
    evidences = []
    for agency in agencies:
        own = counted.get(agency.id or 0, {})
        read = tuple(
            own.get(form.survey.code) or tally.read(form.survey.code, form.questionnaire, {})
            for form in forms
            if form.survey.code in own or (form.survey.code, agency.code) in covered
        )
        evidences.append(Evidence(agency.code, read))
    return evidences


async def evidence(
    session: AsyncSession, agencies: Sequence[Agency], forms: Sequence[SurveyForm], period: Period
) -> list[Evidence]:
    """The evidence for each agency, in the order given."""
    ids = [agency.id or 0 for agency in agencies]
    codes = [agency.code for agency in agencies]
    names = [form.survey.code for form in forms if form.within(period)]
    found = await tally_sheets.findings(session, ids, forms, period)
    aims = await targets.of_agencies(session, codes, period)
    issued = await surveys.issued(session, names, codes)
    moved = await funnel.read(session, ids, period)
    evidences = []
    for agency, own in zip(agencies, await tallied(session, agencies, forms, period), strict=True):
        parts = tuple(
            Part(one.survey, one.forms, issued.get((one.survey, agency.code)))
            for one in own.tallies
        )
        evidences.append(
            replace(
                own,
                parts=parts,
                findings=(*found.get(agency.id or 0, []), *findings(parts)),
                targets=tuple(aims.get(agency.code, [])),
                funnel=moved.get(agency.id or 0, Funnel()),
            )
        )
    return evidences
