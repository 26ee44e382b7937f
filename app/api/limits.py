"""Rate limits: how much a caller may ask in a minute, said in every answer.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

import asyncio
import hmac
from datetime import datetime
from functools import cache

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import pages
from app.api.deps import credential, identified
from app.api.errors import problem
from app.api.statuses import STATUS
from app.db.limits import PATIENCE_SECONDS, Account, Quotas
from app.domain.errors import DomainError
from app.domain.quota import WINDOW, TooManyRequestsError, seconds_left

ROWS_FOR_ONE = 10

_ACCOUNT = "hailong.account"
_REFUSED = STATUS[TooManyRequestsError]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WATCHING = frozenset({"/healthz", "/readyz"})  # who watches must be told whatever others do


class Limits:
    """Refuses who has used up its quota before a byte of the body is read.

    A quota is a credential's. Without one that is known, writing and guessing credentials are
    counted for the address they come from; reading what is public is not counted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        # Every request comes through here: what is done for it is counted in microseconds.
        counted = scope["type"] == "http" and scope["path"] not in _WATCHING
        quotas: Quotas | None = scope["app"].state.quotas if counted else None
        if quotas is None:
            await self.app(scope, receive, send)
            return
        now: datetime = scope["app"].state.clock()
        account = await _account(quotas, scope, now)
        if account is None:
            await self.app(scope, receive, send)
            return
        scope[_ACCOUNT] = account
        wait = seconds_left(account.began, now)

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = min(account.left + account.rest, quotas.quota)
                headers = message["headers"]
                headers.append(_policy(quotas.quota))
                headers.append((b"ratelimit", b'"default";r=%d;t=%d' % (left, wait)))
                if message["status"] == _REFUSED:
                    headers.append((b"retry-after", b"%d" % wait))
            await send(message)

        if account.has(1) or await quotas.spend(account, 1):
            await self.app(scope, receive, telling)
        else:
            refused = await _refusal(Request(scope))
            await refused(scope, receive, telling)


@cache
def _policy(quota: int) -> tuple[bytes, bytes]:
    return b"ratelimit-policy", b'"default";q=%d;w=%d' % (quota, WINDOW.seconds)


async def charge(request: Request, rows: int) -> None:
    """Count what a request carries besides itself: one more for every ten rows.

    Raises TooManyRequestsError.
    """
    account: Account | None = request.scope.get(_ACCOUNT)
    if account is not None:
        quotas: Quotas = request.app.state.quotas
        if not await quotas.spend(account, rows // ROWS_FOR_ONE):
            raise TooManyRequestsError


async def _account(quotas: Quotas, scope: Scope, now: datetime) -> Account | None:
    """Whose quota the request is counted for; None when it is not counted."""
    presented = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    if presented is not None:
        if (account := quotas.named(presented, now)) is not None:
            return account
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                owner = await _owner(Request(scope))
        except Exception:  # noqa: BLE001 -- whoever it is, the route will say what is wrong
            return None
        if owner is not None:
            return _opened(quotas, scope, presented, f"credential\n{owner}")
    elif scope["method"] in _READING:
        return None
    if (client := scope["client"]) is None:
        return None
    address = str(client[0])
    return quotas.named(address, now) or _opened(quotas, scope, address, f"address\n{address}")


def _opened(quotas: Quotas, scope: Scope, name: bytes | str, owner: str) -> Account:
    """A new account; what is kept of its owner is a hash that nothing can be read from."""
    state: State = scope["app"].state
    caller = hmac.digest(state.reference_key, f"quota\n{owner}".encode(), "sha256")
    return quotas.open(name, caller, state.clock())


async def _owner(request: Request) -> str | None:
    """What a quota is of: the credential, or who signed in; None when it is unknown."""
    presented = credential(request)
    if presented is None:
        return None
    try:
        caller = await identified(request, presented)
    except DomainError:
        return None
    # Who signs in has a new token every few minutes.
    return caller.key if caller.key.startswith("oidc:") else presented


async def _refusal(request: Request) -> Response:
    if request.url.path.startswith("/r/") and not pages.wants_json(request):
        return pages.refusal(await pages.language(request), TooManyRequestsError())
    return problem(request, _REFUSED, TooManyRequestsError.code)
