"""`/admin/llm/local`: model files and what they do; `/admin/llm/catalogue`: recommendations and the hub;
`/admin/llm/downloads`: fetch files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.errors import Forbidden
from ai_secretary_llm_local.schemas import (
    CatalogueReply,
    DeletedReply,
    DownloadReply,
    DownloadRequest,
    DownloadsReply,
    EntryReply,
    FileReply,
    FilesReply,
    ModelReply,
    ModelsReply,
    RepositoryReply,
    RescanReply,
    SearchReply,
)
from ai_secretary_llm_local.service import LocalModels

Force = Annotated[bool, Query(description="Break off the answers that the model is giving")]


def build_local_router(models: LocalModels) -> APIRouter:
    router = APIRouter(tags=["llm"], responses=ERRORS)

    async def reply(model_id: str) -> ModelReply:
        wanted = models.find(model_id).id
        return next(ModelReply.of(status) for status in await models.statuses(look=False) if status.model.id == wanted)

    @router.get("", summary="Model files on this machine, with state and memory")
    async def list_models(principal: Principal = Depends(require("llm:read"))) -> ModelsReply:
        statuses, memory = await models.statuses(), await models.memory()
        return ModelsReply(
            models=[ModelReply.of(status) for status in statuses],
            memory_total=memory.total,
            memory_free=memory.free,
            folder=str(models.library.own_folder),
        )

    @router.post("/rescan", summary="Look for model files again")
    async def rescan(principal: Principal = Depends(require("llm:write"))) -> RescanReply:
        changed = await models.refresh(force=True)
        return RescanReply(changed=changed, models=len(models.library.models))

    @router.get("/{model_id}", summary="One model file")
    async def get_model(model_id: str, principal: Principal = Depends(require("llm:read"))) -> ModelReply:
        return await reply(model_id)

    @router.post("/{model_id}/load", summary="Load a model into memory")
    async def load(model_id: str, principal: Principal = Depends(require("llm:write"))) -> ModelReply:
        await models.load(model_id)
        return await reply(model_id)

    @router.post("/{model_id}/unload", summary="Free a model's memory")
    async def unload(model_id: str, force: Force = False, principal: Principal = Depends(require("llm:write"))) -> ModelReply:
        await models.unload(model_id, force=force)
        return await reply(model_id)

    @router.delete("/{model_id}", summary="Delete a model file from the data folder")
    async def delete(model_id: str, principal: Principal = Depends(require("llm:admin"))) -> DeletedReply:
        return DeletedReply(freed=await models.delete(model_id))

    return router


def build_catalogue_router(models: LocalModels) -> APIRouter:
    router = APIRouter(tags=["llm"], responses=ERRORS)

    @router.get("", summary="Recommended model files, by the memory that a machine needs")
    async def catalogue(principal: Principal = Depends(require("llm:read"))) -> CatalogueReply:
        items, memory = await models.recommendations(), await models.memory()
        return CatalogueReply(entries=[EntryReply.of(item) for item in items], memory_total=memory.total)

    @router.get("/search", summary="Search the hub for repositories with GGUF files")
    async def search(
        query: Annotated[str, Query(min_length=2, max_length=100)],
        limit: Annotated[int, Query(ge=1, le=50)] = 20,
        principal: Principal = Depends(require("llm:read")),
    ) -> SearchReply:
        found = await models.downloads.hub.search(query, limit=limit)
        return SearchReply(repositories=[RepositoryReply.of(item) for item in found])

    @router.get("/files", summary="GGUF files of a repository")
    async def files(
        repo: Annotated[str, Query(max_length=200)], principal: Principal = Depends(require("llm:read"))
    ) -> FilesReply:
        return FilesReply(repo=repo, files=[FileReply.of(item) for item in await models.downloads.hub.files(repo)])

    return router


def build_downloads_router(models: LocalModels) -> APIRouter:
    router = APIRouter(tags=["llm"], responses=ERRORS)

    @router.get("", summary="Downloads that are on their way or could go on")
    async def downloads(principal: Principal = Depends(require("llm:read"))) -> DownloadsReply:
        return DownloadsReply(downloads=[DownloadReply.of(job) for job in await models.downloads.list()])

    @router.post("", summary="Download a model file", status_code=202)
    async def download(order: DownloadRequest, principal: Principal = Depends(require("llm:write"))) -> DownloadReply:
        if order.entry:
            job = await models.download_entry(order.entry)
        elif order.url:
            # A direct address makes this machine call anywhere: that is for administrators.
            if not principal.allows("llm:admin"):
                raise Forbidden(
                    "Only an administrator may download from a direct address", hint="Choose a file of the hub instead."
                )
            job = await models.download_url(order.url, sha256=order.sha256)
        else:
            job = await models.download_from_hub(order.repo, order.file, revision=order.revision, sha256=order.sha256)
        return DownloadReply.of(job)

    return router
