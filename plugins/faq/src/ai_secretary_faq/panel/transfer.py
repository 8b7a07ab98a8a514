"""Import with a look before the leap, and export."""

from __future__ import annotations

from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary_faq.actions import FaqActions, Format
from ai_secretary_faq.exchange import MAX_BYTES
from ai_secretary_faq.service import ImportReport
from ai_secretary_ui import components as c

_ = Translator("faq")

MOST_ERRORS = 20


class TransferSheet:
    """A dialog, made when it is first opened."""

    def __init__(self, actions: FaqActions, *, may_write: bool) -> None:
        self.actions = actions
        self.may_write = may_write
        self._sheet: c.Sheet | None = None
        self._file: tuple[bytes, Format] | None = None
        self._result: Element
        self._skip: ui.checkbox

    def open(self) -> None:
        if self._sheet is None:
            self._sheet = c.sheet(_("Import and export"))
            with self._sheet:
                self._draw()
        self._sheet.open()

    def _draw(self) -> None:
        c.text(_("Export"), "as-h2")
        with c.el("as-actions"):
            c.button("JSON", lambda: self._export("json"), icon="download")
            c.button(_("Table (CSV)"), lambda: self._export("csv"), icon="download")
        if not self.may_write:
            return
        c.text(_("Import"), "as-h2").style("margin-top:18px")
        c.file_drop(
            _("Drop a file here or choose one"),
            self._chosen,
            accept=".json,.csv",
            max_bytes=MAX_BYTES,
            hint=_("JSON, or a table with the columns question, answer, keywords, language, enabled"),
        )
        self._skip = c.checkbox(_("Leave questions that are already there as they are"))
        self._skip.on_value_change(lambda _event: self._look())
        self._result = c.el("as-grid", aria_live="polite").style("margin-top:8px")

    async def _export(self, file_format: Format) -> None:
        ui.download.content(await self.actions.export_file(file_format), f"faq.{file_format}")

    async def _chosen(self, name: str, data: bytes) -> None:
        self._file = (data, "csv" if name.lower().endswith(".csv") else "json")
        await self._look()

    async def _look(self) -> None:
        """Show what the import would do; nothing is written yet."""
        report = await self._run(dry_run=True)
        if report is None:
            return
        with self._result:
            self._numbers(report)
            if report.added or report.updated:
                c.button(_("Import"), self._import, kind="filled", icon="upload_file")

    async def _import(self) -> None:
        report = await self._run(dry_run=False)
        if report is None:
            return
        self._file = None
        with self._result:
            self._numbers(report)
        c.toast(_("Imported. The new answers are already in use"))

    async def _run(self, *, dry_run: bool) -> ImportReport | None:
        if self._file is None:
            return None
        data, file_format = self._file
        self._result.clear()
        try:
            return await self.actions.import_file(
                data, file_format, on_existing="skip" if self._skip.value else "update", dry_run=dry_run
            )
        except SecretaryError as error:
            with self._result:
                c.note("err", _(error.hint) if error.hint else "", title=_.error(error))
            return None

    def _numbers(self, report: ImportReport) -> None:
        lines = {
            _("To add") if report.dry_run else _("Added"): report.added,
            _("To change") if report.dry_run else _("Changed"): report.updated,
            _("The same already"): report.unchanged,
            _("Left as they are"): report.skipped,
            _("Cannot be read"): len(report.errors),
        }
        c.key_value({name: str(count) for name, count in lines.items() if count})
        if not any(lines.values()):
            c.text(_("The file has no questions"), "as-13 as-muted")
        if report.errors:
            with c.el("as-divide"):
                for number, error in report.errors[:MOST_ERRORS]:
                    c.text(_("Line {n}: {problem}", n=number, problem=_.error(error)), "as-13").style("padding:4px 0")
                if len(report.errors) > MOST_ERRORS:
                    c.text(_("and {n} more", n=len(report.errors) - MOST_ERRORS), "as-12 as-faint")
