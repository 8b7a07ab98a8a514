"""Where settings come from, which older names still work, and what is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ai_secretary.config import Settings, load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SECRETARY_{name.upper()}", raising=False)
    older = "ORCHESTRATOR_PORT CORS_ORIGINS LLM_BACKEND VLLM_API_URL GEMINI_API_KEY RATE_LIMIT_CHAT LOG_LEVEL ADMIN_JWT_SECRET"
    for name in older.split():
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_environment_beats_env_file_beats_toml(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().port == 8002
    (empty_folder / "secretary.toml").write_text('port = 9001\nhost = "127.0.0.3"\nlanguage = "en"\n')
    assert load_settings().port == 9001
    (empty_folder / ".env").write_text("SECRETARY_PORT=9002\nSECRETARY_HOST=127.0.0.2\n")
    assert load_settings().port == 9002
    monkeypatch.setenv("SECRETARY_PORT", "9003")
    settings = load_settings()
    assert (settings.port, settings.host, settings.language) == (9003, "127.0.0.2", "en")


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("ORCHESTRATOR_PORT", "8100", "port", 8100),
        ("LLM_BACKEND", "vllm", "llm_backend", "vllm"),
        ("VLLM_API_URL", "http://127.0.0.1:8000", "vllm_api_url", "http://127.0.0.1:8000"),
        ("SECRETARY_PERSONA", "gulya", "persona", "gulya"),
        ("LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("RATE_LIMIT_CHAT", "5/minute", "rate_limit_chat", "5/minute"),
        ("CORS_ORIGINS", "https://a.example, https://b.example", "cors_origins", ("https://a.example", "https://b.example")),
    ],
)
def test_the_names_of_the_original_work(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), field) == expected


def test_the_new_name_beats_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_PORT", "8100")
    monkeypatch.setenv("SECRETARY_PORT", "8200")
    assert load_settings().port == 8200


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty ADMIN_JWT_SECRET once meant that tokens were signed with an empty key."""
    monkeypatch.setenv("ADMIN_JWT_SECRET", "")
    monkeypatch.setenv("SECRETARY_PORT", "")
    settings = load_settings()
    assert settings.secret_key is None
    assert settings.port == 8002


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CORS_ORIGINS", "*", "would let every website"),
        ("SECRETARY_API_KEY", "short", "12 characters"),
        ("SECRETARY_SECRET_KEY", "short", "16 characters"),
        ("SECRETARY_PORT", "99999", "less than or equal to 65535"),
        ("SECRETARY_TIMEZONE", "Mars/Olympus", "is not a time zone"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=words):
        load_settings()


def test_secrets_do_not_show_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-planted-secret")
    assert "planted" not in repr(load_settings())
