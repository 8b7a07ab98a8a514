"""`/admin/stt/models`: thin endpoints over `SttModels`."""

from __future__ import annotations

from fastapi import APIRouter, Depends, status

from ai_secretary.api.security import require
from ai_secretary.i18n import Translator
from ai_secretary_stt.schemas import DownloadIn, DownloadOut, ModelOut, ModelsOut, OfferOut
from ai_secretary_stt.service import SttModels

_ = Translator("stt")


def build_router(models: SttModels) -> APIRouter:
    router = APIRouter(tags=["stt"])
    reader, writer = Depends(require("stt:read")), Depends(require("stt:write"))

    @router.get("", dependencies=[reader], summary="Recognition models: what is here, what can be downloaded")
    async def list_models() -> ModelsOut:
        return ModelsOut(
            models_dir=str(models.folder),
            models=[ModelOut.of(listed) for listed in models.installed()],
            catalogue=[OfferOut.of(offered, _(offered.item.note)) for offered in await models.offered()],
            download_url=models.options().vosk_url,
        )

    @router.post("/download", dependencies=[writer], status_code=status.HTTP_202_ACCEPTED, summary="Download a model")
    async def download_model(body: DownloadIn) -> DownloadOut:
        return DownloadOut.of(await models.download(body.model))

    @router.post("/rescan", dependencies=[writer], summary="Look at the disk again")
    async def rescan() -> ModelsOut:
        await models.refresh()
        return await list_models()

    @router.post("/{engine}/{name}/load", dependencies=[writer], summary="Load a model now")
    async def load_model(engine: str, name: str) -> ModelOut:
        model_id = f"{engine}/{name}"
        await models.load(model_id)
        return next(ModelOut.of(listed) for listed in models.installed() if listed.model.id == model_id)

    @router.post(
        "/{engine}/{name}/unload", dependencies=[writer], status_code=status.HTTP_204_NO_CONTENT, summary="Free its memory"
    )
    async def unload_model(engine: str, name: str) -> None:
        await models.unload(f"{engine}/{name}")

    @router.delete("/{engine}/{name}", dependencies=[writer], status_code=status.HTTP_204_NO_CONTENT, summary="Delete a model")
    async def delete_model(engine: str, name: str) -> None:
        await models.delete(f"{engine}/{name}")

    return router
