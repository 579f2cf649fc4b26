"""The frameworks that agents are made with, unmodified: chat, stream, tools, structured output.

The model is tiny: it is asked to call a tool or to fill a form in ways that leave it no choice, so
that what is tested is the protocol, not its wits.
"""
import asyncio
import os
from typing import Literal

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for prices
os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"

import agents  # noqa: E402
import langchain_openai  # noqa: E402
import litellm  # noqa: E402
import openai  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: E402
from pydantic_ai.providers.openai import OpenAIProvider  # noqa: E402

MODEL = "smollm2-135m"
ASK = "Name three colours."
QUESTION = "How is the weather in Rome?"


class Weather(BaseModel):
    """The weather of a place."""
    place: Literal["Rome", "Oslo"]
    sunny: bool


LOOK = {"type": "function", "function": {
    "name": "look", "description": "Looks out of the window of a place.",
    "parameters": {"type": "object", "properties": {"place": {"enum": ["Rome", "Oslo"]}},
                   "required": ["place"], "additionalProperties": False}}}


# ---- openai

def test_openai_tools_and_structured_output(client):
    wish = dict(model=MODEL, tools=[LOOK], tool_choice="required", parallel_tool_calls=False,
                max_tokens=200, temperature=0)
    messages = [{"role": "user", "content": QUESTION}]
    first = client.chat.completions.create(messages=messages, **wish).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls[0].function.name == "look"
    messages += [first.message] + [
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}
        for call in first.message.tool_calls]
    last = client.chat.completions.create(model=MODEL, messages=messages, tools=[LOOK], max_tokens=8)
    assert last.choices[0].finish_reason in ("stop", "length", "tool_calls")
    parsed = client.chat.completions.parse(model=MODEL, response_format=Weather, max_tokens=100,
                                           messages=messages[:1])
    assert isinstance(parsed.choices[0].message.parsed, Weather)


def test_openai_responses(client):
    whole = client.responses.create(model=MODEL, input=ASK, max_output_tokens=24, temperature=0)
    assert whole.output_text and whole.status in ("completed", "incomplete")
    events = list(client.responses.create(model=MODEL, input=ASK, max_output_tokens=24,
                                          temperature=0, stream=True))
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input=ASK, background=True)


def test_openai_responses_structured(client):
    parsed = client.responses.parse(model=MODEL, input=QUESTION, text_format=Weather,
                                    max_output_tokens=100)
    assert isinstance(parsed.output_parsed, Weather)
    with client.responses.stream(model=MODEL, input=QUESTION, text_format=Weather,
                                 max_output_tokens=100) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Weather)


# ---- langchain-openai

@pytest.fixture
def langchain(server):
    return langchain_openai.ChatOpenAI(model=MODEL, base_url=server.url + "/v1", api_key="none",
                                       max_retries=0, temperature=0, max_tokens=100)


def test_langchain_chat_and_stream(langchain):
    whole = langchain.invoke(ASK)
    assert whole.content and whole.usage_metadata["output_tokens"] > 0
    assert "".join(piece.content for piece in langchain.stream(ASK)) == whole.content


def test_langchain_tools(langchain):
    bound = langchain.bind_tools([LOOK], tool_choice="required")
    call = bound.invoke(QUESTION)
    assert call.tool_calls[0]["name"] == "look" and call.tool_calls[0]["args"]["place"]
    gathered = None
    for piece in bound.stream(QUESTION):
        gathered = piece if gathered is None else gathered + piece
    assert gathered.tool_calls[0]["args"] == call.tool_calls[0]["args"]
    messages = [("user", QUESTION), call] + [
        {"role": "tool", "tool_call_id": one["id"], "content": "Sunny"} for one in call.tool_calls]
    assert langchain.bind_tools([LOOK]).invoke(messages) is not None


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain_structured_output(langchain, method):
    assert isinstance(langchain.with_structured_output(Weather, method=method).invoke(QUESTION),
                      Weather)


# ---- litellm

@pytest.fixture(params=["openai", "anthropic"])
def lite(request, server):
    suffix = "/v1" if request.param == "openai" else ""
    return dict(model=f"{request.param}/{MODEL}", api_base=server.url + suffix, api_key="none",
                max_tokens=100, temperature=0)


def test_litellm_chat_and_stream(lite):
    messages = [{"role": "user", "content": ASK}]
    whole = litellm.completion(messages=messages, **lite)
    assert whole.choices[0].message.content and whole.usage.completion_tokens > 0
    pieces = litellm.completion(messages=messages, stream=True, **lite)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text == whole.choices[0].message.content


def test_litellm_tools(lite):
    messages = [{"role": "user", "content": QUESTION}]
    first = litellm.completion(messages=messages, tools=[LOOK], tool_choice="required", **lite)
    calls = first.choices[0].message.tool_calls
    assert calls[0].function.name == "look"
    messages += [first.choices[0].message.model_dump()] + [
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny"} for call in calls]
    assert litellm.completion(messages=messages, tools=[LOOK], **lite).choices


def test_litellm_structured_output(lite):
    answer = litellm.completion(messages=[{"role": "user", "content": QUESTION}],
                                response_format=Weather, **lite)
    assert Weather.model_validate_json(answer.choices[0].message.content)


# ---- pydantic-ai

@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel])
def pydantic_model(request, server):
    return request.param(MODEL, provider=OpenAIProvider(base_url=server.url + "/v1",
                                                        api_key="none"))


SETTINGS = {"max_tokens": 100, "temperature": 0}


def test_pydantic_chat_and_stream(pydantic_model):
    agent = Agent(pydantic_model, model_settings=SETTINGS)
    whole = agent.run_sync(ASK).output
    assert whole

    async def streamed():
        async with agent.run_stream(ASK) as result:
            return await result.get_output()
    assert asyncio.run(streamed()) == whole


def test_pydantic_structured_output_by_a_tool(pydantic_model):
    """Its way of asking for a form is a tool that must be called."""
    agent = Agent(pydantic_model, output_type=Weather, model_settings=SETTINGS, retries=0)
    assert isinstance(agent.run_sync(QUESTION).output, Weather)


def test_pydantic_tools_round_trip(pydantic_model):
    """The call is certain in the first step; with its result the agent goes on freely."""
    seen = []
    chat = isinstance(pydantic_model, OpenAIChatModel)
    named = {"type": "function", "function": {"name": "look_out"}} if chat else {
        "type": "function", "name": "look_out"}

    def settings(context):
        first = context.run_step == 1
        return SETTINGS | ({"extra_body": {"tool_choice": named}} if first else {})

    agent = Agent(pydantic_model, model_settings=settings, retries=0)

    @agent.tool_plain
    def look_out(place: Literal["Rome", "Oslo"]) -> str:
        seen.append(place)
        return f"Sunny in {place}"

    result = agent.run_sync(QUESTION)
    assert seen and seen[0] in ("Rome", "Oslo")
    parts = [part for message in result.all_messages() for part in message.parts]
    assert any(part.part_kind == "tool-return" and part.content.startswith("Sunny in ")
               for part in parts)


# ---- openai-agents

@pytest.fixture(params=["responses", "chat_completions"])
def agents_model(request, server):
    # A client lives in one event loop: each run gets its own.
    def make():
        client = openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        kind = {"responses": agents.OpenAIResponsesModel,
                "chat_completions": agents.OpenAIChatCompletionsModel}[request.param]
        return kind(model=MODEL, openai_client=client)
    agents.set_tracing_disabled(True)
    return make


@agents.function_tool
def look(place: Literal["Rome", "Oslo"]) -> str:
    """Looks out of the window of a place."""
    return f"Sunny in {place}"


def agent(make, **fields):
    settings = agents.ModelSettings(max_tokens=100, temperature=0, **fields.pop("settings", {}))
    return agents.Agent(name="A", instructions="Be brief.", model=make(), model_settings=settings,
                        **fields)


def test_agents_chat_and_stream(agents_model):
    whole = agents.Runner.run_sync(agent(agents_model), ASK).final_output
    assert whole

    async def streamed():
        result = agents.Runner.run_streamed(agent(agents_model), ASK)
        async for _ in result.stream_events():
            pass
        return result.final_output
    assert asyncio.run(streamed()) == whole


def test_agents_tools(agents_model):
    """The call is certain; after its result the agent goes on freely."""
    result = agents.Runner.run_sync(
        agent(agents_model, tools=[look], settings={"tool_choice": "required",
                                                       "parallel_tool_calls": False}), QUESTION,
        max_turns=5)
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs and outputs[0].startswith("Sunny in ")


def test_agents_structured_output(agents_model):
    result = agents.Runner.run_sync(agent(agents_model, output_type=Weather), QUESTION)
    assert isinstance(result.final_output, Weather)
