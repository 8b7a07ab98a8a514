"""Generate `docs/reference/*.md` from the code: settings and hooks. With `--check`: fail if they are not up to date."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

from pydantic import AliasChoices
from pydantic_core import PydanticUndefined

from ai_secretary.config import Settings
from ai_secretary.plugins import hookspecs, registrars

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"


def docstrings_of_fields(cls: type) -> dict[str, str]:
    """Field → the string literal that follows it in the source."""
    tree = ast.parse(inspect.getsource(cls).lstrip())
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[statement.target.id] = " ".join(str(following.value.value).split())
    return found


def settings_page() -> str:
    words = docstrings_of_fields(Settings)
    lines = [
        "# Settings",
        "",
        "Read at start-up from environment variables, then `.env`, then `secretary.toml` (names in lower case, no prefix).",
        "An empty variable counts as not set. What changes while the server runs is set in the admin instead.",
        "",
        "| variable | default | meaning | older names |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
        older = [f"`{other}`" for other in names[1:] if other != name and other != names[0]]
        default = "" if field.default in (None, PydanticUndefined, ()) else f"`{field.default}`"
        lines.append(f"| `{names[0]}` | {default} | {words.get(name, '')} | {' '.join(older)} |")
    return "\n".join(lines) + "\n"


def hooks_page() -> str:
    lines = [
        "# Hooks",
        "",
        "A plugin marks methods with `@hookimpl`; each gets one typed registrar. All hooks are *sync* and *collect*: called once",
        "when the plugin is enabled, beside the event loop, with a deadline of ten seconds. `registrar.context` is the plugin's",
        "context.",
        "",
    ]
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if not name.startswith("register_"):
            continue
        annotation = inspect.signature(function).parameters["registrar"].annotation
        registrar = getattr(registrars, str(annotation).removeprefix("r."))
        lines += [f"## `{name}(registrar: {registrar.__name__})`", "", inspect.getdoc(function) or "", ""]
        for method, member in inspect.getmembers(registrar, inspect.isfunction):
            if method.startswith("_") or method == "close":
                continue
            signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(member)))
            signature = signature.replace("self, ", "").replace("(self)", "()")
            lines += [f"- `registrar.{method}{signature}`", ""]
            if text := inspect.getdoc(member):
                lines += ["  " + " ".join(text.split()), ""]
    return "\n".join(lines).rstrip() + "\n"


PAGES = {"settings.md": settings_page, "hooks.md": hooks_page}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale: list[str] = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.write_text(text)
    if check and stale:
        print(f"Not up to date: {', '.join(stale)}. Run: .venv/bin/python scripts/reference.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
