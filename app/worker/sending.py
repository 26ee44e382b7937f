"""Sending one event to a receiver that somebody else runs, who may be slow, broken or hostile."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from uuid import UUID

import httpx
from standardwebhooks import Webhook

from app.domain.errors import InvalidError
from app.domain.receiver import Address, check_url, public
from app.domain.webhook import Attempt

SECONDS = 10  # for looking up the name, connecting, sending and being answered
MOST_AT_ONCE = 32
CONTENT_TYPE = "application/cloudevents+json"


class ClosedAddressError(OSError):
    """The name leads to an address at which nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Message:
    """An event, where it goes, and the secrets that it is signed with."""

    id: UUID
    url: str
    body: str
    secrets: Sequence[bytes]


def signed(message: Message, at: datetime) -> dict[str, str]:
    """The headers by which a receiver knows the event for ours (Standard Webhooks)."""
    named = str(message.id)
    signatures = [Webhook(secret).sign(named, at, message.body) for secret in message.secrets]
    return {
        "webhook-id": named,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


@dataclass
class Sender:
    """Sends events; `private` allows plain http and addresses that are not public.

    After so many `seconds` it is waited for no more.
    """

    clock: Callable[[], datetime]
    private: bool = False
    seconds: float = SECONDS
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def __post_init__(self) -> None:
        # The transport itself: it knows no redirections, cookies, proxies or credentials.
        self._transport = httpx.AsyncHTTPTransport(
            verify=self.context,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        # Names that take long to be found hold up nobody but themselves.
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE)

    async def close(self) -> None:
        """Leave all receivers."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._transport.aclose()

    async def send(self, message: Message) -> Attempt:
        """Send the event once, and say what came of it; what went wrong is no exception."""
        at, begun = self.clock(), time.monotonic()
        status, asked, error = None, None, None
        try:
            async with asyncio.timeout(self.seconds):
                status, asked = await self._post(message, signed(message, at))
        except TimeoutError:
            error = "timeout"
        except ClosedAddressError:
            error = "address-not-allowed"
        except (socket.gaierror, UnicodeError):
            error = "name-not-found"
        except (httpx.ConnectError, OSError):
            error = "no-connection"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            error = "broken-answer"
        milliseconds = round(1000 * (time.monotonic() - begun))
        return Attempt(at, milliseconds, status, error, _wait(asked, at))

    async def _post(self, message: Message, headers: dict[str, str]) -> tuple[int, str | None]:
        """The status that the receiver answers, and its Retry-After."""
        url = httpx.URL(message.url)
        addresses = await self._addresses(message.url, url)
        while True:
            address = addresses.pop(0)
            request = httpx.Request(
                "POST",
                # To the address that was looked at: asked again, the name might say another.
                url.copy_with(host=str(address)),
                content=message.body.encode(),
                headers={
                    "Host": url.netloc.decode(),
                    "Content-Type": CONTENT_TYPE,
                    "User-Agent": "hailong",
                    **headers,
                },
                extensions={"sni_hostname": url.host, "timeout": {}},
            )
            try:
                response = await self._transport.handle_async_request(request)
            except httpx.ConnectError:
                if not addresses:
                    raise
                continue
            # What else it says is of no interest.
            await response.aclose()
            return response.status_code, response.headers.get("retry-after")

    async def _addresses(self, text: str, url: httpx.URL) -> list[Address]:
        """Where the name leads, looked up anew; ClosedAddressError if any is not allowed.

        gaierror if there is none, or none on the public internet.
        """
        try:
            check_url(text, private=self.private)
        except InvalidError as error:
            raise ClosedAddressError from error
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        )
        addresses = [ip_address(str(place[0])) for *_, place in found]
        if not self.private and not all(public(address) for address in addresses):
            if not any(public(address) for address in addresses):
                # As if there were none: else anybody could try which names are known inside.
                raise socket.gaierror
            raise ClosedAddressError
        return list(dict.fromkeys(addresses))


def _wait(asked: str | None, at: datetime) -> timedelta | None:
    """The wait that a Retry-After asks for: seconds, or until a date."""
    if asked is None:
        return None
    if asked.isascii() and asked.isdigit():
        return timedelta(seconds=min(int(asked[:9]), 10**9))
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(asked) - at
    return None
