"""The settings of a process. Every field is an environment variable `SECRETARY_<NAME>`; older names work as aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


def _names(name: str, *aliases: str) -> AliasChoices:
    return AliasChoices(f"SECRETARY_{name.upper()}", name, *aliases)


class Settings(BaseSettings):
    """Read once at start-up. An empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", toml_file="secretary.toml", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    host: str = Field("127.0.0.1", validation_alias=_names("host", "ORCHESTRATOR_HOST"))
    """Address to listen on."""
    port: int = Field(8002, ge=1, le=65535, validation_alias=_names("port", "ORCHESTRATOR_PORT"))
    """Port to listen on."""
    data_dir: Path = Field(Path("data"), validation_alias=_names("data_dir"))
    """Folder of the database, models, voices and keys."""
    database_url: str | None = Field(None, validation_alias=_names("database_url", "DATABASE_URL"))
    """`sqlite:///…` or `postgresql://…`; default: `secretary.db` in the data folder."""
    redis_url: SecretStr | None = Field(None, validation_alias=_names("redis_url", "REDIS_URL"))
    """Valkey or Redis for limits and shared state; default: in this process."""
    secret_key: SecretStr | None = Field(None, validation_alias=_names("secret_key", "ADMIN_JWT_SECRET"))
    """Key that encrypts stored secrets and signs tokens, 16 characters or more; default: `secret.key` in the data folder."""
    admin_password: SecretStr | None = Field(None, validation_alias=_names("admin_password", "ADMIN_PASSWORD"))
    """Password of the first user `admin`; default: a random one, printed once."""
    api_key: SecretStr | None = Field(None, validation_alias=_names("api_key"))
    """First API key, 12 characters or more; default: a random one, printed once."""
    plugins: Annotated[tuple[str, ...] | None, NoDecode] = Field(None, validation_alias=_names("plugins"))
    """Allow-list of plugin ids, comma-separated; default: all that are installed."""
    safe_mode: bool = Field(False, validation_alias=_names("safe_mode"))
    """Load built-in plugins only."""
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias=_names("log_level", "LOG_LEVEL"))
    log_format: Literal["auto", "console", "json"] = Field("auto", validation_alias=_names("log_format"))
    """`auto`: readable on a terminal, JSON lines elsewhere."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias=_names("cors_origins", "CORS_ORIGINS"))
    """Origins that may call the API from a browser, comma-separated; `*` is refused."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias=_names("trusted_proxies"))
    """Addresses or networks of reverse proxies whose X-Forwarded-For is believed."""
    rate_limit_default: str = Field("600/minute", validation_alias=_names("rate_limit_default", "RATE_LIMIT_DEFAULT"))
    """Requests per address or key on routes without a limit of their own."""
    rate_limit_auth: str = Field("10/minute", validation_alias=_names("rate_limit_auth", "RATE_LIMIT_AUTH"))
    """Log-in attempts per address and per account."""
    rate_limit_chat: str = Field("120/minute", validation_alias=_names("rate_limit_chat", "RATE_LIMIT_CHAT"))
    """Chat requests per key or user."""
    rate_limit_tts: str = Field("120/minute", validation_alias=_names("rate_limit_tts", "RATE_LIMIT_TTS"))
    """Speech requests per key or user."""
    rate_limit_stt: str = Field("120/minute", validation_alias=_names("rate_limit_stt", "RATE_LIMIT_STT"))
    """Recognition requests per key or user."""
    max_body_mb: int = Field(32, ge=1, validation_alias=_names("max_body_mb"))
    """Largest request body, MiB."""
    journal: Literal["durable", "fsync", "behind"] = Field("durable", validation_alias=_names("journal"))
    """`durable`: a reply ends when its exchange is committed; `fsync`: and flushed to disk; `behind`: without waiting."""
    timezone: str = Field("UTC", validation_alias=_names("timezone"))
    """IANA time zone of the installation."""
    language: Literal["ru", "en"] = Field("ru", validation_alias=_names("language"))
    """Language of the interface before a user chooses, and of texts without one."""
    persona: str | None = Field(None, validation_alias=_names("persona", "SECRETARY_PERSONA"))
    """Persona that answers at the first start."""
    llm_backend: str | None = Field(None, validation_alias=_names("llm_backend", "LLM_BACKEND"))
    """`vllm`, `gemini`, `cloud:<provider>`, `local` or a model id: the default model at the first start."""
    vllm_api_url: str | None = Field(None, validation_alias=_names("vllm_api_url", "VLLM_API_URL"))
    """A vLLM (or other OpenAI-compatible) server to connect at the first start."""
    vllm_model_name: str | None = Field(None, validation_alias=_names("vllm_model_name", "VLLM_MODEL_NAME"))
    gemini_api_key: SecretStr | None = Field(None, validation_alias=_names("gemini_api_key", "GEMINI_API_KEY"))
    """Google Gemini key: makes a provider at the first start."""
    gemini_model: str | None = Field(None, validation_alias=_names("gemini_model", "GEMINI_MODEL"))
    shutdown_grace_s: float = Field(10.0, ge=0, le=600, validation_alias=_names("shutdown_grace_s"))
    """Seconds that open streams get to finish at shutdown."""

    @field_validator("plugins", "cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _no_wildcard(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            raise ValueError("CORS_ORIGINS must list origins one by one; '*' would let every website use a visitor's session")
        return value

    @field_validator("api_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 12:
            raise ValueError("SECRETARY_API_KEY needs 12 characters or more")
        return value

    @field_validator("secret_key")
    @classmethod
    def _strong_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("SECRETARY_SECRET_KEY needs 16 characters or more")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone such as 'Europe/Moscow'") from error
        return value

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'secretary.db').resolve()}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**overrides: object) -> Settings:
    """Read the settings. Raises pydantic's `ValidationError`, whose text names each wrong variable."""
    return Settings(**overrides)  # type: ignore[arg-type]  # keyword names are checked by pydantic itself
