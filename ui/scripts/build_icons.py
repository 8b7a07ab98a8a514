"""Make `assets/fonts/icons.woff2`: the Material Symbols Outlined glyphs that the house uses, out of the file that NiceGUI ships.

python ui/scripts/build_icons.py            # writes the font and assets/icons.txt
python ui/scripts/build_icons.py --check    # fails if a used icon is missing from the committed font
"""

# ruff: noqa: T201 - a script talks to the one who runs it

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "ui" / "src" / "ai_secretary_ui" / "assets"
FONT = ASSETS / "fonts" / "icons.woff2"
LISTING = ASSETS / "icons.txt"
FOLDERS = ("core/src", "ui/src", "plugins")
QUASAR = (
    "arrow_drop_down", "arrow_downward", "arrow_upward", "cancel", "check", "check_circle", "chevron_left", "chevron_right",
    "close", "error", "expand_more", "first_page", "info", "keyboard_arrow_down", "last_page", "unfold_more", "warning",
)  # fmt: skip
"""Quasar asks for these by itself."""
PLACES = re.compile(
    r"""(?x)
    (?: \b(?:icon|icon_name|glyph|icon_button) \s* (?:\(|=|:) \s* \(?\s* ["']([a-z][a-z0-9_]+)["'] )   # icon("call"), icon="call"
  | (?: sym_o_([a-z0-9_]+) )
  | (?: class="ms"[^>]*>([a-z0-9_]+)< )
    """
)
LITERAL = re.compile(r"""["']([a-z][a-z0-9_]{2,40})["']""")
"""In files that draw, any literal that is the name of an icon counts as one: too many icons cost bytes, a missing one a hole."""


def source_font() -> Path:
    """The Material Symbols Outlined file of the installed NiceGUI."""
    import nicegui

    static = Path(nicegui.__file__).parent / "static"
    css = (static / "fonts.css").read_text()
    for block in css.split("@font-face")[1:]:
        if re.search(r'font-family:\s*"Material Symbols Outlined"', block):
            found = re.search(r"url\(([^)]+)\)", block)
            if found:
                return static / found.group(1).strip("\"'")
    raise SystemExit("NiceGUI ships no Material Symbols Outlined")


def ligatures(font: object) -> dict[str, str]:
    """Icon name → glyph name."""
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}  # type: ignore[attr-defined]
    found: dict[str, str] = {}
    for lookup in font["GSUB"].table.LookupList.Lookup:  # type: ignore[index]
        for table in lookup.SubTable:
            inner = getattr(table, "ExtSubTable", table)
            for first, entries in getattr(inner, "ligatures", {}).items():
                for entry in entries:
                    found["".join(letters.get(glyph, "?") for glyph in [first, *entry.Component])] = entry.LigGlyph
    return found


def used(known: set[str]) -> set[str]:
    """Names of icons that the sources mention where icons are meant."""
    names = set(QUASAR)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in {".py", ".js"} or "tests" in path.parts or "node_modules" in path.parts:
                continue
            text = path.read_text("utf-8")
            for match in PLACES.finditer(text):
                names.update(group for group in match.groups() if group)
            if path.suffix == ".py" and (folder == "ui/src" or path.name in {"plugin.py", "panel.py"} or "panel" in path.parts):
                names.update(name for name in LITERAL.findall(text) if name in known)
    return {name for name in names if name in known}


def unknown(known: set[str]) -> set[str]:
    """Names given to `icon(…)` that are no icons at all."""
    names: set[str] = set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "tests" in path.parts:
                continue
            for match in re.finditer(r"""\b(?:icon|icon_button)\(["']([a-z][a-z0-9_]+)["']""", path.read_text("utf-8")):
                names.add(match.group(1).removeprefix("sym_o_"))
    return names - known


def main() -> int:
    from fontTools import subset
    from fontTools.ttLib import TTFont

    source = TTFont(source_font())
    names = ligatures(source)
    if wrong := unknown(set(names)):
        print(f"no such icons: {', '.join(sorted(wrong))}")
        return 1
    wanted = used(set(names))
    if "--check" in sys.argv:
        missing = wanted - set(ligatures(TTFont(FONT)))
        print(f"missing from the font: {', '.join(sorted(missing))}" if missing else f"{len(wanted)} icons, all there")
        return 1 if missing else 0
    options = subset.Options(layout_closure=False, flavor="woff2", layout_features=["*"])
    worker = subset.Subsetter(options)
    worker.populate(glyphs=[names[name] for name in wanted], text="abcdefghijklmnopqrstuvwxyz_0123456789")
    worker.subset(source)
    FONT.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(source, str(FONT), options)
    LISTING.write_text("\n".join(sorted(wanted)) + "\n")
    print(f"{len(wanted)} icons, {FONT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
