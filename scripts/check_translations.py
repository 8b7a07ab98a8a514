"""Every text that a person may see has a Russian translation, with the same `{names}`; no catalogue keeps texts that nobody uses.

English message ids are collected from the source by what they are given to: `_()`, errors, pages, manifests, options, health.
Usage: check_translations.py [--missing]   (--missing prints ready PO entries)
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
ERRORS = {
    "SecretaryError", "InvalidInput", "Unauthenticated", "Forbidden", "NotFound", "Conflict", "TooLarge", "RateLimited",
    "ProviderError", "ProviderTimeout", "Unavailable", "WorkerError", "VaultError",
    "DownloadFailed", "HubError", "ArchiveRefused",
}  # fmt: skip
BY_KEYWORD = {
    "Page": {"title"}, "DashboardCard": {"title"}, "Manifest": {"title", "summary"}, "Field": {"title", "description"},
}  # fmt: skip
METHODS_WITH_TITLE = {"add"}
"""`registrar.add(..., title="…")` of stages, jobs and health checks."""
POSITIONAL = {"Health": (1, 2)}
NAMES = re.compile(r"\{(\w+)")


def literals(node: ast.expr) -> Iterator[str]:
    """The constant strings that an argument may be (both arms of a conditional)."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, (ast.Tuple, ast.List)):
        for element in node.elts:
            yield from literals(element)


def callee(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        return function.attr
    return ""


def own_errors(trees: Sequence[ast.Module]) -> set[str]:
    """Names of a package's classes that derive from the errors of the house, directly or not."""
    bases: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(
                    base.id if isinstance(base, ast.Name) else base.attr
                    for base in node.bases
                    if isinstance(base, (ast.Name, ast.Attribute))
                )
    found: set[str] = set()
    while more := {name for name, parents in bases.items() if name not in found and parents & (ERRORS | found)}:
        found |= more
    return found


def of_call(call: ast.Call, errors: set[str], *, of_api: bool) -> Iterator[str]:
    """`of_api`: fields of the HTTP API are documented in English only."""
    if of_api and callee(call) == "Field":
        return
    name, arguments = callee(call), call.args
    if (
        (name in {"_", "N_", "translate"} and arguments)
        or (name == "plural" and len(arguments) >= 2)
        or (name in errors and arguments)
    ):
        yield from literals(arguments[0])
    for index in POSITIONAL.get(name, ()):
        if len(arguments) > index:
            yield from literals(arguments[index])
    wanted = set(BY_KEYWORD.get(name, ()))
    if name in errors or name == "Health":
        wanted |= {"hint", "summary"}
    if isinstance(call.func, ast.Attribute) and name in METHODS_WITH_TITLE:
        wanted |= {"title"}
    for keyword in call.keywords:
        if keyword.arg in wanted or (name == "Manifest" and keyword.arg == "licence_notes"):
            yield from literals(keyword.value)


def messages(folder: Path) -> dict[str, str]:
    """Message id → where it was seen first."""
    found: dict[str, str] = {}
    skipped = {"tests", "migrations", "testing", "templates"}
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
        if not skipped & set(path.relative_to(folder).parts)
    }
    errors = ERRORS | own_errors(list(trees.values()))
    for path, tree in trees.items():
        of_api = "api" in path.relative_to(folder).parts or path.name == "schemas.py"
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for text in of_call(node, errors, of_api=of_api):
                    if re.search(r"[A-Za-z]{2}", text):
                        found.setdefault(text, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def packages() -> dict[str, Path]:
    found = {"core": ROOT / "core/src/ai_secretary", "ui": ROOT / "ui/src/ai_secretary_ui"}
    for folder in sorted(ROOT.glob("plugins/*/src/ai_secretary_*")):
        found[folder.name.removeprefix("ai_secretary_")] = folder
    return found


def check(domain: str, folder: Path, *, show: bool) -> list[str]:
    wanted = messages(folder)
    source = folder / "locale" / "ru.po"
    known: dict[str, tuple[str, ...]] = {}
    if source.is_file():
        with source.open("rb") as file:
            for message in read_po(file, locale="ru"):
                if message.id:
                    key = message.id if isinstance(message.id, str) else message.id[0]
                    text = message.string if isinstance(message.string, tuple) else (message.string,)
                    known[key] = tuple(str(part) for part in text)
    problems: list[str] = []
    for text, place in wanted.items():
        forms = known.get(text)
        if not forms or not all(forms):
            problems.append(f"{domain}: no Russian for {text!r} ({place})")
            if show:
                print(f'#: {place}\nmsgid "{escape(text)}"\nmsgstr ""\n')
        elif any(set(NAMES.findall(form)) - set(NAMES.findall(text)) for form in forms):
            problems.append(f"{domain}: other names in the Russian of {text!r}")
    problems += [f"{domain}: nobody uses {text!r} any more" for text in sorted(set(known) - set(wanted)) if domain != "core"]
    return problems


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def main() -> int:
    show = "--missing" in sys.argv[1:]
    only = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    problems = [
        problem
        for domain, folder in packages().items()
        if not only or domain in only
        for problem in check(domain, folder, show=show)
    ]
    if not show:
        for problem in problems:
            print(problem)
    print(f"{len(problems)} problems with translations", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
