"""Where in a conversation a request comes, and what clients may call their conversations."""
import pytest

WORDS = "one two three four five six seven eight nine ten eleven twelve "


def classes(server):
    return {(turn, source): server.metric("quire_prompt_class_tokens_total", source=source,
                                          **{"class": turn})
            for turn in ("first", "turn", "tool_return") for source in ("cached", "computed")}


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
