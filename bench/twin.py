"""The product with one route more: it takes and gives what submitting does, and does nothing.

It is the most that submitting could reach, so it reads and answers in the leanest way that the
route of the product knows. When that learns a leaner one, so must this.
"""

import uuid
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import uvicorn
from fastapi import APIRouter, FastAPI, Response

from app import main as wiring
from app.api.rating_schemas import RatingIn, RatingOut
from app.cli import serving
from app.settings import Settings

PATH = "/bench/no-op"

router = APIRouter()


@router.post(PATH, status_code=201, response_model=RatingOut)
async def no_op(body: RatingIn) -> Response:
    """A made-up answer: no key is looked at, nothing is stored."""
    made_up = RatingOut(
        id=uuid.uuid4(),
        agency=body.agency or "",
        survey=body.survey or "",
        basis="dossier",
        received_at=datetime.now(UTC),
    )
    return Response(made_up.model_dump_json(), 201, media_type="application/json")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The product's app, and the route."""
    app = wiring.create_app(settings)
    app.include_router(router, max_body_size=app.state.settings.max_body_bytes)
    # Routes are tried in turn, and the product's is the first of its own.
    app.router.routes.insert(0, app.router.routes.pop())
    return app


def main() -> None:
    """Serve as `hailong serve` does: its own code starts this app instead of its own."""
    plain = uvicorn.run

    def run(_app: str, **options: Any) -> None:
        plain("bench.twin:create_app", **options)

    with mock.patch.object(uvicorn, "run", run):
        serving.serve(Settings())


if __name__ == "__main__":
    main()
