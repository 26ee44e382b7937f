"""Settings: environment variables that begin with HAILONG_, each explained in the README."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


def is_protected(address: str) -> bool:
    """Whether nobody on the way can read or change what is fetched from there."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (
        parts.scheme == "https"
        or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"})
    )


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
    import_max_bytes: int = Field(
        default=2 * 1024 * MEBIBYTE, ge=1024, description="Longer files of rows are refused."
    )
    import_max_unpacked_bytes: int = Field(
        default=16 * 1024 * MEBIBYTE, ge=1024, description="A packed file ends there as failed."
    )
    most_waiting: int = Field(
        default=2000, ge=1, le=100_000, description="Ratings that may wait; more are told 503."
    )
    rate_limit_per_minute: int = Field(
        default=6000, ge=0, le=1_000_000, description="Requests of a credential; 0: no limit."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="Address at which citizens reach the service; unset, that of the request.",
    )
    compare_hours: int = Field(
        default=24, ge=1, le=720, description="Hours between two comparisons of the worker."
    )
    oidc_issuer: str | None = Field(
        default=None, description="Issuer whose tokens are accepted beside keys (OpenID Connect)."
    )
    oidc_audience: str | None = Field(
        default=None,
        validate_default=True,
        description="What the issuer calls this service in `aud`; needed with an issuer.",
    )
    oidc_scopes_claim: str = Field(default="scope", description="Claim that names the scopes.")
    oidc_agencies_claim: str = Field(
        default="agencies", description="Claim that names the agencies, `*` for all."
    )
    oidc_unlimited: bool = Field(
        default=False, description="Tokens without that claim are for all agencies, not for none."
    )
    oidc_leeway_seconds: int = Field(
        default=60, ge=0, le=600, description="By how much the issuer's clock may differ."
    )
    webhook_allow_private: bool = Field(
        default=False, description="Webhooks may go to private addresses, and without TLS."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines that are written."
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _protected(cls, issuer: str | None) -> str | None:
        """Whoever could change the issuer's answers on their way could sign in as anybody."""
        if issuer is not None and not is_protected(issuer):
            raise ValueError("must be an https address (http only on this machine)")
        return issuer

    @field_validator("oidc_audience")
    @classmethod
    def _for_us(cls, audience: str | None, info: ValidationInfo) -> str | None:
        """A token that was made for another service must not open this one."""
        if audience is None and info.data.get("oidc_issuer") is not None:
            raise ValueError("is needed with HAILONG_OIDC_ISSUER")
        return audience

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
