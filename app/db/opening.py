"""Opening the database: the server, and the secret kept beside it."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db import installation, session
from app.db.embedded import EmbeddedServer

SHORTEST_SECRET = 32


@asynccontextmanager
async def database(url: str | None, data_dir: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on the server at the address, or else on the embedded one in the folder."""
    server: EmbeddedServer | None = None
    if url is None:
        server = EmbeddedServer(data_dir)
        url = server.start()
    try:
        engine = session.open_engine(url)
        try:
            await session.check_server(engine)
            yield engine
        finally:
            await engine.dispose()
    finally:
        if server is not None:
            server.stop()


class SecretUnusableError(Exception):
    """A secret cannot be read; the message says in one line which, and what to do."""


async def reference_key(opened: AsyncSession, chosen: str | None, data_dir: Path) -> bytes:
    """The secret of dossier references: the chosen one, or the file beside the data.

    The file is made only for a database that no key is tied to yet; with another key every
    dossier could be rated again, so that is refused with WrongReferenceKeyError.
    """
    path = data_dir / "reference.key"
    if chosen is None and not path.exists() and await installation.bound(opened):
        raise SecretUnusableError(
            f"{path} is missing, and this database was made with it: restore that file, "
            "or set HAILONG_REFERENCE_KEY to what was in it."
        )
    key = (chosen or kept_secret(path, secrets.token_hex(32))).encode()
    await installation.bind(opened, key)
    return key


def kept_secret(path: Path, new: str) -> str:
    """The secret in the file; the first of several processes puts its new one there."""
    try:
        if not path.exists():
            _write_once(path, new)
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise SecretUnusableError(
            f"{path} cannot be read ({type(error).__name__}): let this user read it, or restore it."
        ) from error
    if len(secret) < SHORTEST_SECRET:
        raise SecretUnusableError(
            f"{path} holds fewer than {SHORTEST_SECRET} characters: restore it."
        )
    return secret


def _write_once(path: Path, secret: str) -> None:
    """Make the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
