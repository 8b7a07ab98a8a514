"""A plugin shows the core's errors, hints and messages in the reader's language."""

from __future__ import annotations

from ai_secretary.downloads import DownloadFailed
from ai_secretary.i18n import Translator, set_language


async def test_texts_of_downloads_are_russian_in_a_plugin_too() -> None:
    set_language("ru")
    _ = Translator("some_plugin")
    error = DownloadFailed(
        "The file cannot be written: {error}",
        error="x",
        hint="Free some room and go on with the download; what has arrived is kept.",
    )
    assert _.error(error) == "Файл не записывается: x"
    assert _(error.hint) == "Освободите место и продолжите скачивание; скачанное сохранено."
    assert _("Checking what has arrived") == "Проверяем скачанное"
