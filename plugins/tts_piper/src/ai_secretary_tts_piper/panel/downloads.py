"""Downloads under way, with what can be done about them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Literal

from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_tts_piper.panel.page import PiperPage

_ = Translator("tts_piper")

_BAR: dict[str, Literal["", "paused", "err", "ok"]] = {"paused": "paused", "failed": "err"}


class DownloadsCard:
    def __init__(self, page: PiperPage) -> None:
        self._page = page
        self._lines: dict[str, c.Progress] = {}

    def key(self) -> Hashable:
        return tuple((job.id, job.state, job.error) for job in self._page.jobs)

    def draw(self) -> None:
        self._lines = {}
        if not self._page.jobs:
            return
        with c.card(_("Downloads"), len(self._page.jobs), pad=False, divide=True):
            for job in self._page.jobs:
                with c.el():
                    self._lines[job.id] = c.progress_row(job.title, subtitle=" ", actions=self._actions(job))
                    if job.state == "failed":
                        c.note("err", self._reason(job), title=_("The download has stopped; what has arrived is kept"))
        self.move()

    def move(self) -> None:
        """Bring the bars up to date with what the jobs have told."""
        for job in self._page.jobs:
            line = self._lines.get(job.id)
            if line is not None and not line.element.is_deleted:
                line.set(job.progress, self._caption(job), state=_BAR.get(job.state, ""))

    def _caption(self, job: Job) -> str:
        amount = formatting.size(job.done)
        if job.total:
            amount = _("{done} of {total}", done=amount, total=formatting.size(job.total))
        if job.state == "queued":
            return _("Waiting for its turn")
        return _("Paused at {amount}", amount=amount) if job.state == "paused" else amount

    def _reason(self, job: Job) -> str:
        known = self._page.voices.downloads.orders.failures.get(job.id)
        if known is None:
            return job.error
        return f"{_.error(known)}. {_(known.hint)}" if known.hint else _.error(known)

    def _actions(self, job: Job) -> Callable[[], None]:
        page, jobs = self._page, self._page.view.application.jobs

        def draw() -> None:
            if not page.may_write:
                return
            if job.state in {"queued", "running"}:
                c.button(_("Pause"), lambda: page.act(jobs.pause(job.id)), icon="pause", small=True)
            else:
                label = _("Resume") if job.state == "paused" else _("Try again")
                c.button(label, lambda: page.act(jobs.resume(job.id)), icon="play_arrow", small=True)
            if not job.ended:
                cancel = _("Cancel the download of {voice}", voice=job.title)
                c.icon_button("close", cancel, lambda: page.act(jobs.cancel(job.id)), small=True)

        return draw
