"""Anthropic's official client, unmodified, and what its clients may send wrong."""
import json
from typing import Literal

import anthropic
import httpx
import pydantic
import pytest

from server_process import raw_request

MODEL = "smollm2-135m"
ASK = [{"role": "user", "content": "Name three colours."}]
LOOK = {"name": "look", "description": "Looks out of the window of a place.",
        "input_schema": {"type": "object", "properties": {"place": {"enum": ["Rome", "Oslo"]}},
                         "required": ["place"], "additionalProperties": False}}
PATH = "/v1/messages"
# The client has no argument for it any more; the API has the field.
GREEDY = {"temperature": 0}


@pytest.fixture
def claude(server):
    return anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0, timeout=60)


def prompt_tokens(usage):
    return (usage.input_tokens + usage.cache_read_input_tokens
            + usage.cache_creation_input_tokens)


def test_message(claude):
    answer = claude.messages.create(model=MODEL, messages=ASK, max_tokens=12, extra_body=GREEDY)
    assert answer.type == "message" and answer.role == "assistant"
    assert answer.id.startswith("msg_") and answer.model == MODEL
    assert answer.content[0].type == "text" and answer.content[0].text
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert 1 <= answer.usage.output_tokens <= 12
    assert answer._request_id.startswith("req-")
    assert answer.quire["request_id"] == answer._request_id


def test_stream_gives_the_same(claude):
    wish = dict(model=MODEL, messages=ASK, max_tokens=24,
                extra_body=GREEDY | {"return_logit_hash": True})
    whole = claude.messages.create(**wish)
    with claude.messages.stream(**wish) as stream:
        text = "".join(stream.text_stream)
        streamed = stream.get_final_message()
    assert text == whole.content[0].text == streamed.content[0].text
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert prompt_tokens(streamed.usage) == prompt_tokens(whole.usage)
    events = list(claude.messages.create(**wish, stream=True))
    assert [event.type for event in events][:2] == ["message_start", "content_block_start"]
    assert [event.type for event in events][-2:] == ["message_delta", "message_stop"]
    assert events[-2].quire["logit_hash"] == whole.quire["logit_hash"]


def test_system_is_heard(claude):
    def count(**fields):
        return claude.messages.count_tokens(model=MODEL, messages=ASK, **fields).input_tokens
    blocks = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert count(system="Be brief.") == count(system=blocks) != count()


def test_count_is_that_of_the_answer(claude):
    counted = claude.messages.count_tokens(model=MODEL, messages=ASK, tools=[LOOK]).input_tokens
    answer = claude.messages.create(model=MODEL, messages=ASK, tools=[LOOK], max_tokens=1)
    assert counted == prompt_tokens(answer.usage)


def test_cache_counts_are_true(claude):
    system = [{"type": "text", "text": "The year is 1847. " * 40,
               "cache_control": {"type": "ephemeral"}}]

    def usage(question):
        return claude.messages.create(
            model=MODEL, system=system, max_tokens=1,
            messages=[{"role": "user", "content": question}]).usage
    first = usage("Who are you?")
    assert first.cache_creation_input_tokens > 200 and first.cache_creation_input_tokens % 16 == 0
    assert 0 < first.input_tokens <= 16
    again = usage("Who are you?")
    assert again.cache_creation_input_tokens == 0 or again.cache_read_input_tokens > 200
    other = usage("What is the weather like?")
    assert other.cache_read_input_tokens >= 200
    assert other.input_tokens <= 16


def test_stop_sequences(claude):
    count = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "1, 2, 3, 4,"}]
    answer = claude.messages.create(model=MODEL, messages=count, max_tokens=20, extra_body=GREEDY,
                                    stop_sequences=["never", " 7"])
    assert answer.stop_reason == "stop_sequence" and answer.stop_sequence == " 7"
    assert answer.content[0].text == " 5, 6,"


def test_more_tokens_than_there_is_room_for(claude):
    answer = claude.messages.create(model=MODEL, messages=ASK, max_tokens=2000000,
                                    stop_sequences=["e", "a", "o"])
    assert answer.stop_reason in ("stop_sequence", "end_turn")


def test_tools_round_trip(claude):
    wish = dict(model=MODEL, tools=[LOOK], max_tokens=200,
                tool_choice={"type": "any", "disable_parallel_tool_use": True},
                extra_body=GREEDY)
    messages = [{"role": "user", "content": "How is the weather in Rome?"}]
    answer = claude.messages.create(messages=messages, **wish)
    assert answer.stop_reason == "tool_use"
    call = next(block for block in answer.content if block.type == "tool_use")
    assert call.name == "look" and call.input["place"] in ("Rome", "Oslo")
    with claude.messages.stream(messages=messages, **wish) as stream:
        streamed = stream.get_final_message()
    assert [b.input for b in streamed.content if b.type == "tool_use"][0] == call.input
    messages += [{"role": "assistant", "content": answer.content},
                 {"role": "user", "content": [
                     {"type": "tool_result", "tool_use_id": block.id, "content": "Sunny"}
                     for block in answer.content if block.type == "tool_use"]}]
    last = claude.messages.create(model=MODEL, tools=[LOOK], messages=messages, max_tokens=8)
    assert last.stop_reason in ("end_turn", "max_tokens", "tool_use")


class Weather(pydantic.BaseModel):
    place: Literal["Rome", "Oslo"]
    sunny: bool


def test_structured_output(claude):
    answer = claude.messages.parse(model=MODEL, output_format=Weather, max_tokens=200,
                                   messages=[{"role": "user", "content": "How is Rome?"}])
    assert isinstance(answer.parsed_output, Weather)


def test_models(claude):
    models = claude.models.list()
    assert [model.id for model in models] == [MODEL, "tiny"]
    assert models.data[0].type == "model" and models.data[0].display_name == MODEL
    assert claude.models.retrieve("tiny").id == "tiny"


@pytest.mark.parametrize("fields, exception, kind", [
    (dict(model="claude-9"), anthropic.NotFoundError, "not_found_error"),
    (dict(messages=[]), anthropic.BadRequestError, "invalid_request_error"),
    (dict(extra_body={"temperature": -1}), anthropic.BadRequestError, "invalid_request_error"),
    (dict(messages=[{"role": "user", "content": "word " * 9000}]), anthropic.BadRequestError,
     "invalid_request_error"),
])
def test_errors_are_the_clients_exceptions(claude, fields, exception, kind):
    with pytest.raises(exception) as caught:
        claude.messages.create(**(dict(model=MODEL, messages=ASK, max_tokens=4) | fields))
    body = caught.value.body
    assert body["type"] == "error" and body["error"]["type"] == kind
    assert body["error"]["message"] and body["request_id"].startswith("req-")
    assert caught.value.request_id == body["request_id"]


def user(*blocks):
    return {"max_tokens": 4, "messages": [{"role": "user", "content": list(blocks)}]}


@pytest.mark.parametrize("body, named", [
    (b"", "body"),
    (b"{", "JSON"),
    (b'{"messages": "\xff\xfe"}', "JSON"),
    ({"messages": ASK}, "max_tokens"),
    ({"max_tokens": 4, "messages": [{"role": "assistant", "content": "Hi"}]}, "messages[0].role"),
    ({"max_tokens": 4, "messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
    (user({"type": "image", "source": {"type": "base64", "data": ""}}), "messages[0].content[0]"),
    (user({"type": "document", "source": {}}), "messages[0].content[0]"),
    (user({"type": "tool_result", "tool_use_id": "t", "content": "x"}), "tool_use_id"),
    ({"max_tokens": 4, "messages": ASK, "tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"max_tokens": 4, "messages": ASK, "tools": [LOOK, LOOK]}, "tools[1].name"),
    ({"max_tokens": 4, "messages": ASK, "tool_choice": {"type": "any"}}, "tool_choice"),
])
def test_wrong_bodies(server, body, named):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(server.url + PATH, content=content, timeout=30)
    assert answer.status_code == 400, answer.text
    error = answer.json()
    assert error["type"] == "error" and error["error"]["type"] == "invalid_request_error"
    assert named in error["error"]["message"]


def test_a_body_of_ten_megabytes(server):
    body = {"max_tokens": 4, "messages": [{"role": "user", "content": "word " * 2_000_000}]}
    answer = httpx.post(server.url + PATH, json=body, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_methods_and_headers(server):
    wrong = server.get(PATH)
    assert wrong.status_code == 405 and wrong.json()["type"] == "error"
    answer = server.post(PATH, {"max_tokens": 2, "messages": ASK},
                         headers={"x-api-key": "k", "anthropic-version": "2023-06-01",
                                  "anthropic-beta": "tools-2024-05-16"})
    assert answer.status_code == 200 and answer.headers["request-id"].startswith("req-")


def test_a_client_that_goes_away(server):
    body = json.dumps({"max_tokens": 4000, "stream": True, "messages": ASK, "ignore_eos": True})
    with server.connect() as sock:
        sock.sendall(raw_request(PATH, body))
        seen = b""
        while b"message_start" not in seen:
            seen += sock.recv(65536)
        server.wait_until_busy()
    server.wait_until_free(seconds=5)
