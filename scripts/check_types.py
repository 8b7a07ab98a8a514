"""mypy --strict over everything in `src/`, package by package in one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    folders = [ROOT / "core/src/ai_secretary", ROOT / "ui/src/ai_secretary_ui", *sorted(ROOT.glob("plugins/*/src/*"))]
    existing = [str(folder.relative_to(ROOT)) for folder in folders if folder.is_dir() and not folder.name.startswith(".")]
    return subprocess.run([sys.executable, "-m", "mypy", *existing], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
