"""SPEAKS: HTTP in, HTTP out."""

from app.api import (
    agencies,
    dossiers,
    indices,
    methods,
    peer_groups,
    procedures,
    published_indices,
    questionnaires,
    rankings,
    ratings,
    service,
    surveys,
    tally_sheets,
    targets,
)

ROUTERS = tuple(
    module.router
    for module in (
        agencies,
        peer_groups,
        procedures,
        questionnaires,
        surveys,
        targets,
        dossiers,
        ratings,
        tally_sheets,
        published_indices,
        indices,
        rankings,
        methods,
        service,
    )
)
