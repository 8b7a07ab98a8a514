"""`/v1/audio` as the real `openai` client and raw HTTP see it."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import httpx
import openai
import pytest

from ai_secretary.speech import Audio
from ai_secretary.voice.codecs import decode, wav_file

from .conftest import KEY, House


@pytest.fixture
def client(server: House) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)


RECORDING = wav_file(Audio(b"\1\0" * 32_000, 16_000))


async def test_every_format_by_the_real_client(client: openai.AsyncOpenAI) -> None:
    text = "Добрый день, это проверка."
    for audio_format in ("mp3", "opus", "aac", "flac", "wav"):
        answer = await client.audio.speech.create(model="tts-1", voice="alloy", input=text, response_format=audio_format)
        assert decode(answer.content).duration == pytest.approx(0.06 * len(text), abs=0.2), audio_format


async def test_pcm_speed_and_voice_object(client: openai.AsyncOpenAI, server: House) -> None:
    answer = await client.audio.speech.create(
        model="tts-1", voice={"id": "john"}, input="Hello there.", response_format="pcm", speed=1.5
    )
    assert len(answer.content) / 2 / 24_000 == pytest.approx(0.06 * 12, abs=0.02)
    assert answer.response.headers["content-type"] == "audio/pcm"
    assert server.english.options[-1].speed == 1.5


async def test_bytes_arrive_before_the_speech_is_made(client: openai.AsyncOpenAI, server: House) -> None:
    server.russian.hold = asyncio.Event()
    async with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="anna", input="Первое предложение. Второе предложение.", response_format="wav"
    ) as answer:
        stream = answer.iter_bytes(512)
        head = await asyncio.wait_for(anext(stream), 5)
        assert head.startswith(b"RIFF")
        assert "Второе предложение." not in server.russian.said
        server.russian.hold.set()
        rest = b"".join([part async for part in stream])
    assert rest


async def test_a_client_that_hangs_up_stops_the_engine(server: House) -> None:
    server.russian.hold = asyncio.Event()
    async with (
        httpx.AsyncClient() as http,
        http.stream(
            "POST",
            f"{server.url}/v1/audio/speech",
            headers=server.headers(),
            json={"input": "Долгая речь " * 20, "voice": "anna", "response_format": "wav"},
        ) as answer,
    ):
        async for _ in answer.aiter_bytes():
            break
    started = time.perf_counter()
    while server.russian.active or server.application.voice.active:
        await asyncio.sleep(0.02)
        assert time.perf_counter() - started < 5
    assert server.russian.cancelled == 1


async def test_events(server: House) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{server.url}/v1/audio/speech",
            headers=server.headers(),
            json={
                "input": "Добрый день.",
                "stream_format": "sse",
                "response_format": "wav",
                "model": "gpt-4o-mini-tts",
                "instructions": "cheerful",
            },
        )
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events[:1] + events[-1:]] == ["speech.audio.delta", "speech.audio.done"]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert decode(sound).duration == pytest.approx(0.72, abs=0.05)


REFUSED: list[tuple[object, str | None, str]] = [
    ({"input": ""}, "input", "empty_input"),
    ({"input": "😀"}, "input", "empty_input"),
    ({"input": "a" * 4097}, "input", "string_above_max_length"),
    ({"input": "Да", "voice": "nobody"}, "voice", "voice_not_found"),
    ({"input": "Да", "response_format": "exe"}, "response_format", "unknown_format"),
    ({"input": "Да", "speed": 5}, "speed", "invalid_input"),
    ({"input": "Да", "speed": "fast"}, "speed", "invalid_input"),
    ({"voice": "alloy"}, "input", "missing_required_parameter"),
    ({"input": "Да", "model": "no-such"}, "model", "model_not_found"),
    ("{", None, "invalid_json"),
]


async def test_refusals_have_openais_shape(server: House) -> None:
    async with httpx.AsyncClient() as http:
        for body, param, code in REFUSED:
            content = body if isinstance(body, str) else json.dumps(body)
            answer = await http.post(f"{server.url}/v1/audio/speech", headers=server.headers(), content=content)
            assert answer.status_code == (404 if code == "model_not_found" else 400), body
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")


async def test_an_engine_that_fails_is_an_error_and_not_silence(server: House) -> None:
    server.russian.fail_at = "Первое"
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{server.url}/v1/audio/speech", headers=server.headers(), json={"input": "Первое. Второе."})
        assert (answer.status_code, answer.json()["error"]["type"]) == (502, "server_error")
        server.russian.fail_at = "Второе"
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(
                f"{server.url}/v1/audio/speech",
                headers=server.headers(),
                json={"input": "Начало. Второе.", "response_format": "wav"},
            )


async def test_keys_and_scopes(server: House) -> None:
    async with httpx.AsyncClient() as http:
        for path, files in (("/v1/audio/speech", None), ("/v1/audio/transcriptions", {"file": ("a.wav", RECORDING)})):
            answer = await http.post(f"{server.url}{path}", files=files, json=None if files else {"input": "Да"})
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
        assert (await http.get(f"{server.url}/v1/voices")).status_code == 401
        listed = (await http.get(f"{server.url}/v1/voices", headers=server.headers())).json()["voices"]
    assert [voice["id"] for voice in listed] == ["tone/anna", "tone/john"]


async def test_transcription_in_every_format(client: openai.AsyncOpenAI, server: House) -> None:
    plain = await client.audio.transcriptions.create(model="whisper-1", file=("речь.wav", RECORDING), language="ru")
    assert plain.text == "Привет, мир."
    for audio_format, expected in (("text", "Привет, мир."), ("srt", "00:00:00,000 --> 00:00:02,000"), ("vtt", "WEBVTT")):
        answer = await client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", RECORDING), response_format=audio_format
        )  # type: ignore[call-overload]
        assert isinstance(answer, str)
        assert expected in answer
        assert "Привет, мир." in answer
    verbose = await client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", RECORDING), response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (verbose.language, round(float(verbose.duration), 2)) == ("russian", 2.0)
    assert verbose.words is not None
    assert [word.word for word in verbose.words] == ["Привет,", "мир."]
    assert verbose.segments is not None
    assert verbose.segments[0].text == "Привет, мир."
    assert server.recognizer.options[0].language == "ru"


async def test_transcription_as_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=("a.wav", RECORDING), stream=True)
    events = [event async for event in stream]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == "Привет, мир."
    assert events[-1].type == "transcript.text.done"


async def test_translation_is_refused_where_nobody_translates(client: openai.AsyncOpenAI, server: House) -> None:
    with pytest.raises(openai.BadRequestError, match="do not translate"):
        await client.audio.translations.create(model="whisper-1", file=("a.wav", RECORDING))


BAD_UPLOADS: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"", {}, 400, "audio_empty"),
    (b"not audio at all, sorry", {}, 400, "invalid_audio"),
    (RECORDING, {"response_format": "docx"}, 400, "unknown_format"),
    (RECORDING, {"model": "no-such"}, 404, "model_not_found"),
    (RECORDING, {"language": "???"}, 400, "invalid_language"),
    (RECORDING, {"timestamp_granularities[]": "word"}, 400, "invalid_granularity"),
    (RECORDING, {"temperature": "3"}, 400, "temperature_out_of_range"),
    (b"\0" * (26 * 1024 * 1024), {}, 413, "audio_too_large"),
]


async def test_bad_uploads(server: House) -> None:
    async with httpx.AsyncClient() as http:
        for data, options, status, code in BAD_UPLOADS:
            answer = await http.post(
                f"{server.url}/v1/audio/transcriptions",
                headers=server.headers(),
                data=options,
                files={"file": ("../../etc/passwd", data)},
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_usage_is_counted(client: openai.AsyncOpenAI, server: House) -> None:
    seen: list[tuple[str, float]] = []
    server.application.journal.on_usage.append(lambda records: seen.append((records.kind, records.units)))
    await client.audio.speech.create(model="tts-1", voice="alloy", input="Добрый день.")
    await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", RECORDING))
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    assert dict(seen) == {"tts": 12.0, "stt": pytest.approx(2.0, abs=0.01)}
