"""The tables: `catalogue` holds the small ones, `large` those that grow with every dossier."""

from sqlmodel import SQLModel

from app.db.tables.catalogue import (
    Agency,
    AgencySuccession,
    ApiKey,
    Counter,
    Device,
    Distribution,
    Installation,
    PeerGroup,
    PeerGroupMember,
    Procedure,
    PublishedIndex,
    Questionnaire,
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

__all__ = [
    "Agency",
    "AgencySuccession",
    "ApiKey",
    "Counter",
    "Device",
    "DeviceRefusal",
    "Distribution",
    "Dossier",
    "DossierEvent",
    "Funnel",
    "Installation",
    "Invitation",
    "PeerGroup",
    "PeerGroupMember",
    "Procedure",
    "PublishedIndex",
    "Questionnaire",
    "Rating",
    "SQLModel",
    "Survey",
    "SurveyAgency",
    "Tally",
    "TallySheet",
    "Target",
]
