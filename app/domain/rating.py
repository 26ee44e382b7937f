"""When a survey takes ratings. Whether the dossier allows one is decided where it is stored."""

from datetime import date, datetime

from app.domain.errors import AnswersInvalidError, Fault, InvalidError, SurveyClosedError
from app.domain.period import CLOCK_SKEW, Period, local_day


def check_moment(rated_at: datetime, opens_on: date, closes_on: date | None, now: datetime) -> None:
    """Nothing, when the survey takes ratings given then.

    Raises AnswersInvalidError for a moment that has not come, SurveyClosedError for a day on
    which the survey was not open.
    """
    if rated_at > now + CLOCK_SKEW:
        raise AnswersInvalidError(Fault("/rated_at", "in-the-future"))
    day = local_day(rated_at)
    if day < opens_on or (closes_on is not None and day > closes_on):
        raise SurveyClosedError(Fault("/rated_at", "survey-closed"))


def check_invited(rated_at: datetime, issued_at: datetime) -> None:
    """Nothing, or AnswersInvalidError: nobody answers an invitation before it was issued."""
    if rated_at < issued_at - CLOCK_SKEW:
        raise AnswersInvalidError(Fault("/rated_at", "before-the-invitation"))


def check_month(month: Period, opens_on: date, closes_on: date | None, now: datetime) -> None:
    """Nothing, when the survey can have forms of that month.

    Raises InvalidError for a month that has not begun, SurveyClosedError for one without a day on
    which the survey was open.
    """
    if month.first > local_day(now):
        raise InvalidError(Fault("/period", "in-the-future"))
    if month.last < opens_on or (closes_on is not None and month.first > closes_on):
        raise SurveyClosedError(Fault("/period", "survey-closed"))
