"""Tools and structured output together with n, logprobs, stop, seeds, penalties and receipts.

Whatever is wished together, the same request has the same answer and the same logit hashes: alone,
beside others in a batch, streamed, and when its prompt was forgotten meanwhile.
"""
import concurrent.futures
import json

import pytest

ASK = [{"role": "user", "content": "How is the weather in Rome and in Oslo?"}]
TOOL = {"type": "function", "function": {
    "name": "look", "parameters": {
        "type": "object", "required": ["place", "days"], "additionalProperties": False,
        "properties": {"place": {"enum": ["Rome", "Oslo"]},
                       "days": {"type": "integer", "minimum": 1, "maximum": 9}}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": {
    "type": "object", "required": ["words"], "additionalProperties": False, "properties": {
        "words": {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 9}}}}}}
WISHES = {
    "tools": dict(tools=[TOOL], tool_choice="auto"),
    "strict": dict(tools=[dict(TOOL, function=TOOL["function"] | {"strict": True})]),
    "required": dict(tools=[TOOL], tool_choice="required"),
    "named": dict(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "look"}}),
    "one": dict(tools=[TOOL], tool_choice="required", parallel_tool_calls=False),
    "schema": dict(response_format=SCHEMA),
    "either": dict(tools=[TOOL], response_format=SCHEMA),
    "object": dict(response_format={"type": "json_object"}),
    "pattern": dict(structured={"regex": "(Rome|Oslo)( [a-z]{1,9}){3,6}\\."}),
}
EXTRAS = {
    "plain": {},
    "stop": dict(stop=["Oslo", "ee"]),
    "penalties": dict(presence_penalty=1, frequency_penalty=0.5, repetition_penalty=1.2),
    "bias": dict(logit_bias={"20": 5, "30": -100}, min_tokens=4),
}


def body(wish, extra, **more):
    return dict(messages=ASK, n=3, temperature=0.9, seed=11, logprobs=True, top_logprobs=2,
                max_tokens=32, return_logit_hash=True, **WISHES[wish], **EXTRAS[extra]) | more


def said(answer):
    """All that must not depend on anything but the request: ids of calls are made up."""
    choices = []
    for choice in answer["choices"]:
        message = dict(choice["message"])
        calls = [call["function"] for call in message.pop("tool_calls", [])]
        choices.append((message, calls, choice["finish_reason"], choice["logprobs"]))
    return choices, answer["quire"]["logit_hashes"], answer["usage"]["completion_tokens"]


def streamed(server, wish):
    """Per choice: content, arguments, tokens with log-probabilities; and the hashes."""
    heard = {}
    lines = server.post("/v1/chat/completions", wish | {"stream": True}).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    for choice in (choice for event in events for choice in event["choices"]):
        one = heard.setdefault(choice["index"], ["", "", []])
        one[0] += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", []):
            one[1] += call["function"].get("arguments", "")
        one[2] += (choice["logprobs"] or {"content": []})["content"]
    return heard, events[-1]["quire"]["logit_hashes"]


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("wish", WISHES)
def test_the_same_alone_in_a_batch_and_streamed(server, wish, extra):
    request = body(wish, extra)
    answer = server.post("/v1/chat/completions", request)
    assert answer.status_code == 200, answer.text
    alone = said(answer.json())
    others = [body(other, extra, seed=i) for i, other in enumerate(WISHES) if other != wish][:3]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        batch = list(pool.map(lambda one: server.post("/v1/chat/completions", one),
                              [request | {"cache_salt": f"{wish} {extra}"}] + others))
    assert said(batch[0].json()) == alone
    choices, hashes, tokens = alone
    assert len(set(hashes)) > 1 or all(choice[2] == "stop" for choice in choices)
    assert sum(len(choice[3]["content"]) for choice in choices) == tokens
    heard, streamed_hashes = streamed(server, request)
    assert streamed_hashes == hashes
    for index, (message, calls, reason, logprobs) in enumerate(choices):
        content, arguments, pieces = heard[index]
        assert pieces == logprobs["content"]
        if reason in ("tool_calls", "stop") and extra != "stop":
            assert content == (message["content"] or "")
            assert arguments == "".join(call["arguments"] for call in calls)


@pytest.mark.parametrize("wish", ["required", "named", "one"])
def test_required_calls_are_valid_with_all_of_it(server, wish):
    for extra in ("plain", "penalties", "bias"):
        answer = server.post("/v1/chat/completions", body(wish, extra, max_tokens=300)).json()
        for choice in answer["choices"]:
            assert choice["finish_reason"] == "tool_calls", choice
            for call in choice["message"]["tool_calls"]:
                arguments = json.loads(call["function"]["arguments"])
                assert arguments["place"] in ("Rome", "Oslo") and 1 <= arguments["days"] <= 9


def test_a_stop_inside_a_call_makes_it_content(server):
    request = body("named", "plain", stop=["place"], n=1)
    choice = server.post("/v1/chat/completions", request).json()["choices"][0]
    assert choice["finish_reason"] == "stop" and "tool_calls" not in choice["message"]
    assert "look" in choice["message"]["content"]
    assert "place" not in choice["message"]["content"]
