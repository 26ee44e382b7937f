"""Opening the database: the server, and the secret kept beside it."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import session
from app.db.embedded import EmbeddedServer


@asynccontextmanager
async def database(url: str | None, data_dir: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on the server at the address, or else on the embedded one in the folder."""
    server: EmbeddedServer | None = None
    if url is None:
        server = EmbeddedServer(data_dir)
        url = await asyncio.to_thread(server.start)
    try:
        engine = session.open_engine(url)
        try:
            await session.check_server(engine)
            yield engine
        finally:
            await engine.dispose()
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)


def reference_key(chosen: str | None, data_dir: Path) -> bytes:
    """The secret of dossier references: the chosen one, or a file made once beside the data."""
    if chosen is not None:
        return chosen.encode()
    return kept_secret(data_dir / "reference.key", secrets.token_hex(32)).encode()


def kept_secret(path: Path, new: str) -> str:
    """The secret in the file; the first of several processes puts its new one there."""
    if not path.exists():
        _write_once(path, new)
    return path.read_text().strip()


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
