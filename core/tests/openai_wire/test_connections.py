"""Where connections may go: proxies of one provider, TLS, addresses that nobody may reach."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ai_secretary.errors import InvalidInput, ProviderError
from ai_secretary.llm import ChatMessage, ChatRequest, ModelInfo
from ai_secretary.openai_wire import OpenAIWireModel, Timeouts, WireClient, check_base_url, check_key, check_proxy
from ai_secretary.openai_wire.direct import DirectTransport
from ai_secretary.openai_wire.transport import TransportFailed
from ai_secretary.testing.model_server import ModelServer, Script


class ForwardProxy:
    """A plain HTTP proxy: absolute-form requests, one per connection."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, url, version = line.split(b" ")
        self.seen.append(url.decode())
        hostport, _, path = url.removeprefix(b"http://").partition(b"/")
        host, _, port = hostport.decode().partition(":")
        length = next((int(h.split(b":")[1]) for h in rest.lower().split(b"\r\n") if h.startswith(b"content-length")), 0)
        body = await reader.readexactly(length)
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        up_writer.write(b"%b /%b %b\r\n%b%b" % (method, path, version, rest, body))
        while data := await up_reader.read(65536):
            writer.write(data)
            if data.endswith(b"0\r\n\r\n"):
                break
        writer.close()
        up_writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    running = ForwardProxy()
    server = await asyncio.start_server(running.handle, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()


async def test_a_provider_may_have_proxies_of_its_own(
    server: ModelServer, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # the process's own variable: nobody may follow it
    through = WireClient(
        server.url, "k" * 20, title="P", timeouts=Timeouts(1, 5), proxies=("http://127.0.0.1:1", f"http://127.0.0.1:{proxy.port}")
    )
    model = OpenAIWireModel(through, ModelInfo("p/m", "M", "P", 100), "m")
    text = "".join([delta.text async for delta in model.stream(ChatRequest("m", (ChatMessage("user", "x"),)))])
    assert text == "Hello, world."
    assert proxy.seen == [f"{server.url}/chat/completions"]
    direct = WireClient(server.url, title="D")
    assert await direct.list_models()
    assert len(proxy.seen) == 1
    await through.close()
    await direct.close()


async def test_the_failures_of_a_proxied_server_have_the_same_codes(server: ModelServer, proxy: ForwardProxy) -> None:
    client = WireClient(server.url, title="P", timeouts=Timeouts(1, 0.3), proxies=(f"http://127.0.0.1:{proxy.port}",))
    server.say(Script([b'{"error":{"message":"no","code":"invalid_api_key"}}'], status=401), Script(think=5))
    codes = []
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            await client.list_models()
        codes.append(caught.value.code)
    assert codes == ["key_refused", "provider_timeout"]
    await client.close()
    dead = WireClient(server.url, title="P", timeouts=Timeouts(1, 1), proxies=("http://127.0.0.1:1",))
    with pytest.raises(ProviderError) as caught:
        await dead.list_models()
    assert caught.value.code == "unreachable"
    await dead.close()


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1)).not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate_file, key_file = folder / "c.pem", folder / "k.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


async def test_tls_is_verified(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{running.sockets[0].getsockname()[1]}"
    client = WireClient(url, title="Self-signed", timeouts=Timeouts(2, 2))
    with pytest.raises(ProviderError) as caught:
        await client.list_models()
    assert caught.value.code == "unreachable"
    assert "not secure" in caught.value.message
    trusted = ssl.create_default_context(cafile=str(certificate))
    transport = DirectTransport(url, Timeouts(2, 2), tls=trusted)
    assert await (await transport.request("GET", "/", {})).read(100) == b"ok"
    await transport.close()
    await client.close()
    running.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest", "http://[fe80::1]/v1", "http://metadata.google.internal/v1", "http://2852039166/",
        "http://0xA9FEA9FE/", "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/", "http://[fd00:ec2::254]/",
        "http://[64:ff9b::a9fe:a9fe]/", "http://224.0.0.1/", "file:///etc/passwd", "ftp://x/", "gopher://x/", "http://", "x",
        "http://user:pw@example.com/v1", "http://example.com/v1?key=1", "http://example.com/#x", "http://exa mple.com/",
        "http://example.com:99999/",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_base_url(url)
    assert caught.value.field == "base_url"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        (" https://api.example.com/v1/chat/completions ", "https://api.example.com/v1"),
        ("http://192.168.1.20:11434/v1", "http://192.168.1.20:11434/v1"),
        ("http://gpu-box:8000", "http://gpu-box:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_that_are_allowed(url: str, clean: str) -> None:
    assert check_base_url(url) == clean


async def test_a_name_that_leads_to_a_forbidden_address_is_refused_at_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = DirectTransport("http://rebound.example:80/v1", Timeouts(1, 1))

    async def resolve(*_arguments: object, **_options: object) -> list[object]:
        return [(2, 1, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(transport.loop, "getaddrinfo", resolve)  # stands for a name server that lies
    with pytest.raises(TransportFailed, match="forbidden"):
        await transport.request("GET", "/", {})


def test_keys_and_proxies_are_checked() -> None:
    assert check_key("  sk-abc \n") == "sk-abc"
    for bad in ("sk-a b", "ключ", "sk\r\nx-evil: 1"):
        with pytest.raises(InvalidInput):
            check_key(bad)
    assert check_proxy("http://u:p@proxy:3128/") == "http://u:p@proxy:3128"
    for bad in ("socks://x", "proxy:3128", "http://"):
        with pytest.raises(InvalidInput):
            check_proxy(bad)
