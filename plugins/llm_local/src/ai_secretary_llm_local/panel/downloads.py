"""Downloads that are on their way, with what can be done about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Literal

from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_llm_local.panel.page import ModelFilesPage

_ = Translator("llm_local")

_BAR: dict[str, Literal["", "paused", "err", "ok"]] = {"paused": "paused", "failed": "err", "done": "ok"}


class DownloadsCard:
    def __init__(self, page: ModelFilesPage) -> None:
        self._page = page
        self._lines: dict[str, c.Progress] = {}
        self._started: dict[str, tuple[float, int]] = {}
        """When this page first saw a job's bytes, and how many: the speed is counted from there."""

    def key(self) -> Hashable:
        return tuple((job.id, job.state, job.error) for job in self._page.data.jobs)

    def draw(self) -> None:
        self._lines = {}
        jobs = self._page.data.jobs
        if not jobs:
            return
        with c.card(_("Downloads"), len(jobs), pad=False, divide=True):
            for job in jobs:
                with c.el():
                    line = self._lines[job.id] = c.progress_row(job.title, subtitle=" ", actions=self._actions(job))
                    line.set(job.progress, self._caption(job), state=_BAR.get(job.state, ""))
                    if job.state == "failed":
                        with c.el().style("padding:0 16px 12px"):
                            c.note("err", self._reason(job), title=_("The download has stopped"))

    def move(self) -> None:
        """Bring the bars up to date with what the jobs have told since."""
        for job_id, line in self._lines.items():
            if (job := self._page.latest.get(job_id)) is not None and not line.element.is_deleted:
                line.set(job.progress, self._caption(job), state=_BAR.get(job.state, ""))

    def _actions(self, job: Job) -> Callable[[], None]:
        page, jobs = self._page, self._page.view.application.jobs

        def draw() -> None:
            if not page.reader.may_write:
                return
            if job.state in {"queued", "running"}:
                c.button(_("Pause"), lambda: page.act(jobs.pause(job.id)), icon="pause", small=True)
            elif job.state == "paused":
                c.button(_("Resume"), lambda: page.act(jobs.resume(job.id)), icon="play_arrow", small=True)
            else:
                c.button(_("Try again"), lambda: page.act(jobs.resume(job.id)), icon="refresh", small=True)
            c.icon_button("close", _("Cancel the download of {title}", title=job.title), lambda: self._cancel(job))

        return draw

    async def _cancel(self, job: Job) -> None:
        kept = self._page.latest.get(job.id, job).done
        sure = job.state == "failed" or await c.confirm(
            _("Cancel the download of {title}?", title=job.title),
            _("What has arrived ({size}) is thrown away. To go on later, pause it instead.", size=formatting.size(kept)),
            _("Cancel the download"),
            True,
        )
        if sure:
            await self._page.act(self._page.models.downloads.orders.cancel(job.id))

    def _caption(self, job: Job) -> str:
        amount = formatting.size(job.done)
        if job.total:
            amount = _("{done} of {total}", done=amount, total=formatting.size(job.total))
        if job.state == "queued":
            return _("Waiting for its turn")
        if job.state == "paused":
            return _("Paused, {amount} kept", amount=amount)
        if job.state == "failed":
            return _("Stopped, {amount} kept", amount=amount)
        if job.message:
            return f"{_(job.message)} · {amount}"
        return amount + self._pace(job)

    def _pace(self, job: Job) -> str:
        now = time.monotonic()
        started, before = self._started.setdefault(job.id, (now, job.done))
        if job.done < before:
            self._started[job.id] = (now, job.done)
        if now - started < 1 or job.done <= before:
            return ""
        rate = (job.done - before) / (now - started)
        pace = f" · {_('{size} per second', size=formatting.size(rate))}"
        if job.total:
            pace += f" · {_('{time} left', time=formatting.duration((job.total - job.done) / rate))}"
        return pace

    def _reason(self, job: Job) -> str:
        known = self._page.models.downloads.orders.failures.get(job.id)
        if known is None:
            return _(job.error)
        return f"{_.error(known)}. {_(known.hint)}" if known.hint else _.error(known)
