"""Building a page so that its failure or its silence is a card on the page, and nothing more."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import traceback
from collections.abc import Callable
from typing import Any

from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.pages import Build
from ai_secretary_ui import house
from ai_secretary_ui.components.base import el
from ai_secretary_ui.components.status import failure, skeleton_rows

_ = Translator("ui")

BUILD_SECONDS = 10.0
WAIT_SECONDS = 0.5
"""How long the first answer waits for the page; after that it goes out with a skeleton in the page's place."""


async def resolve(build: Build) -> Callable[[Any], Any]:
    """`"package.module:function"` as a function; the import happens beside the event loop."""
    if not isinstance(build, str):
        return build
    module, _colon, name = build.partition(":")
    found = getattr(await asyncio.to_thread(importlib.import_module, module), name)
    if not callable(found):
        raise TypeError(f"{build} is not a function")
    result: Callable[[Any], Any] = found
    return result


class GuardedSlot:
    """The place of one page or card of a plugin."""

    def __init__(self, owner: str, plugin_title: str, what: str, build: Build, view: Any, *, rows: int = 4) -> None:
        self._owner = owner
        self._plugin_title = plugin_title
        self._what = what
        self._build = build
        self._view = view
        self._rows = rows
        self._task: asyncio.Task[None] | None = None
        self.element: Element = el("as-slot")

    async def show(self, *, wait: float = WAIT_SECONDS) -> None:
        """Build; return when it is done or after `wait` seconds, whichever is first (the rest goes on by itself)."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"page:{self._owner}:{self._what}")
        await asyncio.wait({self._task}, timeout=wait)

    async def _run(self) -> None:
        guard = house.current().host.guard
        element = self.element
        element.clear()
        with element:
            place = el("as-slotbody")
            waiting = el("as-card as-late")
            with waiting:
                skeleton_rows(self._rows)
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                function = await resolve(self._build)
                with place:
                    result = function(self._view)
                    if inspect.isawaitable(result):
                        await result
        except Exception as error:
            if element.is_deleted:
                return
            if isinstance(error, TimeoutError):
                error = TimeoutError(_("it did not answer within {n} seconds", n=int(BUILD_SECONDS)))
            guard.report(self._owner, f"page {self._what}", error)
            element.clear()
            with element:
                self._failed(error)
            return
        if element.is_deleted:
            return
        waiting.delete()
        circuit = guard.circuits.get((self._owner, f"page {self._what}"))
        if circuit is not None and circuit.consecutive:
            circuit.consecutive = 0
            guard.on_recovery(self._owner, f"page {self._what}")

    def _failed(self, error: BaseException) -> None:
        detail = ""
        if isinstance(error, SecretaryError):
            reason, code = Translator(self._owner).error(error), error.code
        elif isinstance(error, TimeoutError):
            reason, code = str(error), "page_timeout"
        else:
            # what a stranger's code says of itself is for a specialist, not for the owner
            reason, code = _("It failed while drawing the page"), type(error).__name__
            detail = "".join(traceback.format_exception(error))[-6000:]
        with el("as-card"):
            failure(
                _("“{plugin}” could not show this page", plugin=self._plugin_title),
                _("{reason}. Everything else keeps working.", reason=reason.rstrip(".")),
                code=code,
                retry=self._again,
                detail=detail,
            )

    async def _again(self) -> None:
        # the button that was pressed goes with the old content, so the new run is not awaited in its slot
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"page:{self._owner}:{self._what}")
