"""Settings: environment variables that begin with HAILONG_, each explained in the README."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """What an operator can choose."""

    model_config = SettingsConfigDict(env_prefix="HAILONG_", env_ignore_empty=True, extra="ignore")

    data_dir: Path = Field(
        default=Path("var"), description="Folder of the embedded server and of reference.key."
    )
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL 16 or newer; unset, an embedded server is started."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(default=1, ge=1, le=64, description="Serving processes.")
    admin_key: SecretStr | None = Field(
        default=None, min_length=24, description="A key with all scopes, made known at start."
    )
    reference_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret of dossier references; unset, kept in HAILONG_DATA_DIR/reference.key.",
    )
    minimum_n: int = Field(
        default=5, ge=1, le=1000, description="Figures on fewer answers are withheld (too_few)."
    )
    max_body_bytes: int = Field(
        default=MEBIBYTE, ge=1024, description="Longer request bodies are refused with 413."
    )
    most_waiting: int = Field(
        default=2000, ge=1, le=100_000, description="Ratings that may wait; more are told 503."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="Address at which citizens reach the service; unset, that of the request.",
    )
    compare_hours: int = Field(
        default=24, ge=1, le=720, description="Hours between two comparisons of the worker."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines that are written."
    )

    @field_validator("data_dir")
    @classmethod
    def _printable(cls, path: Path) -> Path:
        """A line break in a folder's name would break the embedded server's own files."""
        if not str(path).isprintable():
            raise ValueError("must be printable")
        return path

    @property
    def address(self) -> str | None:
        """The database's address, or None for the embedded server."""
        return None if self.database_url is None else self.database_url.get_secret_value()

    @property
    def secret(self) -> str | None:
        """The secret of dossier references, or None for the one kept in the data folder."""
        return None if self.reference_key is None else self.reference_key.get_secret_value()
