"""Bodies that name each member once: of two answers to a question neither can be counted."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; raises JSONDecodeError when two of its members have the same name."""
    named = dict(members)
    if len(named) < len(members):
        raise json.JSONDecodeError("a member is named twice", "", 0)
    return named


class _Sent(Request):
    async def json(self) -> Any:
        """What was sent; raises JSONDecodeError when that is no JSON, or says something twice."""
        return json.loads(await self.body(), object_pairs_hook=_once)


class NamedOnce(APIRoute):
    """A route that refuses a body in which an object names a member twice, as no JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await handle(_Sent(request.scope, request.receive))

        return answer
