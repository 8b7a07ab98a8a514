"""`/admin/plugins`: what is installed, in which state and why; turn on and off; options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, SecretStr, ValidationError

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.audit import AuditEvent
from ai_secretary.errors import InvalidInput, NotFound
from ai_secretary.plugins.options import mask_secrets, merge_options
from ai_secretary.plugins.records import PluginRecord

if TYPE_CHECKING:
    from ai_secretary.app import Application


class PluginReply(BaseModel):
    id: str
    title: str
    summary: str
    version: str
    distribution: str
    builtin: bool
    state: str
    reason: str
    code: str
    hint: str
    requires_core: str
    capabilities: list[str]
    permissions: list[str]
    licence: str
    licence_notes: list[str]
    needs: dict[str, Any]
    homepage: str
    reload: str
    failures: list[str]


class PluginsReply(BaseModel):
    plugins: list[PluginReply]


class StageReply(BaseModel):
    order: int
    id: str
    title: str
    owner: str


class StagesReply(BaseModel):
    stages: list[StageReply]


class OptionsReply(BaseModel):
    options: dict[str, Any]
    json_schema: dict[str, Any]


def _reply(record: PluginRecord) -> PluginReply:
    manifest = record.manifest
    return PluginReply(
        id=record.id,
        title=record.title,
        summary=manifest.summary if manifest else record.found.summary,
        version=record.version,
        distribution=record.found.distribution,
        builtin=record.found.builtin,
        state=record.state,
        reason=record.reason,
        code=record.code,
        hint=record.hint,
        requires_core=record.found.requires_core,
        capabilities=list(manifest.capabilities) if manifest else [],
        permissions=list(manifest.permissions) if manifest else [],
        licence=manifest.licence if manifest else record.found.licence,
        licence_notes=list(manifest.licence_notes) if manifest else [],
        needs=manifest.needs.model_dump() if manifest else {},
        homepage=manifest.homepage if manifest else "",
        reload=manifest.reload if manifest else "live",
        failures=[f"{failure.what}: {failure.message}" for failure in record.failures],
    )


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/admin/plugins", tags=["plugins"], responses=ERRORS)
    host = application.host

    @router.get("", summary="Every installed plugin")
    async def list_plugins(principal: Principal = Depends(require("plugins:read"))) -> PluginsReply:
        return PluginsReply(plugins=[_reply(record) for record in host.list()])

    @router.get("/stages", summary="The dialogue's stages in their order, with the plugin that owns each")
    async def stages(principal: Principal = Depends(require("plugins:read"))) -> StagesReply:
        return StagesReply(
            stages=[
                StageReply(order=item.order, id=item.id, title=item.title, owner=item.owner)
                for item in application.dialogue.pipeline.entries()
            ]
        )

    @router.get("/{plugin_id}", summary="One plugin")
    async def get_plugin(plugin_id: str, principal: Principal = Depends(require("plugins:read"))) -> PluginReply:
        return _reply(host.get(plugin_id))

    @router.post("/{plugin_id}/{action}", summary="Enable, disable or retry a plugin")
    async def act(
        plugin_id: str, action: Literal["enable", "disable", "retry"], principal: Principal = Depends(require("plugins:admin"))
    ) -> PluginReply:
        record = await {"enable": host.enable, "disable": host.disable, "retry": host.retry}[action](plugin_id)
        application.audit.record(
            AuditEvent(action=f"plugin.{action}", resource="plugin", resource_id=plugin_id, details={"state": record.state})
        )
        return _reply(record)

    def _model(plugin_id: str) -> type[BaseModel]:
        host.get(plugin_id)
        model = application.registries.options.get(plugin_id)
        if model is None:
            raise NotFound("Plugin {id} has no options, or is not running", id=plugin_id, code="no_options")
        return model

    @router.get("/{plugin_id}/options", summary="A plugin's options; secrets are masked")
    async def get_options(plugin_id: str, principal: Principal = Depends(require("plugins:read"))) -> OptionsReply:
        model = _model(plugin_id)
        current = application.preferences.get(f"plugin:{plugin_id}", model)
        return OptionsReply(options=mask_secrets(current), json_schema=model.model_json_schema())

    @router.put("/{plugin_id}/options", summary="Change some of a plugin's options")
    async def set_options(
        plugin_id: str, changes: dict[str, Any] = Body(), principal: Principal = Depends(require("plugins:admin"))
    ) -> OptionsReply:
        """Absent fields stay; null sets a field back to its default; a masked secret that comes back unchanged stays."""
        model = _model(plugin_id)
        current = application.preferences.get(f"plugin:{plugin_id}", model)
        try:
            value = merge_options(current, changes)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise InvalidInput(
                "{field}: {reason}",
                field=".".join(str(part) for part in first["loc"]),
                reason=first["msg"],
                code="invalid_option",
            ) from None
        await application.preferences.set(f"plugin:{plugin_id}", value)
        named = sorted(name for name in changes if not isinstance(getattr(value, name, None), SecretStr))
        application.audit.record(
            AuditEvent(action="plugin.options", resource="plugin", resource_id=plugin_id, details={"fields": named})
        )
        return OptionsReply(options=mask_secrets(value), json_schema=model.model_json_schema())

    return router
