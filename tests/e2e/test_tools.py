"""Tool calls, as agents make them with the official client.

The default model is too small to choose tools well, but it must never break anything; Qwen2.5-Coder
really calls them and is used where it is present.
"""
import json
import os
import pathlib

import openai
import pytest

from server_process import ROOT, ServerProcess

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The current weather in a city.",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}}}}}
CLOCK = {"type": "function", "function": {
    "name": "get_time", "description": "The current time in a time zone.",
    "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}}
ASK = [{"role": "user", "content": "What is the weather in Paris? Use the tool."}]


def find_qwen():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    name = "qwen2.5-coder-0.5b.gguf"
    places = [ROOT / "models" / name, cache / "quire" / "models" / name]
    return next((place for place in places if place.exists()), None)


@pytest.fixture(scope="module")
def qwen():
    path = find_qwen()
    if path is None:
        pytest.skip("qwen2.5-coder-0.5b.gguf is not in the cache; "
                    "tools/fetch_model qwen2.5-coder-0.5b fetches it")
    with ServerProcess("--kv-memory", "512MiB", model=path) as running:
        yield running


def ask(client, messages=None, **wish):
    settings = dict(model="any", messages=messages or ASK, tools=[WEATHER, CLOCK], max_tokens=96,
                    temperature=0) | wish
    settings["model"] = client.models.list().data[0].id
    return client.chat.completions.create(**settings)


def heard(chunks):
    """What a client puts together from a stream: content, calls and finish reason."""
    content, calls, finish, pieces = "", [], None, 0
    for chunk in chunks:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                if call.id:
                    assert call.index == len(calls) and call.type == "function"
                    calls.append([call.id, call.function.name, ""])
                calls[call.index][2] += call.function.arguments or ""
                pieces += 1
    return content, calls, finish, pieces


def test_round_trip(qwen):
    client = qwen.openai()
    answer = ask(client).choices[0]
    assert answer.finish_reason == "tool_calls"
    call = answer.message.tool_calls[0]
    assert call.id.startswith("call_") and call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["city"] == "Paris"
    messages = ASK + [answer.message, {"role": "tool", "tool_call_id": call.id,
                                       "content": '{"temperature": 21, "sky": "clear"}'}]
    told = ask(client, messages).choices[0]
    assert told.message.content or told.message.tool_calls
    reply = ask(client, messages, tool_choice="none").choices[0]
    assert reply.finish_reason in ("stop", "length") and "21" in reply.message.content


def test_stream_says_the_same_in_pieces(qwen):
    client = qwen.openai()
    whole = ask(client).choices[0].message.tool_calls[0].function
    content, calls, finish, pieces = heard(ask(client, stream=True))
    assert finish == "tool_calls" and content == ""
    assert [call[1:] for call in calls] == [[whole.name, whole.arguments]]
    assert pieces > 4  # name first, then arguments as they come


def test_choices_seeds_and_logprobs_together(qwen):
    client = qwen.openai()
    wish = dict(n=3, temperature=0.8, seed=5, logprobs=True, top_logprobs=2)
    one, two = ask(client, **wish), ask(client, **wish)
    for left, right in zip(one.choices, two.choices, strict=True):
        assert left.message.content == right.message.content
        assert [call.function for call in left.message.tool_calls or []] == \
               [call.function for call in right.message.tool_calls or []]
        assert left.logprobs == right.logprobs
    tokens = sum(len(choice.logprobs.content) for choice in one.choices)
    assert tokens == one.usage.completion_tokens
    streamed = list(ask(client, **wish, stream=True, stream_options={"include_usage": True}))
    assert streamed[-1].usage.completion_tokens == tokens
    assert sum(len(choice.logprobs.content) for chunk in streamed for choice in chunk.choices
               if choice.logprobs) == tokens


def test_half_calls_are_content(qwen):
    client = qwen.openai()
    for limit in range(1, 16):
        answer = ask(client, max_tokens=limit)
        choice = answer.choices[0]
        assert choice.finish_reason == "length"
        assert not choice.message.tool_calls and choice.message.content
        content, _, finish, _ = heard(ask(client, max_tokens=limit, stream=True))
        assert content == choice.message.content and finish == "length"


def test_stop_cuts_calls_too(qwen):
    choice = ask(qwen.openai(), stop=["Paris"]).choices[0]
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls
    assert "get_weather" in choice.message.content and "Paris" not in choice.message.content


def test_a_model_without_tools_in_its_template_is_told_of_them(client):
    plain = client.chat.completions.create(model="tiny", messages=ASK, max_tokens=4)
    answer = ask(client, max_tokens=4)
    assert answer.usage.prompt_tokens > plain.usage.prompt_tokens + 50
    history = ASK + [{"role": "assistant", "content": None, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "get_weather",
                                                      "arguments": '{"city": "Paris"}'}}]},
                     {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"}]
    assert ask(client, history, max_tokens=8).choices[0].message.role == "assistant"


def test_no_tools_for_tool_choice_none(client):
    plain = client.chat.completions.create(model="tiny", messages=ASK, max_tokens=4)
    none = ask(client, max_tokens=4, tool_choice="none")
    assert none.usage.prompt_tokens == plain.usage.prompt_tokens


@pytest.mark.parametrize("fields, param", [
    (dict(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    (dict(tools=[WEATHER, WEATHER]), "tools[1].function.name"),
    (dict(tools=[WEATHER, {"type": "function", "function": {"name": "a b"}}]),
     "tools[1].function.name"),
    (dict(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]),
     "tools[0].function.parameters"),
    (dict(tools=[WEATHER], tool_choice="must"), "tool_choice"),
    (dict(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "g"}}),
     "tool_choice.function.name"),
    (dict(tool_choice="required"), "tool_choice"),
    (dict(messages=ASK + [{"role": "tool", "tool_call_id": "x", "content": "1"}]),
     "messages[1].tool_call_id"),
    (dict(messages=ASK + [{"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{oops"}}]}]),
     "messages[1].tool_calls[0].function.arguments"),
    (dict(messages=ASK + [{"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}] +
        [{"role": "tool", "tool_call_id": "c", "content": "1"}] * 2), "messages[3].tool_call_id"),
])
def test_bad_input_names_the_field(server, client, fields, param):
    body = dict(messages=ASK, max_tokens=4) | fields
    answer = server.post("/v1/chat/completions", body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**({"model": "tiny"} | body))


NOT = {"type": "object", "properties": {"a": {"not": {}}}}
FORM = {"type": "json_schema", "schema": NOT}
USER = {"role": "user", "content": "Hi"}
CUT = [USER, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
       {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{"}]


@pytest.mark.parametrize("path, fields, place", [
    ("chat/completions", dict(messages=[USER], functions=[{"name": "f", "parameters": NOT}],
                              function_call={"name": "f"}), "functions[0].parameters.properties.a.not"),
    ("messages", dict(messages=[USER], output_config={"format": FORM}),
     "output_config.format.schema.properties.a.not"),
    ("messages", dict(messages=[USER], tools=[{"name": "f", "input_schema": NOT}],
                      tool_choice={"type": "any"}), "tools[0].input_schema.properties.a.not"),
    ("responses", dict(input="Hi", text={"format": FORM | {"name": "x"}}),
     "text.format.schema.properties.a.not"),
    ("responses", dict(input=CUT), "input[2].arguments"),
])
def test_places_have_the_names_of_their_api(server, path, fields, place):
    limit = "max_output_tokens" if path == "responses" else "max_tokens"
    answer = server.post("/v1/" + path, {limit: 4} | fields)
    assert answer.status_code == 400
    assert f"'{place}'" in answer.json()["error"]["message"]
    assert answer.json()["error"].get("param", place) == place


def test_a_response_whose_call_was_cut_off_is_gone_on_with(client):
    """Its stream cannot take the call back that it began; its text follows."""
    text = '<tool_call>\n{"name": "look", "arguments": {"city": "Par'
    wish = dict(model="tiny", input="Hi", tools=[{"type": "function", "name": "look"}],
                extra_body={"structured": {"choice": [text]}}, max_output_tokens=99)
    events = list(client.responses.create(**wish, stream=True))
    items = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.type for item in items] == ["function_call", "message"]
    assert items[0].status == "incomplete"
    first = events[-1].response
    assert [item.type for item in first.output] == ["message"] and first.output_text == text
    for fields in (dict(previous_response_id=first.id, input="Go on."),
                   dict(input=[USER, *items, USER])):
        assert client.responses.create(model="tiny", max_output_tokens=2, **fields).id
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="tiny", previous_response_id=first.id, input=[
            USER, {"type": "function_call_output", "call_id": "none", "output": "x"}])
    assert caught.value.param == "input[1].call_id"


def test_functions_of_old(client):
    wish = dict(model="tiny", messages=ASK, functions=[WEATHER["function"]], max_tokens=200,
                temperature=0, function_call={"name": "get_weather"})
    choice = client.chat.completions.create(**wish).choices[0]
    called = choice.message.function_call
    assert choice.finish_reason == "function_call" and not choice.message.tool_calls
    assert called.name == "get_weather" and "city" in json.loads(called.arguments)
    name, arguments = "", ""
    for chunk in client.chat.completions.create(**wish, stream=True):
        for piece in chunk.choices:
            if piece.delta.function_call:
                name += piece.delta.function_call.name or ""
                arguments += piece.delta.function_call.arguments or ""
    assert (name, arguments) == ("get_weather", called.arguments)
    messages = ASK + [{"role": "assistant", "content": None, "function_call": called.model_dump()},
                      {"role": "function", "name": "get_weather", "content": "Sunny"}]
    last = client.chat.completions.create(**wish | dict(messages=messages, function_call="none",
                                                        max_tokens=8))
    assert last.choices[0].message.content


def test_parser_can_be_chosen(own_server):
    assert own_server("--tool-parser", "mistral").chat(tools=[WEATHER]).status_code == 200


CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
FORCED = {
    "hermes": f"Ok.\n<tool_call>\n{CALL}\n</tool_call>",
    "llama": '{"name": "get_weather", "parameters": {"city": "Paris"}}',
    "mistral": f"Ok. [TOOL_CALLS][{CALL}]",
    "deepseek": "Ok.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
                '```json\n{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "granite": f"<|tool_call|>[{CALL}]",
    "command-r": '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get_weather", '
                 '"parameters": {"city": "Paris"}}]<|END_ACTION|>',
    "phi": f"<|tool_call|>[{CALL}]<|/tool_call|>",
    "qwen-coder": "Ok.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
                  "</function>\n</tool_call>",
    "harmony": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
               'to=get_weather <|constrain|>json<|message|>{"city": "Paris"}',
}


@pytest.mark.parametrize("name", FORCED)
def test_every_format_end_to_end(own_server, name):
    """The model is made to write a text in the format; what arrives is a call."""
    client = own_server("--tool-parser", name).openai()
    wish = dict(extra_body={"structured": {"choice": [FORCED[name]]}}, max_tokens=200)
    choice = ask(client, **wish).choices[0]
    assert choice.finish_reason == "tool_calls", choice
    call = choice.message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    content, calls, finish, _ = heard(ask(client, **wish, stream=True))
    assert finish == "tool_calls" and content == (choice.message.content or "")
    assert calls[0][1:] == [call.name, call.arguments]
    cut = ask(client, **wish | dict(max_tokens=12)).choices[0]
    assert cut.finish_reason == "length" and not cut.message.tool_calls


def test_reasoning_is_told_apart(client):
    wish = dict(extra_body={"structured": {"choice": ["<think>\nHm.\n</think>\n\nYes."]}})
    message = ask(client, tools=None, **wish).choices[0].message
    assert message.content == "Yes." and message.reasoning_content == "Hm."
    chunks = list(ask(client, tools=None, **wish, stream=True))
    assert "".join(getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
                   for chunk in chunks) == "Hm."


@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_required_calls_are_always_valid(client, temperature):
    jsonschema = pytest.importorskip("jsonschema", reason="tests/e2e/requirements.txt has it")
    for seed in range(4):
        wish = dict(temperature=temperature, seed=seed, max_tokens=400, tool_choice="required")
        choice = ask(client, **wish).choices[0]
        if choice.finish_reason == "length":
            continue
        assert choice.finish_reason == "tool_calls"
        schemas = {tool["function"]["name"]: tool["function"]["parameters"]
                   for tool in (WEATHER, CLOCK)}
        for call in choice.message.tool_calls:
            jsonschema.validate(json.loads(call.function.arguments), schemas[call.function.name])


def test_one_call_by_name(client):
    wish = dict(tool_choice={"type": "function", "function": {"name": "get_weather"}},
                max_tokens=300)
    for stream in (False, True):
        if stream:
            _, calls, finish, _ = heard(ask(client, **wish, stream=True))
            names = [call[1] for call in calls]
        else:
            choice = ask(client, **wish).choices[0]
            finish = choice.finish_reason
            names = [call.function.name for call in choice.message.tool_calls or []]
        assert finish in ("tool_calls", "length")
        assert names == ["get_weather"] or finish == "length"


def test_at_most_one_call_without_parallel(client):
    for seed in range(3):
        choice = ask(client, tool_choice="required", parallel_tool_calls=False, temperature=1.5,
                     seed=seed, max_tokens=300).choices[0]
        assert len(choice.message.tool_calls or []) <= 1


def test_schemas_that_cannot_be_kept_are_refused_by_name(server):
    bad = {"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "properties": {"x": {"not": {"type": "string"}}}}}}
    answer = server.chat(tools=[WEATHER, bad], tool_choice="required")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"].startswith("tools[1].function.parameters")
    assert server.chat(tools=[WEATHER, bad]).status_code == 200


def test_calls_or_the_form_that_was_asked_for(client):
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": False}}}
    for seed in range(4):
        choice = ask(client, response_format=form, temperature=1, seed=seed,
                     max_tokens=300).choices[0]
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.message.content)["n"], int)
        else:
            assert choice.finish_reason in ("tool_calls", "length")
