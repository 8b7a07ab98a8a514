"""The map of the product: five groups, and the pages in each that the reader may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_secretary.i18n import N_, Translator
from ai_secretary.pages import Group, Page

if TYPE_CHECKING:
    from ai_secretary.access import Principal
    from ai_secretary.app import Application

_ = Translator("ui")

GROUPS: dict[Group, tuple[str, str, str]] = {
    "monitoring": ("monitoring", N_("Monitoring"), N_("What happens now, what happened, what it cost.")),
    "engines": ("neurology", N_("AI engines"), N_("Models, voices and recognisers.")),
    "channels": ("forum", N_("Channels"), N_("Where people reach the secretary.")),
    "business": ("storefront", N_("Business"), N_("Sales, payments and bookings put their pages here.")),
    "system": ("tune", N_("System"), N_("Plugins, users, keys and settings.")),
}
"""Icon, name and explanation (message ids) by group, in the order of the rail."""


@dataclass(slots=True, frozen=True)
class Place:
    """A page with its owner and translated title."""

    page: Page
    owner: str
    title: str

    @property
    def address(self) -> str:
        return f"/ui/{self.page.id}"


def group_name(group: Group) -> str:
    return _(GROUPS[group][1])


def find(application: Application, page_id: str) -> Place | None:
    """The page with this id, whoever may see it."""
    page = application.registries.pages.get(page_id)
    owner = application.registries.pages.owner_of(page_id)
    return None if page is None or owner is None else Place(page, owner, Translator(owner)(page.title))


def places(application: Application, principal: Principal) -> dict[Group, list[Place]]:
    """Pages that the reader may see, by group, each in its order."""
    found: dict[Group, list[Place]] = {group: [] for group in GROUPS}
    for owner, page in application.registries.pages.items():
        if principal.allows(page.permission):
            found[page.group].append(Place(page, owner, Translator(owner)(page.title)))
    by_order: Callable[[Place], tuple[int, str]] = lambda place: (place.page.order, place.title)  # noqa: E731
    for entries in found.values():
        entries.sort(key=by_order)
    return found


def group_address(group: Group, entries: list[Place]) -> str:
    """Where a group's rail item leads: its first page, or a page that says what will be there."""
    return entries[0].address if entries else f"/ui/group?name={group}"
