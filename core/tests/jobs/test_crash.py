"""Durable work goes on after `kill -9`, and what was finished of it is not done twice."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PROCESS = Path(__file__).parent / "worker_process.py"


def test_work_goes_on_after_kill_9(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    first = subprocess.Popen([sys.executable, str(PROCESS), str(tmp_path), "1"])
    deadline = time.monotonic() + 60
    while not (notes.exists() and "waiting to be killed" in notes.read_text()):
        assert first.poll() is None, "the process ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.wait()
    subprocess.run([sys.executable, str(PROCESS), str(tmp_path), "2"], check=True, timeout=60)
    assert notes.read_text().splitlines() == [
        "run in life 1",
        "expensive step",
        "waiting to be killed",
        "run in life 2",
        "result {'kept': 'kept'}",
    ]
