"""`/v1`: what OpenAI's clients speak. `Gateway` is bare ASGI in front of FastAPI; `build_router` documents the same paths."""

from ai_secretary.api.v1.documentation import build_router
from ai_secretary.api.v1.gateway import Gateway

__all__ = ["Gateway", "build_router"]
