"""The official client, unmodified."""
import openai
import pytest

MODEL = "smollm2-135m"
ASK = [{"role": "user", "content": "Name three colours."}]


def test_chat(client):
    answer = client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=12, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == MODEL
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id.startswith("req-")


def test_stream_gives_the_same_text(client):
    wish = dict(model=MODEL, messages=ASK, max_tokens=24, temperature=0)
    whole = client.chat.completions.create(**wish).choices[0]
    chunks = list(client.chat.completions.create(**wish, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len(chunks) > 5
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.message.content
    assert chunks[-1].choices[0].finish_reason == whole.finish_reason
    assert chunks[-1].quire["computed_tokens"] > 0
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_usage(client):
    chunks = list(client.chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=5, stream=True,
        stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 5 or chunks[-2].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].quire["request_id"]


def test_completion(client):
    answer = client.completions.create(model=MODEL, prompt="The capital of France is",
                                       temperature=0, max_tokens=2)
    assert answer.object == "text_completion"
    assert answer.choices[0].text.startswith(" Paris")
    assert answer.choices[0].finish_reason == "length"


def test_completion_stream(client):
    chunks = list(client.completions.create(model=MODEL, prompt="The capital of France is",
                                            temperature=0, max_tokens=4, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks).startswith(" Paris")
    assert chunks[-1].choices[0].finish_reason == "length"


def test_default_length_of_completions_is_16(client):
    answer = client.completions.create(model=MODEL, prompt="Once upon a time", temperature=0,
                                       extra_body={"ignore_eos": True})
    assert answer.usage.completion_tokens == 16


def test_lists_of_prompts_and_token_prompts(server, client):
    text = "The capital of France is"
    tokens = server.post("/tokenize", {"content": text}).json()["tokens"]
    one = client.completions.create(model=MODEL, prompt=tokens, temperature=0, max_tokens=3)
    both = client.completions.create(model=MODEL, prompt=[text, "Once upon a"], temperature=0,
                                     max_tokens=3, n=2, seed=1)
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    assert both.choices[0].text == both.choices[1].text == one.choices[0].text
    assert both.choices[2].text == both.choices[3].text != one.choices[0].text
    assert both.usage.completion_tokens == 12


def test_chat_logprobs(client):
    answer = client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=6, temperature=0,
                                            logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for token in content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob == token.logprob  # greedy
        assert bytes(token.bytes).decode(errors="replace") == token.token


def test_completion_logprobs(client):
    answer = client.completions.create(model=MODEL, prompt="Hello", max_tokens=5, temperature=0,
                                       logprobs=2, extra_body={"ignore_eos": True})
    logprobs = answer.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == 5
    assert all(len(top) == 2 for top in logprobs.top_logprobs)
    assert logprobs.text_offset[0] == 0
    text = answer.choices[0].text
    assert text[logprobs.text_offset[1]:logprobs.text_offset[2]] == logprobs.tokens[1]


def test_scoring_a_prompt(server, client):
    text = "The capital of France is Paris"
    answer = client.completions.create(model=MODEL, prompt=text, max_tokens=0, echo=True,
                                       logprobs=1)
    choice = answer.choices[0]
    count = len(server.post("/tokenize", {"content": text}).json()["tokens"])
    assert choice.text == text
    assert len(choice.logprobs.tokens) == count
    assert choice.logprobs.token_logprobs[0] is None
    assert all(value <= 0 for value in choice.logprobs.token_logprobs[1:])
    assert choice.logprobs.token_logprobs[-1] > -1  # Paris
    assert answer.usage.completion_tokens == 0
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


def test_echo_comes_before_the_answer(client):
    wish = dict(model=MODEL, prompt="Once upon", temperature=0, max_tokens=3)
    plain = client.completions.create(**wish).choices[0].text
    assert client.completions.create(**wish, echo=True).choices[0].text == "Once upon" + plain
    chunks = client.completions.create(**wish, echo=True, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Once upon" + plain


def test_several_choices(client):
    answer = client.chat.completions.create(model=MODEL, messages=ASK, n=3, max_tokens=10,
                                            temperature=1.0, seed=7)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, n=3, max_tokens=10,
                                                 temperature=1.0, seed=7, stream=True))
    texts = ["", "", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in answer.choices]


def test_stop(client):
    prompt = "1, 2, 3, 4,"
    free = client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=20)
    assert " 7" in free.choices[0].text
    for stop in (" 7", ["never", " 7"]):
        cut = client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=20,
                                        stop=stop)
        assert cut.choices[0].finish_reason == "stop"
        assert cut.choices[0].text == free.choices[0].text.split(" 7")[0]


def test_seed_reproduces(client):
    def ask(seed):
        return client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=16, seed=seed,
                                              temperature=1.2).choices[0].message.content
    assert ask(5) == ask(5)
    assert len({ask(5), ask(6), ask(7)}) > 1


def test_logit_bias_bans(server, client):
    prompt = "The capital of France is"
    paris = server.post("/tokenize", {"content": " Paris"}).json()["tokens"]
    assert len(paris) == 1
    answer = client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=1,
                                       logit_bias={str(paris[0]): -100})
    assert "Paris" not in answer.choices[0].text


def test_models(client):
    names = [model.id for model in client.models.list()]
    assert names == [MODEL, "tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize("fields, exception, code", [
    (dict(model="gpt-9"), openai.NotFoundError, "model_not_found"),
    (dict(messages=[]), openai.BadRequestError, "invalid_value"),
    (dict(temperature=-1), openai.BadRequestError, "invalid_value"),
    (dict(max_tokens=100000), openai.BadRequestError, "context_length_exceeded"),
    (dict(response_format={"type": "xml"}), openai.BadRequestError, "unsupported_value"),
])
def test_errors_are_the_clients_exceptions(client, fields, exception, code):
    with pytest.raises(exception) as caught:
        client.chat.completions.create(**(dict(model=MODEL, messages=ASK) | fields))
    assert caught.value.code == code


def test_model_may_be_left_out(server):
    assert server.chat().json()["model"] == MODEL
    assert server.chat(model="tiny").json()["model"] == "tiny"
