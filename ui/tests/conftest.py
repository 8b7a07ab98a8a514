"""What the admin's tests share: the real application with its database in a temporary folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # `ui_server` beside this file, whatever the import mode
