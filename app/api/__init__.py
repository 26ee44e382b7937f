"""SPEAKS: HTTP in, HTTP out."""

from app.api import (
    agencies,
    agency_ratings,
    devices,
    dossiers,
    indices,
    invitations,
    methods,
    peer_groups,
    procedures,
    published_indices,
    questionnaires,
    rankings,
    rating_page,
    ratings,
    service,
    surveys,
    tally_sheets,
    targets,
)

ROUTERS = tuple(
    module.router
    for module in (
        ratings,  # first, because routes are tried in turn and this one is asked most
        agencies,
        peer_groups,
        procedures,
        questionnaires,
        surveys,
        targets,
        dossiers,
        invitations,
        agency_ratings,
        rating_page,
        devices,
        tally_sheets,
        published_indices,
        indices,
        rankings,
        methods,
        service,
    )
)
