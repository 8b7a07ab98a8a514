"""What is on offer, embeddings, and the OpenAPI document."""

from __future__ import annotations

import httpx
import openai
import pytest

from .conftest import KEY, House


async def test_personas_come_first_then_models(house: House) -> None:
    listed = (await house.client().models.list()).data
    ids = [model.id for model in listed]
    assert ids[0] == "secretary"
    assert {"anna", "marina"} <= set(ids[1:3])
    assert ids[3:] == ["cloud/org/model:1", "plain/one", "plain/simple"]
    assert all(model.object == "model" and model.created > 0 and model.owned_by for model in listed)


@pytest.mark.parametrize("model", ["secretary", "anna", "cloud/org/model:1"])
async def test_one_model_also_with_slashes(house: House, model: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{house.url}/v1/models/{model}", headers={"authorization": f"Bearer {KEY}"})
    assert answer.json()["id"] == model
    assert (await house.client().models.retrieve(model)).id == model


async def test_an_unknown_model(house: House) -> None:
    with pytest.raises(openai.NotFoundError):
        await house.client().models.retrieve("nobody/nothing")


async def test_embeddings_in_both_forms(house: House) -> None:
    client = house.client()
    by_default = await client.embeddings.create(model="plain/one", input=["one", "three"])  # the client asks for base64
    assert [entry.embedding for entry in by_default.data] == [[0.5, -0.25, 3.0], [0.5, -0.25, 5.0]]
    as_float = await client.embeddings.create(model="cloud/org/model:1", input="word", encoding_format="float")
    assert as_float.data[0].embedding == [0.25, -0.5, 4.0]
    assert as_float.usage.prompt_tokens == 3
    rows = await house.rows("SELECT model, units FROM usage_log ORDER BY number")
    assert [(row["model"], row["units"]) for row in rows] == [("plain/one", 2.0), ("cloud/org/model:1", 1.0)]


@pytest.mark.parametrize("value", ["", [], [""], [[1, 2]], [1, 2]])
async def test_embeddings_that_cannot_be(house: House, value: object) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await house.client().embeddings.create(model="plain/one", input=value)  # type: ignore[arg-type]
    assert caught.value.param == "input"


async def test_the_paths_are_documented_with_their_permissions(house: House) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"{house.url}/openapi.json")).json()
    for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model_id}", "/v1/audio/speech"):
        assert path in document["paths"], path
    body = document["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"model", "messages"} <= set(body["required"])
