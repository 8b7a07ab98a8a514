"""Sound and formatted text."""

from __future__ import annotations

import base64

import nh3
from markdown_it import MarkdownIt
from nicegui import ui
from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary_ui.components.base import el, icon, text

_ = Translator("ui")

_RENDERER = MarkdownIt("commonmark", {"html": False, "breaks": True, "typographer": False}).enable(["table", "strikethrough"])
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def markdown_html(value: str) -> str:
    """Markdown from a model or a person as safe HTML: no raw HTML, no images (nothing is fetched), links open apart."""
    return nh3.clean(
        _RENDERER.render(value),
        tags=_TAGS,
        attributes={"a": {"href", "target"}, "code": {"class"}, "ol": {"start"}, "td": {"style"}, "th": {"style"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties={"text-align"},
    )


def markdown(value: str, classes: str = "") -> ui.html:
    """Formatted text from anyone, sanitised: `markdown(entry.answer)`; later `element.set_content(markdown_html(new))`."""
    return ui.html(markdown_html(value), sanitize=False).classes(f"as-md {classes}".strip())


class StreamingMarkdown:
    """Markdown that grows: finished blocks stay as they are, only the last one is drawn again.

    Call `set(text)` every 40 ms or so with everything received, then `finish()` once.
    """

    def __init__(self, classes: str = "") -> None:
        with el(f"as-md as-streaming {classes}".strip()) as self.element:
            self._done = el("as-mdblocks")
            self._tail = ui.html("", sanitize=False).classes("as-mdtail")
        self._fixed = 0
        self.text = ""

    def set(self, value: str) -> None:
        self.text = value
        cut = _last_block(value)
        if cut > self._fixed:
            with self._done:
                ui.html(markdown_html(value[self._fixed : cut]), sanitize=False)
            self._fixed = cut
        self._tail.set_content(markdown_html(value[self._fixed :]))

    def finish(self) -> None:
        """Draw the whole once, so that lists and numbering across blocks are right."""
        self.element.classes(remove="as-streaming")
        self._done.clear()
        self._tail.set_content(markdown_html(self.text))


def _last_block(value: str) -> int:
    """Where the block that may still change begins: after the last blank line outside a code fence and before no list."""
    cut, fenced, position = 0, False, 0
    for line in value.splitlines(keepends=True):
        bare = line.strip()
        if bare.startswith(("```", "~~~")):
            fenced = not fenced
        position += len(line)
        if not fenced and not bare and line.endswith("\n"):
            rest = value[position:].lstrip(" ")
            if rest and not rest[0].isdigit() and rest[0] not in "-*+|>\n" and not value[position:].startswith(" "):
                cut = position
    return cut


def audio_player(source: str | bytes, *, label: str = "", media_type: str = "audio/wav", autoplay: bool = False) -> Element:
    """A small player in our colours: `audio_player("/ui/media/speech?text=…", label=_("Sample"))`.

    `source` is an address of this server or the sound itself (up to some 2 MB). Only one player sounds at a time.
    """
    address = source if isinstance(source, str) else f"data:{media_type};base64,{base64.b64encode(source).decode()}"
    with el("as-player", data_src=address, role="group", aria_label=label or _("Player")) as player:
        if autoplay:
            player.props["data-autoplay"] = "1"
        with el("as-play", "button", type="button", aria_label=_("Play")):
            icon("play_arrow", "as-playicon")
            icon("pause", "as-pauseicon")
        with el("as-playbody"):
            if label:
                text(label, "as-13 as-ell")
            with el("as-seek"):
                el("as-seekbar")
        ui.label("0:00").classes("as-12 as-faint as-num as-playtime")
    return player
