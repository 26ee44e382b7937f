"""The product with two routes more, which answer as two of its own do, and do nothing for it.

One takes and gives what submitting does. It is the most that submitting could reach, so it reads
and answers in the leanest way that the route of the product knows. When that learns a leaner one,
so must this. The other gives bytes from memory as any route does that has nothing else to do.
"""

import uuid
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from httpx import ASGITransport, AsyncClient

from app import main as wiring
from app.api.rating_schemas import RatingIn, RatingOut
from app.cli import serving
from app.settings import Settings

NO_OP = "/bench/no-op"
FROM_MEMORY = "/bench/from-memory"
EDITION = "read"
REMEMBERED = f"/v1/editions/{EDITION}/rankings/overall"

router = APIRouter()
_memory: dict[str, Any] = {}


@router.post(NO_OP, status_code=201, response_model=RatingOut)
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


@router.get(FROM_MEMORY)
async def from_memory(request: Request) -> Response:
    """What the product says of a published ranking, which was asked for once: the same bytes."""
    if not _memory:
        await _remember(request.app)
    return Response(**_memory)


async def _remember(app: FastAPI) -> None:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://bench") as client:
        answer = (await client.get(REMEMBERED)).raise_for_status()
    del answer.headers["x-request-id"]  # each has its own
    _memory.update(content=answer.content, headers=dict(answer.headers))


def create_app(settings: Settings | None = None) -> FastAPI:
    """The product's app, and the routes."""
    app = wiring.create_app(settings)
    app.include_router(router, max_body_size=app.state.settings.max_body_bytes)
    # Routes are tried in turn, and the product's for ratings is the first of its own.
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
