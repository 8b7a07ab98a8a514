"""The OpenAI wire format as spoken to model servers: cloud providers, vLLM, llama.cpp, anything compatible.

No SDK: partial decoding, connections of its own, bytes passed through untouched where nobody needs to read them.
"""

from ai_secretary.openai_wire.addresses import check_base_url
from ai_secretary.openai_wire.client import WireClient, check_key
from ai_secretary.openai_wire.failures import (
    ModelUnknown,
    ProviderRateLimited,
    RequestRefused,
    classify,
    failure,
    in_stream,
    unknown_host,
)
from ai_secretary.openai_wire.model import OpenAIWireModel
from ai_secretary.openai_wire.proxied import check_proxy
from ai_secretary.openai_wire.requests import Dialect
from ai_secretary.openai_wire.sse import SSEDecoder
from ai_secretary.openai_wire.tokens import estimate_prompt, estimate_tokens
from ai_secretary.openai_wire.transport import Timeouts

__all__ = [
    "Dialect",
    "ModelUnknown",
    "OpenAIWireModel",
    "ProviderRateLimited",
    "RequestRefused",
    "SSEDecoder",
    "Timeouts",
    "WireClient",
    "check_base_url",
    "check_key",
    "check_proxy",
    "classify",
    "estimate_prompt",
    "estimate_tokens",
    "failure",
    "in_stream",
    "unknown_host",
]
