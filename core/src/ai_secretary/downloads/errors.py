"""What can go wrong with a download."""

from __future__ import annotations

from typing import ClassVar

from ai_secretary.errors import ProviderError


class DownloadFailed(ProviderError):
    """A download cannot go on. What has arrived is kept, unless it is of no use (`checksum_mismatch`, `archive_refused`)."""

    status: ClassVar[int] = 502
    default_code: ClassVar[str] = "download_failed"


class ArchiveRefused(DownloadFailed):
    """The archive is broken or built to do harm."""

    default_code: ClassVar[str] = "archive_refused"
