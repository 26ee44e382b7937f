"""The secret of dossier references: kept, read, and never made anew for ratings that have one."""

import pytest

from app.db.installation import WrongReferenceKeyError
from app.db.opening import SecretUnusableError, kept_secret, reference_key

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
