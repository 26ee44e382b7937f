"""Opening the database: a server that is away, and a secret that is never made anew."""

import pytest
from sqlalchemy import text

from app.api.errors import unavailable
from app.db.installation import WrongReferenceKeyError
from app.db.opening import SecretUnusableError, kept_secret, reference_key
from app.db.session import open_engine

SECRET = "s" * 40


async def test_a_secret_is_made_once_and_kept(session, tmp_path):
    first = await reference_key(session, None, tmp_path)
    assert len(first) == 64
    assert await reference_key(session, None, tmp_path) == first
    assert (tmp_path / "reference.key").stat().st_mode & 0o777 == 0o600


async def test_another_secret_is_refused(session, tmp_path):
    await reference_key(session, SECRET, tmp_path)
    assert await reference_key(session, SECRET, tmp_path) == SECRET.encode()
    with pytest.raises(WrongReferenceKeyError):
        await reference_key(session, SECRET + "!", tmp_path)


async def test_a_lost_secret_is_not_replaced_by_a_new_one(session, tmp_path):
    await reference_key(session, None, tmp_path)
    (tmp_path / "reference.key").unlink()
    with pytest.raises(SecretUnusableError, match="restore that file"):
        await reference_key(session, None, tmp_path)
    assert not (tmp_path / "reference.key").exists()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 40])
def test_a_secret_that_protects_nothing_is_refused(tmp_path, content):
    path = tmp_path / "reference.key"
    path.write_bytes(content)
    with pytest.raises(SecretUnusableError, match=r"reference\.key"):
        kept_secret(path, SECRET)


def test_a_folder_in_the_secrets_place_is_refused(tmp_path):
    (tmp_path / "reference.key").mkdir()
    with pytest.raises(SecretUnusableError, match="IsADirectoryError"):
        kept_secret(tmp_path / "reference.key", SECRET)


async def test_a_server_that_has_no_socket_at_the_moment_is_one_to_try_again(tmp_path):
    engine = open_engine(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(Exception) as raised:  # noqa: PT011 -- whichever it is
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()
    assert unavailable(raised.value)
