"""SPEAKS: HTTP in, HTTP out."""

from app.api import (
    agencies,
    agency_ratings,
    devices,
    dossiers,
    editions,
    indices,
    invitations,
    methods,
    peer_groups,
    procedures,
    publications,
    published_indices,
    questionnaires,
    rankings,
    rating_page,
    ratings,
    sample_size,
    self_assessments,
    service,
    surveys,
    tally_sheets,
    targets,
)

ROUTERS = tuple(
    module.router
    for module in (
        ratings,  # first, because routes are tried in turn and these two are asked most
        publications,
        agencies,
        peer_groups,
        procedures,
        questionnaires,
        surveys,
        targets,
        self_assessments,
        dossiers,
        invitations,
        agency_ratings,
        rating_page,
        devices,
        tally_sheets,
        published_indices,
        indices,
        rankings,
        editions,
        sample_size,  # its path would be taken for a method's
        methods,
        service,
    )
)
