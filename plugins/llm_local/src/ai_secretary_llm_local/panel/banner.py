"""Says plainly that a demonstration model answers, and shows three ways to a better one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from ai_secretary.i18n import Translator
from ai_secretary_llm_local.service import Recommendation
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_llm_local.panel.page import ModelFilesPage

_ = Translator("llm_local")

_WAY = (
    "border:1px solid var(--line);border-radius:var(--r-md);padding:12px 14px;background:var(--surface-2);"
    "display:flex;flex-direction:column;gap:6px;align-items:flex-start;height:100%"
)


class Banner:
    def __init__(self, page: ModelFilesPage) -> None:
        self._page = page

    def _needed(self) -> bool:
        registries = self._page.view.application.registries
        real = any(not info.demo and info.state != "unavailable" for info in registries.models())
        return not real and any(status.model.demo for status in self._page.data.statuses)

    def _suggestion(self) -> Recommendation | None:
        return self._page.data.suggestion(self._page.models, self._page.reader.language)

    def key(self) -> Hashable:
        item = self._suggestion()
        return self._needed(), (item.entry.id, item.job is None, item.installed is None) if item is not None else None

    def draw(self) -> None:
        if not self._needed():
            return
        pages = self._page.view.application.registries.pages
        target = "/ui/llm" if pages.get("llm") is not None else "/ui/plugins"
        with c.card(state="warn"):
            with c.el().style("display:flex;gap:12px;align-items:flex-start"):
                c.icon("school", size=24).style("color:var(--warn)")
                with c.el():
                    c.text(_("The demo model is answering"), "as-h2")
                    c.text(
                        _(
                            "It is small and free so that everything works at once. It speaks English only and mixes up facts. "
                            "For real calls choose one of three ways."
                        ),
                        "as-13 as-muted",
                    )
            with c.grid(3).style("margin-top:14px"):
                self._file_way(self._suggestion())
                self._way(
                    "key",
                    _("A cloud model by key"),
                    _("Two minutes. You need a provider's key and pay for what is answered."),
                    lambda: c.button(_("Enter a key"), href=target, small=True),
                )
                self._way(
                    "dns",
                    _("A vLLM server"),
                    _("Any address that speaks the OpenAI format: your own graphics card or another computer."),
                    lambda: c.button(_("Enter an address"), href=target, small=True),
                )

    def _file_way(self, item: Recommendation | None) -> None:
        title = _("A better file for this machine")
        if item is None:
            self._way("download", title, _("Choose one from the list below. Free, and nothing leaves this machine."))
            return
        size = formatting.size(item.entry.size)
        text = _("{title}, {size}. Free, and nothing leaves this machine.", title=item.entry.title, size=size)
        page = self._page

        def draw() -> None:
            if item.job is None and item.installed is None and page.reader.may_write:
                c.button(
                    _("Download"),
                    lambda: page.act(page.models.download_entry(item.entry.id)),
                    kind="filled",
                    icon="download",
                    small=True,
                )

        self._way("download", title, text, draw)

    @staticmethod
    def _way(icon: str, title: str, text: str, action: c.Draw | None = None) -> None:
        with c.el().style(_WAY):
            with c.el().style("display:flex;gap:8px;align-items:center"):
                c.icon(icon, size=20).style("color:var(--accent-text)")
                c.text(title, "as-b")
            c.text(text, "as-13 as-muted").style("flex:1")
            if action is not None:
                action()
