"""Which HTTP status each refusal has, and what HTTP says besides."""

from collections.abc import Mapping

from app.domain import access, comparison, edition, errors, operation, quota, webhook
from app.domain.errors import DomainError

STATUS: Mapping[type[DomainError], int] = {
    errors.NotFoundError: 404,
    errors.AgencyNotFoundError: 404,
    errors.CounterNotFoundError: 404,
    errors.PeerGroupNotFoundError: 404,
    errors.ProcedureNotFoundError: 404,
    errors.QuestionnaireNotFoundError: 404,
    errors.SurveyNotFoundError: 404,
    errors.DossierNotFoundError: 404,
    errors.MethodNotFoundError: 404,
    errors.PublishedIndexNotFoundError: 404,
    errors.DistributionNotFoundError: 404,
    errors.TargetNotFoundError: 404,
    errors.RatingNotFoundError: 404,
    errors.InvitationNotFoundError: 404,
    errors.DeviceNotFoundError: 404,
    errors.SelfAssessmentNotFoundError: 404,
    errors.EditionNotFoundError: 404,
    comparison.CriterionNotFoundError: 404,
    operation.OperationNotFoundError: 404,
    operation.FileTypeError: 415,
    errors.UnknownReferenceError: 422,
    errors.InvalidError: 422,
    errors.AnswersInvalidError: 422,
    errors.SheetDoesNotAddUpError: 422,
    errors.MethodNotApplicableError: 422,
    errors.IdempotencyKeyReusedError: 422,
    errors.PreconditionFailedError: 412,
    errors.QuestionnaireInUseError: 409,
    errors.SurveyQuestionnaireFixedError: 409,
    errors.AlreadySucceededError: 409,
    errors.DossierMoveRefusedError: 409,
    errors.ResultNotReturnedError: 409,
    errors.AlreadyRatedError: 409,
    errors.SurveyClosedError: 409,
    errors.RatingWindowClosedError: 409,
    errors.AgencyNotSurveyedError: 409,
    errors.AlreadyVoidedError: 409,
    errors.EditionExistsError: 409,
    errors.EditionPublishedError: 409,
    errors.EditionNotRevisableError: 409,
    edition.EditionEmptyError: 409,
    **dict.fromkeys(webhook.ABSENCES, 404),
    **dict.fromkeys(webhook.CONFLICTS, 409),
    errors.InvitationExpiredError: 410,
    errors.InvitationUsedError: 410,
    errors.InvitationRevokedError: 410,
    quota.TooManyRequestsError: 429,
    errors.SaturatedError: 503,
    access.IssuerUnavailableError: 503,
    errors.CredentialMissingError: 401,
    errors.CredentialUnknownError: 401,
    errors.ScopeMissingError: 403,
    errors.AgencyNotAllowedError: 403,
    errors.CounterNotAllowedError: 403,
}

# Refusals that are HTTP's own and not the field's.
PROTOCOL: Mapping[int, str] = {
    400: "malformed-request",
    404: "route-not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    500: "internal-error",
    503: "database-unavailable",
}

RETRY_AFTER_SECONDS = "1"

HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": RETRY_AFTER_SECONDS},
}

# What a client must know to help itself (RFC 6750, section 3.1).
CHALLENGES: Mapping[type[DomainError], str] = {
    errors.CredentialUnknownError: 'Bearer error="invalid_token"',
    errors.ScopeMissingError: 'Bearer error="insufficient_scope"',
}
