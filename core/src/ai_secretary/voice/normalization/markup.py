"""Markdown, HTML, emoji and invisible characters → plain prose."""

from __future__ import annotations

import html
import re
import unicodedata

_SKIPPED_CODE = {"ru": "код пропущен", "en": "code omitted"}

_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffd\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SPACES = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u26ff\u2700-\u27bf\u2b00-\u2bff\u20e3\u2300-\u23ff\u25a0-\u25ff\u2190-\u21ff]+"
)
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=8][-']?[)(DPpоo/|\\]+|\){2,}|<3|\^_\^|xD|XD)(?=\s|$)")
_CLOSING_PARENTHESES = re.compile(r"(?<=[\w.!?])\){2,}|(?<=[а-яёa-z!?])\)(?=\s|$)")

_FENCE = re.compile(r"^[ ]*(```+|~~~+)[^\n]*\n.*?(?:^[ ]*\1[ ]*$|\Z)", re.DOTALL | re.MULTILINE)
_FENCE_OPEN = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SCRIPT = re.compile(r"<(script|style|template|svg|math|iframe)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|section|article|hr|blockquote|pre)\b[^<>]*>", re.IGNORECASE)
_CELL = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[\w.+-]+@[\w-]+\.[\w.-]+)>")
_TAG = re.compile(r"</?[A-Za-z][\w:-]*(?:\s[^<>]{0,500})?/?>")
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\([^)\n]*\)")
_LINK = re.compile(r"\[([^\]\n]+)\]\((?:[^()\n]|\([^()\n]*\))*\)|\[([^\]\n]+)\]\[[^\]\n]*\]")
_REFERENCE = re.compile(r"^[ ]*\[[^\]\n]+\]:[ ]*\S+.*$", re.MULTILINE)
_CITATION = re.compile(r"\s?\[\^?\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\]|【[^】]*】")
_CODE = re.compile(r"(`+)([^`\n]+)\1")
_RULE = re.compile(r"^[ ]*(?:[-*_=][ ]?){3,}$", re.MULTILINE)
_HEADING = re.compile(r"^[ ]{0,3}#{1,6}[ ]+(.*?)[ #]*$", re.MULTILINE)
_QUOTE = re.compile(r"^[ ]*(?:>[ ]?)+", re.MULTILINE)
_BULLET = re.compile(r"^[ ]*(?:[-*+•▪◦‣·–—])[ ]+(?:\[[ xXхХ]\][ ]+)?(?=\S)", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ ]*\|?[ ]*:?-{2,}:?[ ]*(?:\|[ ]*:?-{2,}:?[ ]*)*\|?[ ]*$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ ]*\|(.+)\|[ ]*$", re.MULTILINE)
_STRONG = re.compile(r"(\*\*\*|\*\*|___|__|~~|==)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])|(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=[^\s_])_(?![\w_])"
)
_STRAY = re.compile(r"\*\*+|__+|~~+|`+|(?<!\S)[*_](?=\w)|(?<=[\w.,!?;:])[*_](?=[\s.,!?;:]|$)|\\(?=[\\`*_{}\[\]()#+.!~>|-])")
_LATEX = re.compile(r"\\[()\[\]]|\$\$")
_TERMINATED = re.compile(r"[.!?…:;,—–-][\"'»”)]*$")
_WHITESPACE = re.compile(r"[ ]{2,}")
_SPACE_BEFORE_MARK = re.compile(r" +([,.!?;:…])(?=\s|$|[\"'»”)])")


def plain_text(text: str, language: str = "en") -> str:
    """Prose in one line: list items, headings and table rows are sentences, links are their text, code is named and skipped."""
    text = text.encode("utf-8", "ignore").decode() if not text.isascii() else text
    text = unicodedata.normalize(
        "NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    )
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text))
    if not text.strip():
        return ""
    text = _blocks(text, language)
    text = _inline(text)
    text = _EMOJI.sub(" ", _EMOTICON.sub(" ", text))
    text = _CLOSING_PARENTHESES.sub(_smile, text)
    lines = [line for line in (_sentence(line) for line in text.split("\n")) if line]
    joined = _WHITESPACE.sub(" ", " ".join(_ended(line) for line in lines[:-1]) + " " + "".join(lines[-1:])).strip()
    joined = _SPACE_BEFORE_MARK.sub(r"\1", joined)
    return joined if any(character.isalnum() for character in joined) else ""


def _blocks(text: str, language: str) -> str:
    skipped = _SKIPPED_CODE.get(language, _SKIPPED_CODE["en"]).capitalize()
    if "```" in text or "~~~" in text:
        text = _FENCE.sub(f"\n{skipped}.\n", text)
        text = _FENCE_OPEN.sub(f" {skipped}. ", text)
    if "<" in text:
        text = _COMMENT.sub(" ", _SCRIPT.sub(" ", text))
        text = _CELL.sub(", ", _BREAKING_TAG.sub("\n", text))
        text = _TAG.sub("", _AUTOLINK.sub(r"\1", text))
    if "&" in text:
        text = _INVISIBLE.sub("", _SPACES.sub(" ", html.unescape(text)))
    if "|" in text:
        text = _TABLE_RULE.sub("", text)
        text = _TABLE_ROW.sub(lambda row: ", ".join(cell.strip() for cell in row[1].split("|") if cell.strip()), text)
    text = _RULE.sub("", _REFERENCE.sub("", text))
    text = _QUOTE.sub("", _HEADING.sub(r"\1", text))
    return _BULLET.sub("", text)


def _inline(text: str) -> str:
    if "[" in text or "【" in text:
        text = _IMAGE.sub(r"\1", text)
        text = _LINK.sub(lambda link: link[1] or link[2], text)
        text = _CITATION.sub("", text)
    if "`" in text:
        text = _CODE.sub(r"\2", text)
    text = _LATEX.sub(" ", text)
    if any(mark in text for mark in "*_~=`\\"):
        text = _STRONG.sub(r"\2", text)
        text = _STRONG.sub(r"\2", text)
        text = _EMPHASIS.sub(lambda match: match[1] or match[2], text)
        text = _STRAY.sub("", text)
    return text


def _smile(match: re.Match[str]) -> str:
    """`Привет)` is a smile, `(как здесь)` is not."""
    before = match.string[: match.start()]
    if before.rfind("(") > before.rfind(")"):
        return match[0]
    return "." if before[-1:].isalnum() and re.match(r"\s+[A-ZА-ЯЁ]", match.string[match.end() :]) else ""


def _sentence(line: str) -> str:
    line = line.strip()
    return line if any(character.isalnum() for character in line) else ""


def _ended(line: str) -> str:
    """A line of its own ends like a sentence, so that the voice pauses there ("5." would be read as "fifth")."""
    if _TERMINATED.search(line):
        return line
    return line + (";" if line[-1].isdigit() else ".")
