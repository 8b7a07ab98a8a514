"""What the admin's tests share."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from ai_secretary.i18n import register_catalogue

sys.path.insert(0, str(Path(__file__).parent))  # `ui_server` beside this file, whatever the import mode
register_catalogue("ui", files("ai_secretary_ui").joinpath("locale"))
