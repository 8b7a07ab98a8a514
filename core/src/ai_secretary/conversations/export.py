"""A conversation as a file for people or programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import msgspec

from ai_secretary.conversations.folding import words
from ai_secretary.conversations.records import Conversation, ExportFile, Message
from ai_secretary.i18n import Translator

_ = Translator("core")

FORMATS = ("json", "markdown", "txt")


def export(conversation: Conversation, branch: Sequence[Message], everything: Sequence[Message], format: str) -> ExportFile:
    slug = "-".join(words(conversation.title)[:6]) or "conversation"
    name = f"{slug[:60]}-{conversation.created_at:%Y-%m-%d}"
    if format == "json":
        return ExportFile(f"{name}.json", "application/json", _json(conversation, branch, everything))
    if format == "markdown":
        return ExportFile(f"{name}.md", "text/markdown; charset=utf-8", _markdown(conversation, branch))
    return ExportFile(f"{name}.txt", "text/plain; charset=utf-8", _text(conversation, branch))


def _json(conversation: Conversation, branch: Sequence[Message], everything: Sequence[Message]) -> str:
    data = {
        "format": "ai-secretary-conversation",
        "version": 1,
        "conversation": asdict(conversation),
        "active_branch": [message.id for message in branch],
        "messages": [{key: value for key, value in asdict(message).items() if key != "siblings"} for message in everything],
    }
    return msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2).decode()


def _speaker(conversation: Conversation, message: Message) -> str:
    if message.role == "assistant":
        return _("Secretary")
    return conversation.person_name or _("Person")


def _note(message: Message) -> str:
    if message.status == "error":
        return _("(no answer: {code})", code=message.error_code or "error")
    return _("(interrupted)") if message.status == "cancelled" else ""


def _title(conversation: Conversation) -> str:
    return conversation.title or _("Conversation without a title")


def _markdown(conversation: Conversation, branch: Sequence[Message]) -> str:
    lines = [f"# {_title(conversation)}", ""]
    for message in branch:
        lines += [f"**{_speaker(conversation, message)}** · {message.created_at:%Y-%m-%d %H:%M} UTC", ""]
        lines += [part for part in (message.content, f"*{_note(message)}*" if _note(message) else "") if part]
        lines.append("")
    return "\n".join(lines)


def _text(conversation: Conversation, branch: Sequence[Message]) -> str:
    lines = [_title(conversation), ""]
    for message in branch:
        said = " ".join(part for part in (message.content, _note(message)) if part)
        lines.append(f"[{message.created_at:%Y-%m-%d %H:%M}] {_speaker(conversation, message)}: {said}")
    return "\n".join(lines) + "\n"
