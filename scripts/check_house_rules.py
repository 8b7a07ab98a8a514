"""Rules of this repository that no general linter knows. Each line of output names the file and the rule."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "common", "misc"}
HEAVY = {"torch", "vllm", "TTS", "piper", "faster_whisper", "vosk", "xllamacpp", "ctranslate2", "openai", "anthropic", "google"}
ADDRESSES = re.compile(
    r"https?://[^\s\"']+\.(whl|tgz|deb)\b|https?://[^\s\"']*/simple(/|\"|$)|(^|[^\w.])/w" r"ork/|/opt/w" r"heels"
)
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b|NotImplemented" r"Error")


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def imports(tree: ast.Module, *, top_level: bool) -> Iterator[tuple[str, int]]:
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[parts.index("src") + 1] if "src" in parts else ""


def check_source(path: Path) -> Iterator[str]:
    relative = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    own = package_of(path)
    if path.stem in FORBIDDEN_NAMES:
        yield f"{relative}: the name says nothing; name what it holds"
    for module, line in imports(tree, top_level=False):
        root = module.split(".")[0]
        if own == "ai_secretary" and root.startswith("ai_secretary_"):
            yield f"{relative}:{line}: the core imports a plugin ({module})"
        if (
            own not in ("", "ai_secretary", "ai_secretary_ui")
            and root.startswith("ai_secretary_")
            and root not in (own, "ai_secretary_ui")
        ):
            yield f"{relative}:{line}: a plugin imports another plugin ({module})"
        if root == "nicegui" and own != "ai_secretary_ui" and path.name != "panel.py" and "panel" not in relative.parts:
            yield f"{relative}:{line}: only panel.py imports NiceGUI"
        if root == "ai_secretary_ui" and own != "ai_secretary_ui" and path.name != "panel.py" and "panel" not in relative.parts:
            yield f"{relative}:{line}: only panel.py imports the UI"
    if path.name == "plugin.py":
        for module, line in imports(tree, top_level=True):
            if module.split(".")[0] in HEAVY:
                yield f"{relative}:{line}: plugin.py must import without {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "utcnow":
            yield f"{relative}:{node.lineno}: naive time; use storage.now()"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "create_task"
            and not any(keyword.arg == "name" for keyword in node.keywords)
        ):
            yield f"{relative}:{node.lineno}: a task without a name"


def check_any(path: Path) -> Iterator[str]:
    relative = path.relative_to(ROOT)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) < 4000 and ADDRESSES.search(line):
            yield f"{relative}:{number}: an index's download address, or a path of one machine"
        if path.suffix == ".py" and UNFINISHED.search(line):
            yield f"{relative}:{number}: unfinished"


def check_plugins() -> Iterator[str]:
    for folder in sorted((ROOT / "plugins").iterdir()):
        if not (folder / "pyproject.toml").is_file():
            continue
        for name in ("README.md", "quality.yaml", "tests"):
            if not (folder / name).exists():
                yield f"plugins/{folder.name}: no {name}"
        for package in folder.glob("src/*"):
            if package.is_dir() and not (package / "py.typed").exists():
                yield f"{package.relative_to(ROOT)}: no py.typed"


def main() -> int:
    problems: list[str] = []
    for path in tracked("core/src/*.py", "ui/src/*.py", "plugins/*/src/*.py"):
        problems += check_source(path)
    for path in tracked():
        problems += check_any(path)
    problems += check_plugins()
    print("\n".join(problems))
    print(f"{len(problems)} breaches of house rules", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
