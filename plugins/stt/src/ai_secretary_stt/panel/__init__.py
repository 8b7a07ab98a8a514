"""The page "Recognition": who listens, a trial by ear and by stopwatch, further models."""

from __future__ import annotations

from ai_secretary_ui import PageView


async def build(view: PageView) -> None:
    from ai_secretary_stt.panel.page import RecognitionPage

    await RecognitionPage(view).draw()
