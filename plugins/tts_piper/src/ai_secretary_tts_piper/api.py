"""`/admin/tts/piper`: thin endpoints over `PiperVoices`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, status

from ai_secretary.api.security import require
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job
from ai_secretary_tts_piper.files import VoiceFile
from ai_secretary_tts_piper.options import PiperOptions, VoiceSettings
from ai_secretary_tts_piper.schemas import (
    CatalogueOut,
    DownloadIn,
    DownloadOut,
    DownloadsOut,
    OfferOut,
    PiperVoiceOut,
    PiperVoicesOut,
    moment,
)
from ai_secretary_tts_piper.service import PiperVoices

_ = Translator("tts_piper")

Name = Annotated[str, Path(max_length=100, description="Name of a voice, without `piper/`", examples=["en_US-joe-medium"])]


def build_router(voices: PiperVoices) -> APIRouter:
    router = APIRouter(tags=["tts"])
    reader, writer = [Depends(require("tts:read"))], [Depends(require("tts:write"))]

    def shown(file: VoiceFile) -> PiperVoiceOut:
        return PiperVoiceOut.of(file, voices.info(file), voices.settings(file.name))

    @router.get("/voices", dependencies=reader, summary="Installed Piper voices")
    async def list_voices() -> PiperVoicesOut:
        await voices.rescan()
        return PiperVoicesOut(voices=[shown(file) for file in voices.files()], folder=str(voices.folder))

    @router.get("/voices/{name}", dependencies=reader, summary="One voice")
    async def get_voice(name: Name) -> PiperVoiceOut:
        return shown(voices.file(name))

    @router.delete(
        "/voices/{name}", dependencies=writer, status_code=status.HTTP_204_NO_CONTENT, summary="Delete a voice's files"
    )
    async def delete_voice(name: Name) -> None:
        await voices.delete(name)

    @router.post("/voices/{name}/load", dependencies=writer, summary="Bring a voice into memory")
    async def load_voice(name: Name) -> PiperVoiceOut:
        await voices.load(name)
        return shown(voices.file(name))

    @router.get("/voices/{name}/params", dependencies=reader, summary="Settings of a voice")
    async def get_settings(name: Name) -> VoiceSettings:
        return voices.settings(voices.file(name).name)

    @router.put(
        "/voices/{name}/params", dependencies=writer, summary="Set how a voice speaks; what is left out goes back to its default"
    )
    async def put_settings(name: Name, body: VoiceSettings) -> PiperVoiceOut:
        await voices.save_settings(name, body)
        return shown(voices.file(name))

    @router.get("/params", dependencies=reader, summary="Settings of all Piper voices")
    async def get_options() -> PiperOptions:
        return voices.options()

    @router.put("/params", dependencies=writer, summary="Set them; what is left out goes back to its default")
    async def put_options(body: PiperOptions) -> PiperOptions:
        await voices.save_options(body)
        return voices.options()

    @router.get("/catalogue", dependencies=reader, summary="Voices that can be downloaded")
    async def catalogue(
        language: Annotated[str | None, Query(pattern="^[a-z]{2,3}$", description="ISO 639-1")] = None,
        recommended: Annotated[bool, Query(description="Only those that the house suggests")] = False,
    ) -> CatalogueOut:
        return await listed(language, recommended, fresh=False)

    @router.post("/catalogue/refresh", dependencies=writer, summary="Fetch the list anew")
    async def refresh_catalogue() -> CatalogueOut:
        return await listed(None, False, fresh=True)

    async def listed(language: str | None, recommended: bool, *, fresh: bool) -> CatalogueOut:
        offers = await voices.catalogue.offers(fresh=fresh)
        jobs: dict[str, Job] = {}
        for job in await voices.downloads.list():
            jobs.setdefault(str(job.payload.get("voice", "")), job)
        installed = {file.name for file in voices.files()}
        problem = voices.catalogue.problem
        return CatalogueOut(
            voices=[
                OfferOut.of(offer, offer.key in installed, jobs.get(offer.key))
                for offer in offers.values()
                if (language is None or offer.language == language) and (offer.recommended or not recommended)
            ],
            languages=dict(sorted({offer.language: offer.language_name for offer in offers.values()}.items())),
            fetched_at=moment(voices.catalogue.fetched_at),
            problem=_.error(problem) if problem is not None else "",
        )

    @router.get("/downloads", dependencies=reader, summary="Downloads of voices, newest first")
    async def list_downloads() -> DownloadsOut:
        return DownloadsOut(downloads=[DownloadOut.of(job) for job in await voices.downloads.list()])

    @router.post(
        "/downloads", dependencies=writer, status_code=status.HTTP_202_ACCEPTED, summary="Download a voice, or go on with it"
    )
    async def download(body: DownloadIn) -> DownloadOut:
        return DownloadOut.of(await voices.download(body.voice))

    return router
