"""Models to download, with their jobs: progress, pause, resume, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job
from ai_secretary_stt.panel.installed import languages
from ai_secretary_stt.service import Offered
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_stt.panel.page import RecognitionPage

_ = Translator("stt")

UNDER_WAY = frozenset({"queued", "running", "paused", "failed"})


class CatalogueCard:
    def __init__(self, page: RecognitionPage) -> None:
        self.page = page
        self._place: Element
        self._bars: dict[str, tuple[c.Progress, str]] = {}
        """Job id → its bar, and the state that it was drawn for."""
        self._drawn: object = None

    async def draw(self) -> None:
        self._place = c.el("as-grid")
        await self.refresh()

    async def refresh(self) -> None:
        offers = await self.page.models.offered()
        key = [
            (offer.item.id, offer.here, offer.job.id if offer.job else "", offer.job.state if offer.job else "")
            for offer in offers
        ]
        if self._place.is_deleted or key == self._drawn:
            return
        self._drawn = key
        self._bars.clear()
        self._place.clear()
        with self._place, c.card(_("Further models"), pad=False, divide=True):
            for offer in offers:
                if not offer.here:
                    self._offer(offer)

    async def moved(self, job: Job) -> None:
        """A job reported: move its bar, or draw anew when its state changed."""
        known = self._bars.get(job.id)
        if known is None or known[1] != job.state:
            await self.refresh()
        elif not known[0].element.is_deleted:
            self._set(known[0], job)

    def _offer(self, offer: Offered) -> None:
        item, job = offer.item, offer.job
        name = f"{'Whisper' if item.engine == 'whisper' else 'Vosk'} {item.id.partition('/')[2]}"
        if job is not None and job.state in UNDER_WAY:
            with c.el():
                bar = c.progress_row(name, subtitle=" ", actions=lambda: self._job_actions(name, job))
                self._set(bar, job)
                if job.state == "failed":
                    c.text(self._why(job), "as-12").style("color:var(--err);padding:0 16px 10px;overflow-wrap:anywhere")
            self._bars[job.id] = (bar, job.state)
            return
        with c.row():
            with c.el("as-rowtext").style("flex:1 1 50%;min-width:0"):
                c.text(name, "as-b as-ell")
                c.text(_(item.note), "as-12 as-faint")
                size, memory = formatting.size(item.size_mb * 1e6), formatting.size(item.ram_mb * 1e6)
                c.text(
                    f"{languages(item.languages)} · {size} · " + _("needs {memory} of memory", memory=memory),
                    "as-12 as-faint as-num",
                )
            if self.page.may_write:
                with c.el("as-rowright"):
                    c.button(_("Download"), lambda: self.page.act(self.page.models.download(item.id)), small=True)

    def _why(self, job: Job) -> str:
        known = self.page.models.downloads.orders.failures.get(job.id)
        if known is None:
            return job.error
        return _.error(known) + (f". {_(known.hint)}" if known.hint else "")

    def _job_actions(self, name: str, job: Job) -> None:
        if not self.page.may_write:
            return
        jobs = self.page.context.jobs
        if job.state in {"queued", "running"}:
            c.icon_button(
                "pause", _("Pause the download of {name}", name=name), lambda: self.page.act(jobs.pause(job.id)), small=True
            )
        else:
            c.icon_button("play_arrow", _("Go on with {name}", name=name), lambda: self.page.act(jobs.resume(job.id)), small=True)
        c.icon_button("close", _("Cancel the download of {name}", name=name), lambda: self._cancel(name, job), small=True)

    async def _cancel(self, name: str, job: Job) -> None:
        sure = await c.confirm(
            _("Cancel the download of {name}?", name=name),
            _("What has arrived so far is deleted. To go on later, pause it instead."),
            _("Cancel the download"),
            True,
        )
        if sure:
            await self.page.act(self.page.models.forget(job.id))

    @staticmethod
    def _set(bar: c.Progress, job: Job) -> None:
        if job.state == "queued":
            bar.set(0.0, _("Waits for its turn"))
            return
        amount = formatting.size(job.done)
        if job.total:
            amount = _("{done} of {total}", done=amount, total=formatting.size(job.total))
        if job.state == "paused":
            bar.set(job.progress or 0.0, _("Paused at {amount}", amount=amount), state="paused")
        elif job.state == "failed":
            bar.set(job.progress or 0.0, _("Stopped at {amount}", amount=amount), state="err")
        else:
            bar.set(job.progress, f"{_(job.message)} · {amount}" if job.message else amount)
