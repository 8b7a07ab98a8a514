"""The screen: demo banner, order of answer, personas, parameters, try-out."""

from __future__ import annotations

import psutil
from nicegui import ui
from nicegui.element import Element

from ai_secretary.dialogue.routing import CandidateStatus, ModelStateChanged
from ai_secretary.i18n import Translator
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c
from ai_secretary_ui.pages.llm.order import OrderCard
from ai_secretary_ui.pages.llm.parameters import ParametersCard
from ai_secretary_ui.pages.llm.personas import PersonasCard
from ai_secretary_ui.pages.llm.tryout import TryOut
from ai_secretary_ui.shell import updates

_ = Translator("ui")


async def build(view: PageView) -> None:
    page = LlmPage(view)
    page.draw()


class LlmPage:
    """One open page."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.may_write = view.can("llm:write")
        self.banner: Element
        self.order = OrderCard(self)
        self.tryout = TryOut(self)

    def draw(self) -> None:
        c.page_header(
            _("Answer models"),
            _("Who answers, in what order and in what tone"),
            lambda: c.button(_("Check the answer"), self.tryout.focus, icon="play_arrow"),
        )
        self.banner = c.el()
        self.draw_banner()
        with c.grid(side=True, classes="m-cols"):
            self.order.draw()
            PersonasCard(self).draw()
        with c.grid(side=True, classes="m-cols as-top"):
            self.tryout.draw()
            ParametersCard(self).draw()
        updates.on_bus(ui.context.client, self.view.application.bus, ModelStateChanged, lambda _event: self.refresh())

    def refresh(self) -> None:
        self.order.redraw()
        self.draw_banner()

    def statuses(self) -> list[CandidateStatus]:
        return self.view.application.router.model_status()

    def address_of(self, owner: str) -> str:
        """The first page of a plugin that the reader may see, or the Plugins page."""
        for plugin, page in self.view.application.registries.pages.items():
            if plugin == owner and self.view.can(page.permission):
                return f"/ui/{page.id}"
        return "/ui/plugins"

    def draw_banner(self) -> None:
        self.banner.clear()
        statuses = self.statuses()
        answering = next((status for status in statuses if status.answering), None)
        with self.banner:
            if not statuses:
                with c.card(state="err", classes="m-ban"):
                    self._banner_head(
                        "key_off", "err", _("Nobody can answer yet"),
                        _("No answer model is installed, so people get an apology instead of an answer. "
                          "Choose any of the three ways."),
                    )  # fmt: skip
                    self._ways()
            elif answering is None or answering.demo:
                with c.card(state="warn", classes="m-ban"):
                    self._banner_head(
                        "school", "warn", _("The demo model is answering"),
                        _("It is small and free so that everything works at once. It mixes up facts and loses the thread. "
                          "For real conversations choose any of the three ways."),
                    )  # fmt: skip
                    self._ways()

    def _banner_head(self, icon_name: str, kind: str, title: str, label: str) -> None:
        with c.el("m-banhead"):
            with c.el(f"as-stat {kind}", "span"):
                c.icon(icon_name, size=24)
            with c.el():
                c.text(title, "m-bantitle", "h2")
                c.text(label, "as-muted m-bantext", "p")

    def _ways(self) -> None:
        memory = formatting.size(psutil.virtual_memory().available)
        cloud, local = self.address_of("llm_cloud"), self.address_of("llm_local")
        with c.el("as-grid m-ways"):
            self._way(
                "vpn_key", _("Cloud, by key"), _("Two minutes. Needs a provider's key; a conversation costs about a cent."),
                _("Add a key"), f"{cloud}?new=1" if cloud != "/ui/plugins" else cloud, main=True,
            )  # fmt: skip
            self._way(
                "memory", _("Your own, on this server"),
                _("Nothing leaves the server. The model is downloaded once; {memory} of memory are free now.", memory=memory),
                _("Choose a model"), local,
            )  # fmt: skip
            self._way(
                "hub", _("Another server on the network"),
                _("Any address that speaks as OpenAI does: vLLM, Ollama, an office computer."),
                _("Give the address"), f"{cloud}?new=openai_compatible" if cloud != "/ui/plugins" else cloud,
            )  # fmt: skip

    def _way(self, icon_name: str, title: str, label: str, action: str, href: str, *, main: bool = False) -> None:
        with c.el("m-way"):
            with c.el("h"):
                c.icon(icon_name)
                c.text(title, "as-inline", "span")
            c.text(label, tag="p")
            c.button(action, href=href, kind="filled" if main else "outline", small=True)
