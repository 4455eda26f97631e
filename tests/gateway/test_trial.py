"""The model's server is tried before anything is paid for."""

import asyncio

import pytest
from pydantic import SecretStr

from aideator.domain.errors import ModelUnavailable
from aideator.gateway.trial import address_of, try_model
from aideator.testing import scripted_model
from tests.gateway.provider import Play, Request, open_provider

KEY = SecretStr("sk-a-key-of-a-test")


def answering(status: str) -> Play:
    async def play(
        _: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await writer.drain()

    return play


async def test_one_free_call_shows_the_key_to_the_server() -> None:
    async with open_provider(answering("200 OK")) as provider:
        assert await try_model(provider.url + "/", KEY) == (
            f"{address_of(provider.url)} answers"
        )
    [request] = provider.requests
    assert (request.method, request.target) == ("GET", "/v1/models?limit=1")
    assert request.header("x-api-key") == KEY.get_secret_value()


async def test_a_server_without_keys_answers_one_that_has_none() -> None:
    async with scripted_model("three_ways") as model:
        await try_model(model.url, None)


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops"])
async def test_a_server_that_lists_no_models_still_works(status: str) -> None:
    async with open_provider(answering(status)) as provider:
        await try_model(provider.url, KEY)


async def test_a_model_that_the_provider_does_not_have_is_told() -> None:
    async with open_provider(answering("404 Not Found")) as provider:
        with pytest.raises(ModelUnavailable, match="has no model 'gpt-5'"):
            await try_model(provider.url, KEY, ["gpt-5"])
    assert [request.target for request in provider.requests] == [
        "/v1/models?limit=1",
        "/v1/models/gpt-5",
    ]


async def test_a_key_that_is_refused_is_told_with_the_address() -> None:
    async with open_provider(answering("401 Unauthorized")) as provider:
        with pytest.raises(ModelUnavailable, match="refuses the API key") as caught:
            await try_model(provider.url, KEY)
        with pytest.raises(ModelUnavailable, match="asks for a key"):
            await try_model(provider.url, None)
    assert address_of(provider.url) in str(caught.value)
    assert "aideator login" in caught.value.hint
    assert KEY.get_secret_value() not in f"{caught.value} {caught.value.hint}"


async def test_a_server_that_is_not_there_is_told_with_the_address() -> None:
    with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:9, cannot be reached"):
        await try_model("http://user:secret@127.0.0.1:9", KEY)


def test_an_address_is_told_without_credentials() -> None:
    assert address_of("http://user:secret@host:80/base") == "host"
    assert address_of("https://user:secret@host:81/base") == "host:81"
