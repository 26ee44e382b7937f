"""Makes the field's things through the API, with what a test does not mention filled in."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from httpx import AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.keys import new_key
from app.db import keys
from app.domain.access import SCOPES, Caller

Json = dict[str, Any]

ADMIN_KEY = new_key()
BEARER = {"Authorization": f"Bearer {ADMIN_KEY}"}

LEVELS = {
    5: "Rất hài lòng",
    4: "Hài lòng",
    3: "Bình thường",
    2: "Không hài lòng",
    1: "Rất không hài lòng",
}


def option(code: str, **fields: Any) -> Json:
    return {"code": code, "label": {"vi": code}, **fields}


def five_levels(code: str, *, na: bool = False) -> Json:
    """A question on the 5-level scale, with `na` where asked."""
    levels = [
        {"code": str(score), "label": {"vi": label}, "score": score, "satisfied": score > 3}
        for score, label in LEVELS.items()
    ]
    extra = [option("na", counted=False)] if na else []
    return {"code": code, "text": {"vi": f"Câu hỏi {code}"}, "options": levels + extra}


def questionnaire(
    *criteria: tuple[str, list[Json]], overall: str | None = None, **more: Any
) -> Json:
    weights = more.get("weights", {})
    return {
        "title": {"vi": "Phiếu khảo sát"},
        "overall_question": overall,
        "criteria": [
            {
                "code": code,
                "name": {"vi": f"Tiêu chí {code}"},
                "weight": weights.get(code, 1),
                "questions": questions,
            }
            for code, questions in criteria
        ],
    }


PLAIN = questionnaire(("access", [five_levels("q1")]), ("attitude", [five_levels("q2", na=True)]))


@dataclass
class Make:
    """A test's catalogue, dossiers and ratings."""

    session: AsyncSession
    anonymous: AsyncClient
    now: datetime
    number: int = 0
    admin: AsyncClient | None = field(default=None)

    async def key(self, *scopes: str, agencies: set[str] | None = None, **more: Any) -> str:
        """A key with these scopes (all of them when none is named)."""
        key = new_key()
        limited = None if agencies is None else frozenset(agencies)
        caller = Caller(more.get("name", "test"), frozenset(scopes) or SCOPES, limited)
        await keys.create(self.session, key, caller, self.now, more.get("expires_at"))
        await self.session.commit()
        return key

    async def caller(self, *scopes: str, agencies: set[str] | None = None) -> AsyncClient:
        """A client with a key; its headers are its own."""
        key = await self.key(*scopes, agencies=agencies)
        return self.with_key(key)

    def with_key(self, key: str) -> AsyncClient:
        return AsyncClient(
            transport=self.anonymous._transport,  # noqa: SLF001 -- the same app, another caller
            base_url="http://test",
            headers={"Authorization": f"Bearer {key}", "Accept-Language": "en"},
        )

    async def put(self, path: str, body: Json) -> Json:
        """Put an entry of the catalogue; the test fails when it is refused."""
        self.admin = self.admin or await self.caller()
        answer = await self.admin.put(path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    async def agency(self, code: str = "A1", **fields: Any) -> str:
        body = {"name": {"vi": f"Cơ quan {code}"}, "kind": "department", "valid_from": "2010-01-01"}
        await self.put(f"/v1/agencies/{code}", body | fields)
        return code

    async def peer_group(self, code: str, *agencies: str) -> str:
        members = [{"agency": agency, "valid_from": "2010-01-01"} for agency in agencies]
        await self.put(f"/v1/peer-groups/{code}", {"name": {"vi": code}, "members": members})
        return code

    async def survey(
        self, code: str = "s1", *agencies: str, form: Json = PLAIN, **fields: Any
    ) -> str:
        await self.put(f"/v1/questionnaires/{code}-form/versions/1", form)
        body = {
            "title": {"vi": f"Đợt {code}"},
            "questionnaire": f"{code}-form",
            "version": 1,
            "opens_on": "2026-01-01",
            "agencies": list(agencies) or ["A1"],
        }
        await self.put(f"/v1/surveys/{code}", body | fields)
        return code

    async def procedure(self, code: str = "1.000001") -> str:
        body = {"name": {"vi": "Thủ tục"}, "field": "Công Thương", "working_days": 5}
        await self.put(f"/v1/procedures/{code}", {**body, "online": "full"})
        return code

    async def dossier(self, agency: str = "A1", *, returned: bool = True, **fields: Any) -> str:
        """A received dossier, its result returned an hour before now unless told otherwise."""
        self.number += 1
        code = f"000.00.01.H00-260601-{self.number:05}"
        path = f"/v1/agencies/{agency}/dossiers/{code}"
        body = {
            "procedure": await self.procedure(),
            "channel": "desk",
            "received_at": "2026-06-01T08:00:00+07:00",
            "due_at": "2026-06-20T17:00:00+07:00",
        }
        await self.put(path, body | fields)
        if returned:
            at = (self.now - timedelta(hours=1)).isoformat()
            assert self.admin is not None
            answer = await self.admin.post(
                f"{path}/events", json={"type": "result_returned", "at": at}
            )
            assert answer.status_code == 201, answer.text
        return code

    async def rate(self, answers: dict[str, str], **fields: Any) -> Response:
        """Submit a rating of a new dossier, or of the one named."""
        agency = fields.get("agency", "A1")
        dossier = fields.pop("dossier", None) or await self.dossier(agency)
        body = {"agency": agency, "survey": "s1", "channel": "tablet", "dossier": dossier}
        assert self.admin is not None
        return await self.admin.post("/v1/ratings", json=body | {"answers": answers} | fields)

    async def sheet(self, counts: dict[str, dict[str, int]], forms: int, **fields: Any) -> Response:
        """Submit a tally sheet."""
        body = {"agency": "A1", "survey": "s1", "channel": "paper", "period": "2026-05"}
        self.admin = self.admin or await self.caller()
        return await self.admin.post(
            "/v1/tally-sheets", json=body | {"forms": forms, "counts": counts} | fields
        )
