"""One connected OpenAI-compatible server: its address, key, connections and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from ai_secretary.errors import InvalidInput, ProviderError, ProviderTimeout
from ai_secretary.openai_wire.addresses import check_base_url
from ai_secretary.openai_wire.direct import DirectTransport
from ai_secretary.openai_wire.failures import bad_reply, failure, unknown_host
from ai_secretary.openai_wire.proxied import ProxiedTransport
from ai_secretary.openai_wire.requests import Dialect
from ai_secretary.openai_wire.structs import model_list_decoder
from ai_secretary.openai_wire.transport import Response, Timeouts, Transport, TransportFailed

MAX_ANSWER = 64 * 1024 * 1024
_MAX_ERROR = 256 * 1024
_HEADER_VALUE = re.compile(r"^[\x21-\x7e]+$")


def check_key(key: str) -> str:
    """The key without the blanks that copying adds. Raises `InvalidInput` (field `api_key`) for what cannot be one."""
    text = key.strip()
    if text and not _HEADER_VALUE.match(text):
        raise InvalidInput(
            "The key contains characters that no key has",
            field="api_key",
            code="key_invalid",
            hint="Copy the key again, without spaces, quotes or line breaks.",
        )
    return text


class WireClient:
    """Makes requests to one server. Cheap to make: connections open at the first request, on the loop that makes it.

    `title` names the server in errors. `headers` go with every request.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str = "",
        *,
        title: str,
        timeouts: Timeouts | None = None,
        proxies: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        dialect: Dialect | None = None,
        user_agent: str = "ai-secretary",
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.title = title
        self.dialect = dialect or Dialect()
        self.api_key = check_key(api_key)
        self._timeouts = timeouts or Timeouts()
        self._proxies = tuple(proxies)
        self._headers: dict[str, str] = {"content-type": "application/json", "user-agent": user_agent}
        if self.api_key:
            self._headers["authorization"] = f"Bearer {self.api_key}"
        self._headers.update(headers or {})
        self._transport: Transport | None = None
        self.refused_parameters: dict[str, frozenset[str]] = {}
        """Per model name: parameters that it has refused, learnt from its answers."""

    @property
    def transport(self) -> Transport:
        if self._transport is None:
            if self._proxies:
                self._transport = ProxiedTransport(self.base_url, self._timeouts, self._proxies)
            else:
                self._transport = DirectTransport(self.base_url, self._timeouts)
        return self._transport

    async def post(self, target: str, body: bytes) -> Response:
        """POST JSON. Raises `ProviderError` when no answer comes; any HTTP status is an answer."""
        transport = self._transport or self.transport
        try:
            return await transport.request("POST", target, self._headers, body)
        except TransportFailed as error:
            raise self.transport_error(error) from error

    async def list_models(self) -> list[str]:
        """Names of the models that the key may use. Raises `ProviderError`."""
        try:
            response = await self.transport.request("GET", "/models", self._headers)
            body = await response.read(MAX_ANSWER)
        except TransportFailed as error:
            raise self.transport_error(error) from error
        if response.status != 200:
            raise failure(self.title, response.status, response.headers, body, secret=self.api_key)
        try:
            return [entry.id for entry in model_list_decoder.decode(body).data]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad_reply(self.title, "not a list of models") from error

    async def error_of(self, response: Response, model: str) -> ProviderError:
        """The error that an answer other than 2xx means; reads and ends the answer."""
        try:
            body = await response.read(_MAX_ERROR)
        except TransportFailed:
            body = b""
        return failure(self.title, response.status, response.headers, body, model=model, secret=self.api_key)

    def transport_error(self, error: TransportFailed) -> ProviderError:
        if error.kind == "timeout":
            return ProviderTimeout(
                "{provider} did not answer in time",
                provider=self.title,
                detail=error.detail,
                hint="Try again, or raise the provider's time limit.",
            )
        if error.kind == "garbage":
            return bad_reply(self.title, error.detail)
        if error.kind == "cut":
            return ProviderError(
                "{provider} broke the connection off in the middle of an answer",
                provider=self.title,
                detail=error.detail,
                code="bad_reply",
            )
        if error.kind == "tls":
            return ProviderError(
                "{provider}: the connection is not secure: {detail}",
                provider=self.title,
                detail=error.detail,
                code="unreachable",
                hint="The server's certificate is not valid for this address.",
            )
        if error.kind == "name":
            return unknown_host(self.title, error.detail)
        return ProviderError(
            "{provider} cannot be reached: {detail}",
            provider=self.title,
            detail=error.detail,
            code="unreachable",
            hint="Check the address and whether the server is running.",
        )

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()
