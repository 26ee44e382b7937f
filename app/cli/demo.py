"""The demonstration: real published figures, computed again through the API that all use."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from httpx import ASGITransport, AsyncClient
from rich.console import Console
from rich.progress import track

from app.cli import serving, tables
from app.cli.keys import new_key
from app.db import agencies, keys, schema, session
from app.db.opening import database, kept_secret
from app.domain.access import SCOPES, Caller
from app.domain.errors import AlreadyRatedError
from app.main import create_app
from app.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
LOADED = ("khanh-hoa-2022", "minh-hoa", "sap-nhap-2025")
CONFLICT = 409
MERGING = [f"H98.{place:02}" for place in range(1, 8)]
AGENCIES = {"H32", "H32.15", "H00", "H00.01", "H98", *MERGING}
TRIED = "zz-conformance-"  # what the conformance kit leaves, which is not real either
EDITION = {
    "code": "so-minh-hoa-2-nam-2025",
    "title": {
        "vi": "Mức độ hài lòng năm 2025, khối sở minh họa 2",
        "en": "Satisfaction in 2025, departments of Illustration Province 2",
    },
    "peer_group": "so-minh-hoa-2",
    "period": "2025",
    "surveys": ["sap-nhap-minh-hoa"],
    "view": "today",
}

Json = dict[str, Any]


class NotADemonstrationError(Exception):
    """The database holds an agency that is not of the examples."""


@dataclass(frozen=True, slots=True)
class Api:
    """The service, spoken to over HTTP by its own rules."""

    client: AsyncClient

    async def send(self, method: str, path: str, body: Json) -> Json:
        """The answer to a write; a refusal ends the demonstration."""
        answer = await self.client.request(method, path, json=body)
        document: Json = answer.raise_for_status().json()
        return document

    async def load(self, method: str, path: str, body: Json) -> None:
        """Send a part of an example; a rating that was loaded before is there already."""
        answer = await self.client.request(method, path, json=body)
        if answer.status_code != CONFLICT or answer.json()["code"] != AlreadyRatedError.code:
            answer.raise_for_status()

    async def get(self, path: str, **query: str | list[str]) -> Json:
        """What is at the path."""
        answer = await self.client.get(path, params=query)
        document: Json = answer.raise_for_status().json()
        return document


def run(settings: Settings, *, once: bool) -> None:
    """Load the examples, print their figures, and serve unless `once`."""
    console = Console()
    if not once:
        serving.check_port(settings)
    with serving.held(settings):
        key = asyncio.run(_prepare(settings))
        asyncio.run(_show(settings, key, console))
        if once:
            return
        at = f"http://{settings.host}:{settings.port}"
        tables.print_welcome(console, at, key)
        with serving.worker():
            serving.serve(settings)


async def _prepare(settings: Settings) -> str:
    """Bring the schema up to date and make an admin key known; returns the key."""
    async with database(settings.address, settings.data_dir) as engine:
        opening = session.sessions(engine)
        if await schema.revision(engine) is not None:
            async with opening() as opened:
                _check_demonstration(await agencies.other_than(opened, AGENCIES, TRIED))
        await schema.migrate(engine)
        async with opening.begin() as opened:
            chosen = settings.admin_key
            # The key of the last demonstration here, so that no second one comes to life.
            kept = settings.data_dir / "demo.key"
            key = chosen.get_secret_value() if chosen else kept_secret(kept, new_key())
            if await keys.revoked(opened, key):
                kept.unlink(missing_ok=True)
                key = kept_secret(kept, new_key())
            await keys.replace(opened, key, Caller("demo", SCOPES, None), datetime.now(UTC))
    return key


async def _show(settings: Settings, key: str, console: Console) -> None:
    async with _api(settings, key) as api:
        requests = [request for folder in LOADED for request in read_requests(EXAMPLES / folder)]
        for method, path, body in track(requests, "Loading examples", console=console):
            await api.load(method, path, body)
        await _print_published(api, console)
        await _print_live(api, console)
        await _print_edition(api, console)


@asynccontextmanager
async def _api(settings: Settings, key: str) -> AsyncIterator[Api]:
    app = create_app(settings.model_copy(update={"log_level": "warning"}))
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "vi"}
    async with (
        app.router.lifespan_context(app),
        AsyncClient(
            transport=ASGITransport(app), base_url="http://demo", headers=headers
        ) as client,
    ):
        yield Api(client)


def _check_demonstration(other: str | None) -> None:
    """Fictional ratings must never stand beside real ones."""
    if other is not None:
        raise NotADemonstrationError(
            f"This database holds {other}, which is no example, so the demonstration leaves "
            "it alone. To serve it: hailong serve. To start afresh: another HAILONG_DATA_DIR."
        )


def read_requests(folder: Path) -> Iterator[tuple[str, str, Json]]:
    """The requests of an example, in order: method, path and body."""
    for file in sorted(folder.glob("*.json")):
        for request in json.loads(file.read_text("utf-8")):
            method = "PUT" if "put" in request else "POST"
            body = request.get("body") or json.loads(
                (folder / request["body_file"]).read_text("utf-8")
            )
            yield method, request[method.lower()], body


async def _print_published(api: Api, console: Console) -> None:
    """The notice of 2022 and the published SIPAS figures, from counts and printed values."""
    common: dict[str, str | list[str]] = {"agency": "H32.15", "period": "2022"}
    both = ["sct-2022-a", "sct-2022-b"]
    for survey in both:
        tables.print_counts(
            console, survey, await api.get("/v1/indices", **common, survey=survey, by="question")
        )
    overall = await api.get("/v1/indices", **common, survey=both, method="overall-question@1")
    criteria = await api.get("/v1/indices", **common, survey=both, by="criterion")
    facilities = [f for f in criteria["figures"] if f["code"] == "facilities"]
    tables.print_pooled(console, overall, [*overall["figures"], *facilities])
    printed = await api.get("/v1/indices", **common, source="sipas", by="criterion")
    total = await api.get("/v1/indices", **common, source="sipas")
    again = await api.get("/v1/indices", **common, source="sipas", method="mean-of-criteria@1")
    tables.print_sipas(console, [*printed["figures"], *total["figures"]], again["figures"][0])


async def _print_edition(api: Api, console: Console) -> None:
    """The ranking of a year with mergers in it, frozen and published as an edition."""
    await api.send("POST", "/v1/editions", EDITION)
    published = await api.send("POST", f"/v1/editions/{EDITION['code']}/publish", {})
    ranking = await api.get(f"{published['url']}/rankings/overall")
    tables.print_edition(console, published, ranking)


async def _print_live(api: Api, console: Console) -> None:
    """A dossier, its return, a rating, and the figure before and after."""
    now = datetime.now(UTC).replace(microsecond=0)
    code = f"000.00.01.H00-{now:%y%m%d}-{secrets.randbelow(90000) + 10000}"
    dossier = f"/v1/agencies/H00.01/dossiers/{code}"
    receipt = {
        "procedure": "1.000001",
        "counter": "Q01",
        "channel": "desk",
        "received_at": (now - timedelta(days=3)).isoformat(),
        "due_at": (now + timedelta(days=2)).isoformat(),
    }
    answers = {f"q{number}": "5" for number in range(1, 9)}
    rating = {"agency": "H00.01", "survey": "tthc", "dossier": code, "channel": "tablet"}
    before = await _live_figure(api, now)
    registered = await api.send("PUT", dossier, receipt)
    event = {"type": "result_returned", "at": now.isoformat()}
    returned = await api.send("POST", f"{dossier}/events", event)
    rated = await api.send("POST", "/v1/ratings", {**rating, "answers": answers})
    after = await _live_figure(api, now)
    steps: Sequence[Json] = (registered, returned["dossier"], rated)
    tables.print_live(console, steps, before, after)


async def _live_figure(api: Api, now: datetime) -> Json:
    answer = await api.get(
        "/v1/indices", agency="H00.01", survey="tthc", first="2026-01-01", last=f"{now.year}-12-31"
    )
    figure: Json = answer["figures"][0]
    return figure
