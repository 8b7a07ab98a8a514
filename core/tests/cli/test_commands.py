"""The command line as an operator uses it: real processes in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "ai-secretary")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SECRETARY_")}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={**clean, "SECRETARY_PLUGINS": "none", "SECRETARY_ADMIN_PASSWORD": "correct horse battery", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_key_is_made_listed_and_deleted(folder: Path) -> None:
    made = run(folder, "key", "create", "warehouse")
    assert made.returncode == 0, made.stderr
    raw = made.stdout.strip().splitlines()[-1]
    assert raw.startswith("sk-")
    listed = run(folder, "key", "list")
    line = next(line for line in listed.stdout.splitlines() if "warehouse" in line)
    assert raw not in listed.stdout
    assert run(folder, "key", "delete", line.split()[0]).returncode == 0
    assert "warehouse" not in run(folder, "key", "list").stdout


def test_users_are_made_and_a_wrong_role_is_told(folder: Path) -> None:
    made = run(folder, "user", "create", "olga", "--role", "viewer", "--password", "a long enough password")
    assert made.returncode == 0, made.stderr
    assert "olga" in run(folder, "user", "list").stdout
    wrong = run(folder, "user", "create", "ivan", "--role", "king", "--password", "a long enough password")
    assert wrong.returncode == 1
    assert "admin, operator or viewer" in wrong.stderr


def test_wrong_settings_name_each_variable(folder: Path) -> None:
    wrong = run(folder, "user", "list", SECRETARY_PORT="70000", SECRETARY_SECRET_KEY="short")
    assert wrong.returncode == 1
    assert "SECRETARY_PORT" in wrong.stderr
    assert "SECRETARY_SECRET_KEY" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_an_unwritable_data_folder_is_told_in_words(folder: Path) -> None:
    (folder / "data").write_text("a file where a folder should be")
    wrong = run(folder, "user", "list")
    assert wrong.returncode == 1
    assert "cannot be written" in wrong.stderr
    assert "SECRETARY_DATA_DIR" in wrong.stderr


def test_a_taken_port_is_told_before_anything_is_loaded(folder: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wrong = run(folder, "serve", SECRETARY_PORT=str(taken.getsockname()[1]))
    assert wrong.returncode == 1
    assert "cannot be used" in wrong.stderr
    assert not (folder / "data").exists()


def test_an_unknown_plugin_is_told(folder: Path) -> None:
    wrong = run(folder, "plugins", "disable", "nobody")
    assert wrong.returncode == 1
    assert "nobody" in wrong.stderr
