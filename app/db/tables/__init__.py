"""The tables: `catalogue` holds the small ones, `large` those that grow with every dossier."""

from sqlmodel import SQLModel

from app.db.tables.catalogue import (
    Agency,
    AgencySuccession,
    ApiKey,
    Counter,
    Device,
    Distribution,
    Edition,
    Installation,
    PeerGroup,
    PeerGroupMember,
    Procedure,
    PublishedIndex,
    Questionnaire,
    SelfAssessment,
    Survey,
    SurveyAgency,
    Target,
)
from app.db.tables.large import (
    DeviceRefusal,
    Dossier,
    DossierEvent,
    Funnel,
    Invitation,
    Rating,
    Tally,
    TallySheet,
)
from app.db.tables.limits import QuotaWindow
from app.db.tables.operations import Operation, OperationChunk, OperationError
from app.db.tables.survey_invitations import SurveyInvitation
from app.db.tables.webhooks import (
    Delivery,
    OccurrenceLook,
    OverdueDossier,
    Webhook,
    WebhookSecret,
)

__all__ = [
    "Agency",
    "AgencySuccession",
    "ApiKey",
    "Counter",
    "Delivery",
    "Device",
    "DeviceRefusal",
    "Distribution",
    "Dossier",
    "DossierEvent",
    "Edition",
    "Funnel",
    "Installation",
    "Invitation",
    "OccurrenceLook",
    "Operation",
    "OperationChunk",
    "OperationError",
    "OverdueDossier",
    "PeerGroup",
    "PeerGroupMember",
    "Procedure",
    "PublishedIndex",
    "Questionnaire",
    "QuotaWindow",
    "Rating",
    "SQLModel",
    "SelfAssessment",
    "Survey",
    "SurveyAgency",
    "SurveyInvitation",
    "Tally",
    "TallySheet",
    "Target",
    "Webhook",
    "WebhookSecret",
]
