"""All that figures of agencies rest on, read in a fixed number of round trips."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import funnel, surveys, tallies, tally_sheets, targets
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import tally
from app.domain.evidence import Evidence, Funnel
from app.domain.forms import Part, findings
from app.domain.period import Period


async def evidence(
    session: AsyncSession, agencies: Sequence[Agency], forms: Sequence[SurveyForm], period: Period
) -> list[Evidence]:
    """The evidence for each agency, in the order given."""
    ids = [agency.id or 0 for agency in agencies]
    codes = [agency.code for agency in agencies]
    names = [form.survey.code for form in forms]
    counted = await tallies.read(session, ids, forms, period)
    found = await tally_sheets.findings(session, ids, forms, period)
    aims = await targets.of_agencies(session, codes, period)
    covered = await surveys.covered(session, names, codes, period)
    issued = await surveys.issued(
        session, [f.survey.code for f in forms if f.within(period)], codes
    )
    moved = await funnel.read(session, ids, period)
    evidences = []
    for agency in agencies:
        own = counted.get(agency.id or 0, {})
        read = tuple(
            own.get(form.survey.code) or tally.read(form.survey.code, form.questionnaire, {})
            for form in forms
            if form.survey.code in own or (form.survey.code, agency.code) in covered
        )
        parts = tuple(Part(t.survey, t.forms, issued.get((t.survey, agency.code))) for t in read)
        notes = (*found.get(agency.id or 0, []), *findings(parts))
        own_aims = tuple(aims.get(agency.code, []))
        came = moved.get(agency.id or 0, Funnel())
        evidences.append(Evidence(agency.code, read, parts, notes, own_aims, came))
    return evidences
