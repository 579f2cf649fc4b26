"""What a tool call leaves behind waits for the tool, and who says that a turn goes on."""
import pytest

WORDS = "one two three four five six seven eight nine ten eleven twelve "
TOOL = {"type": "function", "function": {
    "name": "look", "parameters": {"type": "object", "properties": {"at": {"enum": ["sea", "sky"]}},
                                   "required": ["at"], "additionalProperties": False}}}


@pytest.fixture
def small(own_server):
    """About 900 tokens of memory."""
    def start(*flags):
        return own_server("--kv-memory", "16MiB", "--context", "700", "--eviction", "lru", *flags)
    return start


def classes(server):
    return {(turn, source): server.metric("quire_prompt_class_tokens_total", source=source,
                                          **{"class": turn})
            for turn in ("first", "turn", "tool_return") for source in ("cached", "computed")}


def play(server, headers=None, **fields):
    """An agent's first turn, strangers that need all the memory, and the tool's return."""
    def ask(messages, **more):
        body = dict(messages=messages, tools=[TOOL], temperature=0, max_tokens=60,
                    return_logit_hash=True) | fields | more
        answer = server.post("/v1/chat/completions", body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()
    messages = [{"role": "user", "content": "Look. " + WORDS * 8}]
    first = ask(messages, tool_choice="required", parallel_tool_calls=False)
    call = first["choices"][0]["message"]["tool_calls"][0]
    for i in range(4):
        assert server.chat(f"{i} " + WORDS * 25, temperature=0).status_code == 200
    messages += [{"role": "assistant", "content": None, "tool_calls": [call]},
                 {"role": "tool", "tool_call_id": call["id"], "content": "Blue."}]
    second = ask(messages, max_tokens=4)
    return first["usage"]["prompt_tokens"], second


def test_a_tool_finds_its_conversation_warm(small):
    server, plain = small(), small("--tool-keep", "0")
    prompt, kept = play(server)
    _, lost = play(plain)
    assert kept["quire"]["cached_tokens"]["ram"] >= prompt - 32
    assert lost["quire"]["cached_tokens"]["ram"] == 0, "there is not memory for all"
    assert lost["quire"]["logit_hash"] == kept["quire"]["logit_hash"], "law 2"
    assert lost["choices"] == kept["choices"] or \
        lost["choices"][0]["message"].get("content") == kept["choices"][0]["message"].get("content")
    counts = classes(server)
    assert counts["tool_return", "cached"] >= prompt - 32
    assert counts["first", "cached"] < 64 and counts["turn", "computed"] == 0
    assert classes(plain)["tool_return", "cached"] == 0


def test_turns_are_told_from_beginnings(server):
    before = classes(server)
    server.post("/v1/chat/completions", {"max_tokens": 1, "messages": [
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And?"}]})
    server.post("/v1/messages", {"model": "tiny", "max_tokens": 1, "tools": [
        {"name": "look", "input_schema": {"type": "object"}}], "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look",
                                           "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"},
                                     {"type": "text", "text": "So?"}]}]})
    grown = {key for key, value in classes(server).items() if value > before[key]}
    assert {turn for turn, _ in grown} == {"turn", "tool_return"}


@pytest.mark.parametrize("headers, fields", [
    ({"X-Quire-Session": "conversation 7"}, {}), ({}, {"prompt_cache_key": "conversation 7"}),
    ({"X-Quire-Session": "a" * 512}, {"prompt_cache_key": "b" * 512})])
def test_names_of_conversations_change_nothing_but_what_is_kept(small, headers, fields):
    prompt, answer = play(small(), headers, **fields)
    assert answer["quire"]["cached_tokens"]["ram"] >= prompt - 32
    assert answer["quire"]["ignored"] == []


def test_names_of_conversations_share_what_they_have_in_common(server):
    text = "A text that only this test has. " + WORDS * 4
    server.chat(text, prompt_cache_key="one")
    assert server.chat(text, prompt_cache_key="two").json()["quire"]["cached_tokens"]["ram"] > 0


@pytest.mark.parametrize("headers, fields, param", [
    ({"X-Quire-Session": "a" * 513}, {}, "X-Quire-Session"),
    ({}, {"prompt_cache_key": "a" * 513}, "prompt_cache_key"),
    ({}, {"prompt_cache_key": 5}, "prompt_cache_key")])
def test_names_that_are_none_are_refused(server, headers, fields, param):
    for path, more in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
                       ("/v1/responses", {"input": "Hi"}),
                       ("/v1/completions", {"prompt": "Hi"})):
        answer = server.post(path, {"max_tokens": 16} | more | fields if "input" not in more
                             else more | fields, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param
