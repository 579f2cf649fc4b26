"""Answers in a form, as clients ask for them: schemas, patterns, lists, grammars."""
import json
import re

import jsonschema
import openai
import pytest

MODEL = "smollm2-135m"
ASK = [{"role": "user", "content": "Describe a person as JSON."}]
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["tall", "kind", "loud"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


def schema_format(schema):
    return {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": schema}}


def chat(client, **fields):
    fields = dict(model=MODEL, messages=ASK, max_tokens=200) | fields
    return client.chat.completions.create(**fields)


def test_a_schema_is_kept_at_any_temperature(client):
    answer = chat(client, response_format=schema_format(PERSON), temperature=2, n=8, seed=1)
    for choice in answer.choices:
        assert choice.finish_reason == "stop"
        jsonschema.validate(json.loads(choice.message.content), PERSON)


def test_streams_are_the_same_answer(client):
    fields = dict(response_format=schema_format(PERSON), temperature=1.5, seed=7)
    whole = chat(client, **fields).choices[0].message.content
    parts = [chunk.choices[0].delta.content or "" for chunk in chat(client, stream=True, **fields)
             if chunk.choices]
    assert "".join(parts) == whole


def test_forms_by_pattern_list_and_grammar(client):
    def ask(**form):
        return chat(client, temperature=2, seed=3, extra_body={"structured": form})
    assert re.fullmatch("[A-Z][a-z]{2,8}( [0-9]+){2}",
                        ask(regex="[A-Z][a-z]{2,8}( [0-9]{1,4}){2}").choices[0].message.content)
    assert ask(choice=["yes", "no", "maybe"]).choices[0].message.content in ("yes", "no", "maybe")
    grammar = 'root ::= "[" (n ("," n)*)? "]"  n ::= [0-9]{1,2}'
    for number in json.loads(ask(grammar=grammar).choices[0].message.content):
        assert 0 <= number <= 99


def test_logprobs_receipts_and_seeds_work_with_it(client):
    fields = dict(response_format=schema_format(PERSON), temperature=1, seed=5, logprobs=True,
                  top_logprobs=2, extra_body={"return_logit_hash": True})
    first, second = chat(client, **fields), chat(client, **fields)
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.model_extra["quire"]["logit_hash"] == second.model_extra["quire"]["logit_hash"]
    text = "".join(token.token for token in first.choices[0].logprobs.content)
    assert first.choices[0].message.content in text


def test_length_in_the_middle(client):
    answer = chat(client, response_format=schema_format(PERSON), max_tokens=3)
    assert answer.choices[0].finish_reason == "length"


def test_the_end_is_held_back_where_more_can_follow(client):
    form = {"structured": {"regex": "[a-z ]{1,400}"}, "min_tokens": 30}
    answer = chat(client, max_tokens=60, extra_body=form)
    assert answer.usage.completion_tokens >= 30
    short = {"structured": {"choice": ["yes"]}, "min_tokens": 30, "ignore_eos": True}
    assert chat(client, extra_body=short).choices[0].message.content == "yes"


def test_any_object(client):
    answer = chat(client, response_format={"type": "json_object"}, temperature=1, seed=2,
                  max_tokens=400)
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)


@pytest.mark.parametrize("fields, param", [
    (dict(response_format=schema_format({"type": "object", "properties": {"a": {"not": {}}}})),
     "response_format.json_schema.schema.properties.a.not"),
    (dict(response_format=schema_format({"$ref": "#"})), "response_format.json_schema.schema"),
    (dict(response_format={"type": "xml"}), "response_format.type"),
    (dict(extra_body={"structured": {"regex": "(?=a)b"}}), "structured.regex"),
    (dict(extra_body={"structured": {"regex": "(a{1000}){1000}"}}), "structured.regex"),
    (dict(extra_body={"structured": {"regex": "(a|b)*a(a|b){25}"}}), "structured.regex"),
    (dict(extra_body={"structured": {"grammar": 'root ::= root "a" | "b"'}}),
     "structured.grammar"),
    (dict(extra_body={"structured": {"choice": []}}), "structured.choice"),
    (dict(extra_body={"structured": {"structural_tag": {}}}), "structured.structural_tag"),
    (dict(extra_body={"guided_regex": "a", "structured": {"choice": ["b"]}}), "guided_regex"),
])
def test_what_cannot_be_is_refused_by_name(client, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        chat(client, **fields)
    assert caught.value.param == param
