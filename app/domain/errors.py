"""What can be wrong, in the field's words. How it is said over HTTP is decided in `api`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place; `pointer` is a JSON pointer into what was sent."""

    pointer: str
    code: str
    params: Mapping[str, object] = field(default_factory=dict)


class DomainError(Exception):
    """A refusal that the caller can understand and act upon."""

    code: ClassVar[str]

    def __init__(self, *faults: Fault) -> None:
        super().__init__(self.code)
        self.faults = faults


class NotFoundError(DomainError):
    """Something named in the address does not exist."""

    code = "not-found"


class AgencyNotFoundError(NotFoundError):
    """There is no agency of this code."""

    code = "agency-not-found"


class CounterNotFoundError(NotFoundError):
    """The agency has no counter of this code."""

    code = "counter-not-found"


class PeerGroupNotFoundError(NotFoundError):
    """There is no peer group of this code."""

    code = "peer-group-not-found"


class ProcedureNotFoundError(NotFoundError):
    """There is no procedure of this code."""

    code = "procedure-not-found"


class QuestionnaireNotFoundError(NotFoundError):
    """There is no such version of this questionnaire."""

    code = "questionnaire-not-found"


class SurveyNotFoundError(NotFoundError):
    """There is no survey of this code."""

    code = "survey-not-found"


class DossierNotFoundError(NotFoundError):
    """The agency has no dossier of this code."""

    code = "dossier-not-found"


class MethodNotFoundError(NotFoundError):
    """There is no method of this id."""

    code = "method-not-found"


class PublishedIndexNotFoundError(NotFoundError):
    """The source has published nothing for this agency and period."""

    code = "published-index-not-found"


class DistributionNotFoundError(NotFoundError):
    """No distribution is recorded for this survey, agency and channel."""

    code = "distribution-not-found"


class TargetNotFoundError(NotFoundError):
    """No target is set for this owner, period and criterion."""

    code = "target-not-found"


class RatingNotFoundError(NotFoundError):
    """The agency has no rating of this id."""

    code = "rating-not-found"


class InvitationNotFoundError(NotFoundError):
    """There is no such invitation."""

    code = "invitation-not-found"


class DeviceNotFoundError(NotFoundError):
    """There is no device of this code."""

    code = "device-not-found"


class SelfAssessmentNotFoundError(NotFoundError):
    """The agency has entered no self-assessment for this period."""

    code = "self-assessment-not-found"


class EditionNotFoundError(NotFoundError):
    """There is no edition of this code, or it is not published."""

    code = "edition-not-found"


class UnknownReferenceError(DomainError):
    """The body names something that does not exist."""

    code = "unknown-reference"


class InvalidError(DomainError):
    """What was sent breaks a rule; every fault is named."""

    code = "invalid-request"


class AnswersInvalidError(DomainError):
    """The answers do not fit the questionnaire."""

    code = "answers-invalid"


class SheetDoesNotAddUpError(DomainError):
    """A tally sheet counts more answers than forms, and nobody accepted it with a reason."""

    code = "sheet-does-not-add-up"


class MethodNotApplicableError(DomainError):
    """The method makes no figure of this kind."""

    code = "method-not-applicable"


class IdempotencyKeyReusedError(DomainError):
    """The key was used before with another body."""

    code = "idempotency-key-reused"


class PreconditionFailedError(DomainError):
    """The entry is not in the state that the caller expected."""

    code = "precondition-failed"


class QuestionnaireInUseError(DomainError):
    """A survey uses this version, so its text is fixed for ever."""

    code = "questionnaire-in-use"


class SurveyQuestionnaireFixedError(DomainError):
    """A survey keeps its questionnaire for life; another one needs another survey."""

    code = "survey-questionnaire-fixed"


class AlreadySucceededError(DomainError):
    """The agency has a successor already."""

    code = "agency-already-succeeded"


class DossierMoveRefusedError(DomainError):
    """The rules do not allow this move of the dossier."""

    code = "dossier-move-refused"


class ResultNotReturnedError(DomainError):
    """The result of the dossier has not been returned, so nobody can rate it yet."""

    code = "result-not-returned"


class AlreadyRatedError(DomainError):
    """The dossier has its one rating."""

    code = "already-rated"


class SurveyClosedError(DomainError):
    """The survey takes no ratings of that day."""

    code = "survey-closed"


class RatingWindowClosedError(DomainError):
    """The time for rating this dossier is over."""

    code = "rating-window-closed"


class AgencyNotSurveyedError(DomainError):
    """The survey does not cover this agency."""

    code = "agency-not-surveyed"


class AlreadyVoidedError(DomainError):
    """The rating was voided before, for another reason."""

    code = "already-voided"


class EditionExistsError(DomainError):
    """Another edition was frozen under this code."""

    code = "edition-exists"


class EditionPublishedError(DomainError):
    """The edition is published, and stays for good."""

    code = "edition-published"


class EditionNotRevisableError(DomainError):
    """The edition is not published, or another has superseded it."""

    code = "edition-not-revisable"


class InvitationExpiredError(DomainError):
    """The invitation was not used in time."""

    code = "invitation-expired"


class InvitationUsedError(DomainError):
    """What the invitation is for has its one rating."""

    code = "invitation-used"


class InvitationRevokedError(DomainError):
    """The invitation was revoked, or another took its place."""

    code = "invitation-revoked"


class SaturatedError(DomainError):
    """More arrives than can be stored at the moment; nothing of this request was."""

    code = "saturated"


class CredentialMissingError(DomainError):
    """The request carries no key."""

    code = "credential-missing"


class CredentialUnknownError(DomainError):
    """The key is unknown, expired or revoked."""

    code = "credential-unknown"


class ScopeMissingError(DomainError):
    """The key does not carry the scope that this needs."""

    code = "scope-missing"


class AgencyNotAllowedError(DomainError):
    """The key is limited to other agencies."""

    code = "agency-not-allowed"


class CounterNotAllowedError(DomainError):
    """The device stands at another counter."""

    code = "counter-not-allowed"
