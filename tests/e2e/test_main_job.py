"""The main job on a bare machine: it thinks, speaks and listens without any account, in English and in Russian."""

from __future__ import annotations

import io
import re
import signal

import pytest
import soundfile
from openai import OpenAI

from .conftest import API_KEY, Server

pytestmark = pytest.mark.models

STORY = "Tell me a very long story about the sea, with many sailors and many storms."


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("ё", "е"))


@pytest.fixture(scope="module")
def openai_client(server: Server) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=API_KEY, max_retries=0, timeout=120)


def test_the_secretary_thinks_in_english(openai_client: OpenAI) -> None:
    models = [model.id for model in openai_client.models.list()]
    assert models[0] == "secretary"
    assert any(model.startswith("local/smollm2") for model in models)
    with openai_client.chat.completions.create(
        model="secretary",
        messages=[{"role": "user", "content": "Say hello to me in one short sentence."}],
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=40,
    ) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(words(text)) >= 2
    assert len(chunks) > 4, "the answer must come piece by piece"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_it_speaks_and_hears_english(openai_client: OpenAI) -> None:
    sentence = "The office opens at nine in the morning."
    sound = openai_client.audio.speech.create(model="tts-1", voice="alloy", input=sentence, response_format="wav").read()
    data, rate = soundfile.read(io.BytesIO(sound))
    assert 1.0 < len(data) / rate < 8.0
    heard = openai_client.audio.transcriptions.create(model="whisper-1", file=("question.wav", sound), language="en")
    assert words(heard.text) == words(sentence) or words(heard.text) == words(sentence.replace("nine", "9"))


def test_it_answers_speaks_and_hears_russian(server: Server, openai_client: OpenAI) -> None:
    with server.admin() as admin:
        created = admin.post(
            "/admin/faq", json={"question": "Когда вы работаете?", "answer": "Мы работаем каждый день с утра до вечера."}
        )
        assert created.status_code in (200, 201), created.text
    answer = openai_client.chat.completions.create(
        model="secretary", messages=[{"role": "user", "content": "когда вы работаете"}]
    )
    assert answer.choices[0].message.content == "Мы работаем каждый день с утра до вечера."
    voices = {voice["id"]: voice for voice in server.client().get("/v1/voices").json()["voices"]}
    russian = next(id for id, voice in voices.items() if id.startswith("festival/"))
    sound = openai_client.audio.speech.create(
        model="tts-1", voice=russian, input=answer.choices[0].message.content, response_format="wav"
    ).read()
    heard = openai_client.audio.transcriptions.create(model="whisper-1", file=("answer.wav", sound), language="ru")
    assert words(heard.text) == words("Мы работаем каждый день с утра до вечера")


def test_asked_in_a_language_it_does_not_speak_the_demo_model_says_so(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model="secretary", messages=[{"role": "user", "content": "Расскажи, пожалуйста, сказку про колобка."}]
    )
    text = answer.choices[0].message.content or ""
    assert "учебная модель" in text.casefold()


def test_telephone_speech_comes_at_eight_kilohertz(server: Server) -> None:
    with (
        server.client() as client,
        client.stream("POST", "/admin/tts/stream", json={"text": "Привет!", "target_sample_rate": 8000}) as reply,
    ):
        assert reply.status_code == 200, reply.read()
        assert reply.headers["x-sample-rate"] == "8000"
        pcm = b"".join(reply.iter_bytes())
    assert 0.2 < len(pcm) / 2 / 8000 < 5


def test_everything_is_still_there_after_a_restart_and_after_kill_9(fresh_server: Server) -> None:
    server = fresh_server
    server.environment = {"SECRETARY_PLUGINS": "faq,ui"}
    server.start()
    with server.admin() as admin:
        admin.post("/admin/faq", json={"question": "What is the price?", "answer": "It is free."}).raise_for_status()
        session = admin.post("/admin/chat/sessions", json={"title": "About the price"}).json()["id"]
        reply = admin.post(f"/admin/chat/sessions/{session}/messages", json={"content": "what is the price"})
        assert reply.status_code == 200, reply.text
    assert server.stop() == 0
    assert server.start() < 15
    server.stop(signal.SIGKILL)
    server.start()
    with server.admin() as admin:
        messages = admin.get(f"/admin/chat/sessions/{session}").json()["messages"]
        assert [(message["role"], message["content"]) for message in messages] == [
            ("user", "what is the price"),
            ("assistant", "It is free."),
        ]


@pytest.mark.parametrize("model", ["secretary", "local/smollm2-135m"])
def test_a_server_that_stops_tells_whoever_is_listening(fresh_server: Server, model: str) -> None:
    server = fresh_server
    server.environment = {"SECRETARY_PLUGINS": "llm_local", "SECRETARY_SHUTDOWN_GRACE_S": "0"}
    server.start()
    body = {
        "model": model,
        "stream": True,
        "max_tokens": 1500,
        "temperature": 1.5,
        "messages": [{"role": "user", "content": STORY}],
    }
    with server.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.status_code == 200
        events: list[str] = []
        for line in reply.iter_lines():
            if line.startswith("data: "):
                events.append(line)
            if len(events) == 3:
                assert server.process is not None
                server.process.send_signal(signal.SIGTERM)
    assert "server_stopping" in events[-1], events[-1]
    assert server.process is not None
    assert server.process.wait(30) == 0
    server.process = None
