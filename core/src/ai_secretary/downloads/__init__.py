"""Large files from elsewhere: fetched durably, gone on with after any interruption, checked before they are used."""

from ai_secretary.downloads.archives import unpack
from ai_secretary.downloads.errors import ArchiveRefused, DownloadFailed
from ai_secretary.downloads.hub import Hub, HubError, HubFile, HubListing
from ai_secretary.downloads.orders import Orders
from ai_secretary.downloads.part import Part, sweep
from ai_secretary.downloads.sources import PlainSource, Source, fetch_json
from ai_secretary.downloads.transfer import Transfer

__all__ = [
    "ArchiveRefused", "DownloadFailed", "Hub", "HubError", "HubFile", "HubListing", "Orders", "Part", "PlainSource", "Source",
    "Transfer", "fetch_json", "sweep", "unpack",
]  # fmt: skip
