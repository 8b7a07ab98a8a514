"""The admin as a plugin: light to import, complete in what it registers."""

from __future__ import annotations

import subprocess
import sys

from ai_secretary_ui.plugin import PAGES, plugin


def test_the_manifest_does_not_import_nicegui() -> None:
    code = "import sys, ai_secretary_ui.plugin; sys.exit('nicegui' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pages_have_ids_of_their_own_and_stand_in_known_groups() -> None:
    assert len({page.id for page in PAGES}) == len(PAGES)
    assert {page.group for page in PAGES} <= {"monitoring", "engines", "channels", "business", "system"}
    assert plugin.manifest.id == "ui"


def test_every_page_can_be_imported() -> None:
    import importlib

    for page in PAGES:
        assert isinstance(page.build, str)
        module, _colon, name = page.build.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
