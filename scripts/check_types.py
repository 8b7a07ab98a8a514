"""mypy --strict over everything in `src/`, package by package in one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    folders = [ROOT / "core/src/ai_secretary", ROOT / "ui/src/ai_secretary_ui", *sorted(ROOT.glob("plugins/*/src/*"))]
    existing = [str(folder.relative_to(ROOT)) for folder in folders if folder.is_dir() and not folder.name.startswith(".")]
    # mypy_path cannot hold a pattern, and without its folder a plugin's package would be found under two names.
    environment = os.environ | {"MYPYPATH": os.pathsep.join(str(Path(folder).parent) for folder in existing)}
    return subprocess.run([sys.executable, "-m", "mypy", *existing], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
