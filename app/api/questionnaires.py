"""Questionnaires: criteria > questions > options, one immutable document per version."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from app.api.bodies import NamedOnce
from app.api.deps import (
    CatalogueWriter,
    CodeCursor,
    ExpectedState,
    FormReader,
    Paging,
    Session,
    stored,
    tag,
)
from app.api.errors import problems
from app.api.schemas import Code, In, Localised, Out, example, refuse
from app.db import questionnaires
from app.db.tables import Questionnaire
from app.domain.errors import (
    Fault,
    InvalidError,
    PreconditionFailedError,
    QuestionnaireInUseError,
    QuestionnaireNotFoundError,
)

router = APIRouter(prefix="/v1/questionnaires", tags=["catalogue"], route_class=NamedOnce)

CRITERIA, QUESTIONS, OPTIONS = 50, 100, 20
LAST_VERSION = 32_767
BEST_SCORE, HEAVIEST = 100, 1000
LIGHTEST = 0.0001  # lighter ones are written in more than one way in JSON

COUNTER_FORM = {
    "title": {"vi": "Phiếu đánh giá tại quầy", "en": "Counter form"},
    "overall_question": "q1",
    "criteria": [
        {
            "code": "general",
            "name": {"vi": "Đánh giá chung"},
            "weight": 1,
            "questions": [
                {
                    "code": "q1",
                    "text": {"vi": "Ông/bà có hài lòng với việc giải quyết hồ sơ không?"},
                    "options": [
                        {
                            "code": "3",
                            "label": {"vi": "Hài lòng"},
                            "score": 3,
                            "satisfied": True,
                            "counted": True,
                        },
                        {
                            "code": "2",
                            "label": {"vi": "Bình thường"},
                            "score": 2,
                            "satisfied": False,
                            "counted": True,
                        },
                        {
                            "code": "1",
                            "label": {"vi": "Không hài lòng"},
                            "score": 1,
                            "satisfied": False,
                            "counted": True,
                        },
                    ],
                }
            ],
        }
    ],
}


class OptionIn(In):
    """An answer that can be ticked.

    `counted: false` keeps it out of every denominator ("không áp dụng"). On a 5-level scale that
    marks no option as satisfied, the two best are.
    """

    code: Code = Field(description="Unique within its question")
    label: Localised
    score: Annotated[StrictInt, Field(ge=0, le=BEST_SCORE)] | None = None
    satisfied: StrictBool | None = Field(
        default=None,
        description="Whether it means satisfied; null: no, or on a 5-level scale without marks as "
        "its score",
    )
    counted: StrictBool = True


class QuestionIn(In):
    """A question with its options in the order of the form."""

    code: Code = Field(description="Unique within the questionnaire")
    text: Localised = Field(description="Its words on the form")
    options: Annotated[list[OptionIn], Field(min_length=2, max_length=OPTIONS)] = Field(
        description="In the order of the form"
    )


def _weighable(weight: float) -> float:
    """The weight, or a refusal of one that is next to nothing."""
    if 0 < weight < LIGHTEST:
        raise refuse("too-small", limit=LIGHTEST)
    return weight


class CriterionIn(In):
    """A group of questions for which one index is published."""

    code: Code = Field(description="Unique within the questionnaire; not `overall`")
    name: Localised
    weight: Annotated[
        StrictInt | StrictFloat, Field(ge=0, le=HEAVIEST), AfterValidator(_weighable)
    ] = Field(default=1, description="In an overall index that is a weighted mean of criteria")
    questions: Annotated[list[QuestionIn], Field(min_length=1, max_length=QUESTIONS)] = Field(
        description="In the order of the form"
    )


class QuestionnaireIn(In):
    """A version of a form."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(COUNTER_FORM))

    title: Localised
    overall_question: Code | None = None
    criteria: Annotated[list[CriterionIn], Field(min_length=1, max_length=CRITERIA)]

    def faults(self) -> Iterator[Fault]:
        """The figure that sums the criteria up has a code of its own."""
        for place, criterion in enumerate(self.criteria):
            if criterion.code == "overall":
                yield Fault(f"/criteria/{place}/code", "reserved-code")


class QuestionnaireOut(Out):
    """A version of a form as it was registered."""

    model_config = ConfigDict(
        json_schema_extra=example({"code": "counter-3-level", "version": 1, **COUNTER_FORM})
    )

    code: str
    version: int
    title: Localised
    overall_question: str | None
    criteria: list[CriterionIn]


LISTED = {
    "code": "counter-3-level",
    "title": {"vi": "Phiếu đánh giá tại quầy", "en": "Counter form"},
    "versions": [1],
}


class ListedQuestionnaire(Out):
    """A questionnaire with the numbers of its versions, each of which is a document of its own."""

    code: str
    title: Localised = Field(description="Of the last version")
    versions: list[int] = Field(description="Numbers of the versions, ascending")


class QuestionnairePage(Out):
    """Questionnaires in the order of their codes."""

    model_config = ConfigDict(json_schema_extra=example({"items": [LISTED], "next_cursor": None}))

    items: list[ListedQuestionnaire]
    next_cursor: str | None


@router.get("", operation_id="list_questionnaires", responses=problems())
async def list_questionnaires(
    session: Session, _caller: FormReader, paging: Paging, cursor: CodeCursor = None
) -> QuestionnairePage:
    """Questionnaires and their versions in the order of their codes, a page at a time."""
    rows = await questionnaires.list_page(session, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row.code)
    items = [ListedQuestionnaire.model_validate(row) for row in page]
    return QuestionnairePage(items=items, next_cursor=following)


Version = Annotated[int, Path(ge=1, le=LAST_VERSION)]


@router.put(
    "/{questionnaire}/versions/{version}",
    operation_id="put_questionnaire",
    responses={
        201: {"model": QuestionnaireOut, "description": "Created"},
        **problems(PreconditionFailedError, QuestionnaireInUseError, InvalidError),
    },
)
async def put_questionnaire(
    questionnaire: Code,
    version: Version,
    body: QuestionnaireIn,
    response: Response,
    session: Session,
    caller: CatalogueWriter,
    state: ExpectedState,
) -> QuestionnaireOut:
    """Register a version of a questionnaire; once a survey uses it, it never changes."""
    caller.check_unlimited()
    body.check()
    document = body.model_dump(exclude_none=True)
    row = await questionnaires.put(session, questionnaire, version, document, state)
    stored(response, row.revision)
    return _out(row)


@router.get(
    "/{questionnaire}/versions/{version}",
    operation_id="get_questionnaire",
    responses=problems(QuestionnaireNotFoundError),
)
async def get_questionnaire(
    questionnaire: Code,
    version: Version,
    response: Response,
    session: Session,
    _caller: FormReader,
) -> QuestionnaireOut:
    """A version of a questionnaire."""
    row = await questionnaires.get(session, questionnaire, version)
    tag(response, row.revision)
    return _out(row)


def _out(row: Questionnaire) -> QuestionnaireOut:
    document: dict[str, Any] = {"overall_question": None, **row.document}
    return QuestionnaireOut.model_validate({"code": row.code, "version": row.version, **document})
