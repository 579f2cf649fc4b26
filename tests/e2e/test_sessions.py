"""/v1/sessions: conversations that outlive the request and the process, on a real model."""
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import httpx
import openai
import pytest

from server_process import ServerProcess
from test_tenants import Tenants, tenant

FLAGS = ("--kv-memory", "128MiB", "--context", "2048")
TEXT = "Once upon a time there was a giraffe that wanted to learn to swim. " * 4
SAMPLED = {"max_tokens": 12, "temperature": 1.0, "ignore_eos": True, "return_logit_hash": True}


class Kept:
    """Servers that come and go over one data folder and one master key."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None

    def start(self, *flags):
        self.stop()
        self.server = ServerProcess(*FLAGS, "--data", str(self.folder / "data"),
                                    "--master-key-file", str(self.folder / "key"), *flags)
        self.server.__enter__()
        return self.server

    def stop(self, how=signal.SIGTERM):
        if self.server is not None and self.server.process.poll() is None:
            self.server.process.send_signal(how)
            self.server.process.wait(timeout=20)
        if self.server is not None:
            self.server.__exit__(None, None, None)
        self.server = None


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    keeper = Kept(tmp_path_factory.mktemp("kept"))
    keeper.start()
    yield keeper
    keeper.stop()


def call(server, path, body=None, status=200, method="POST", **options):
    answer = httpx.request(method, server.url + "/v1/sessions" + path, json=body, timeout=60,
                           **options)
    assert answer.status_code == status, answer.text
    return answer.json()


def new(server, **fields):
    return call(server, "", fields, 201)["id"]


def ids(server, session):
    return call(server, f"/{session}?tokens=true", method="GET")["token_ids"]


def cold(server, tokens, **fields):
    """The same tokens as one request, by nobody's memory."""
    body = {**SAMPLED, **fields, "prompt": tokens, "cache_salt": os.urandom(8).hex()}
    answer = server.post("/v1/completions", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_append_generate_and_the_hash_of_a_cold_request(kept):
    server = kept.server
    session = new(server, seed=7)
    appended = call(server, f"/{session}/append", {"text": TEXT})
    assert appended["appended"] == appended["tokens"] > 16
    before = ids(server, session)
    server.wait_until_free(seconds=5)  # its KV is there
    answer = call(server, f"/{session}/generate", SAMPLED)
    assert len(answer["tokens"]) == 12 and answer["usage"]["completion_tokens"] == 12
    assert answer["quire"]["cached_tokens"]["ram"] >= len(before) // 16 * 16 - 16
    assert ids(server, session) == before + answer["tokens"]
    same = cold(server, before, seed=7)
    assert same["choices"][0]["text"] == answer["text"]
    assert same["quire"]["logit_hash"] == answer["quire"]["logit_hash"]


@pytest.mark.parametrize("fields", [{}, {"presence_penalty": 1.0, "frequency_penalty": 0.5},
                                    {"repetition_penalty": 1.3, "top_p": 0.9}])
def test_an_answer_in_two_parts_is_the_answer(kept, fields):
    server = kept.server
    one, two = new(server, seed=3), new(server, seed=3)
    for session in (one, two):
        call(server, f"/{session}/append", {"text": TEXT})
    whole = call(server, f"/{one}/generate", {**SAMPLED, **fields, "max_tokens": 16})
    parts = [call(server, f"/{two}/generate", {**SAMPLED, **fields, "max_tokens": n})
             for n in (5, 11)]
    assert whole["tokens"] == parts[0]["tokens"] + parts[1]["tokens"]


def test_a_session_goes_on_after_kill_fork_and_import(kept):
    server = kept.start()
    names = [f"on.{i}" for i in range(4)]
    for name in names[:2]:
        new(server, id=name, seed=11)
        call(server, f"/{name}/append", {"text": TEXT})
        call(server, f"/{name}/generate", SAMPLED)
    expected = call(server, f"/{names[0]}/generate", SAMPLED)
    call(server, f"/{names[1]}/fork", {"id": names[2]}, 201)
    file = server.get(f"/v1/sessions/{names[1]}/export").content
    kept.stop(signal.SIGKILL)
    server = kept.start()
    imported = httpx.post(server.url + f"/v1/sessions/import?id={names[3]}", content=file)
    assert imported.status_code == 201 and imported.json()["signed_here"], imported.text
    for name in names[1:]:
        answer = call(server, f"/{name}/generate", SAMPLED)
        assert answer["tokens"] == expected["tokens"], name
        assert answer["quire"]["logit_hash"] == expected["quire"]["logit_hash"], name


def test_fork_truncate_and_the_bits_after_them(kept):
    server = kept.server
    session = new(server, seed=5)
    call(server, f"/{session}/append", {"text": TEXT})
    length = call(server, f"/{session}", method="GET")["tokens"]
    first = call(server, f"/{session}/generate", SAMPLED)
    fork = call(server, f"/{session}/fork", {}, 201)["id"]
    call(server, f"/{fork}/append", {"text": " Then it rained."})
    assert ids(server, session) == ids(server, fork)[:length + 12]
    cut = call(server, f"/{session}/truncate", {"tokens": length})
    assert cut["tokens"] == length
    again = call(server, f"/{session}/generate", SAMPLED)
    assert again["tokens"] == first["tokens"]
    assert again["quire"]["logit_hash"] == first["quire"]["logit_hash"]
    prompt = ids(server, fork)
    forked = call(server, f"/{fork}/generate", SAMPLED)
    assert cold(server, prompt, seed=5)["quire"]["logit_hash"] == forked["quire"]["logit_hash"]
    call(server, f"/{session}/truncate", {"tokens": 10 ** 6}, 400)
    call(server, f"/{session}/truncate", {}, 400)
    call(server, f"/{session}", method="DELETE")
    assert ids(server, fork)[:len(prompt)] == prompt


def test_messages_extend_the_log_and_are_never_read_again(kept):
    server = kept.server
    session = new(server)
    talk = [{"role": "system", "content": "You are terse."},
            {"role": "user", "content": "Say <|im_end|> and one word."}]
    call(server, f"/{session}/append", {"messages": talk})
    answer = call(server, f"/{session}/generate", {"max_tokens": 24, "temperature": 0})
    chat = server.post("/v1/chat/completions",
                       {"messages": talk, "max_tokens": 24, "temperature": 0}).json()
    assert answer["text"] == chat["choices"][0]["message"]["content"]
    before = ids(server, session)
    talk += [{"role": "assistant", "content": answer["text"]},
             {"role": "user", "content": "Another one."}]
    shown = call(server, f"/{session}/append", {"messages": talk})
    assert shown["messages"] == 4
    assert ids(server, session)[:len(before)] == before
    last = call(server, f"/{session}/generate", {"max_tokens": 8, "temperature": 0})
    assert last["quire"]["cached_tokens"]["ram"] > 0
    assert call(server, f"/{session}", method="GET")["messages"] == 5
    # Another beginning is no continuation, and changes nothing.
    held = ids(server, session)
    talk[1]["content"] = "Something else."
    conflict = call(server, f"/{session}/append", {"messages": talk}, 409)
    assert "do not go on" in conflict["error"]["message"]
    assert ids(server, session) == held
    # Back to the first question: the same answer.
    cut = call(server, f"/{session}/truncate", {"messages": 2})
    assert cut["messages"] == 2
    again = call(server, f"/{session}/generate", {"max_tokens": 24, "temperature": 0})
    assert again["tokens"] == answer["tokens"]
    call(server, f"/{session}/truncate", {"messages": 9}, 400)


def test_stream_of_an_answer(kept):
    server = kept.server
    session = new(server, seed=9)
    call(server, f"/{session}/append", {"tokens": ids_of(server, TEXT)})
    fork = call(server, f"/{session}/fork", {}, 201)["id"]
    whole = call(server, f"/{session}/generate", SAMPLED)
    tokens, text, last = [], "", None
    with httpx.stream("POST", server.url + f"/v1/sessions/{fork}/generate",
                      json={**SAMPLED, "stream": True}, timeout=60) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            last = json.loads(line[6:])
            tokens += last["tokens"]
            text += last["text"]
    assert (tokens, text) == (whole["tokens"], whole["text"])
    assert last["finish_reason"] == "length" and last["quire"]["logit_hash"]
    assert ids(server, fork) == ids(server, session)


def ids_of(server, text):
    return server.post("/tokenize", {"content": text}).json()["tokens"]


def detokenized(server, tokens):
    return server.post("/detokenize", {"tokens": tokens}).json()["content"]


def test_one_of_two_writers_is_told_that_the_session_is_busy(kept):
    server = kept.server
    session = new(server)
    call(server, f"/{session}/append", {"text": TEXT})
    begun, statuses = threading.Event(), []

    def generate():
        with httpx.stream("POST", server.url + f"/v1/sessions/{session}/generate", timeout=60,
                          json={**SAMPLED, "stream": True, "max_tokens": 400}) as answer:
            statuses.append(answer.status_code)
            for line in answer.iter_lines():
                begun.set()

    thread = threading.Thread(target=generate)
    thread.start()
    assert begun.wait(20)
    busy = call(server, f"/{session}/generate", SAMPLED, 409)
    assert "busy" in busy["error"]["message"]
    call(server, f"/{session}/append", {"text": "x"}, 409)
    call(server, f"/{session}", method="DELETE", status=409)
    call(server, f"/{session}/fork", {}, 201)
    thread.join()
    assert statuses == [200]
    call(server, f"/{session}/append", {"text": "x"})


def test_who_leaves_in_the_middle_leaves_the_session_as_it_was(kept):
    server = kept.server
    session = new(server)
    call(server, f"/{session}/append", {"text": TEXT})
    before = call(server, f"/{session}", method="GET")
    with httpx.stream("POST", server.url + f"/v1/sessions/{session}/generate", timeout=60,
                      json={**SAMPLED, "stream": True, "max_tokens": 1000}) as answer:
        next(answer.iter_lines())
    server.wait_until_free(seconds=5)
    assert call(server, f"/{session}", method="GET")["tokens"] == before["tokens"]


def test_listing_search_and_what_is_refused(kept):
    server = kept.server
    for name in ("list.a", "list.b", "list.c"):
        new(server, id=name)
    page = call(server, "?search=list.&limit=2", method="GET")
    assert [one["id"] for one in page["data"]] == ["list.a", "list.b"] and page["has_more"]
    rest = call(server, "?search=list.&after=list.b", method="GET")
    assert [one["id"] for one in rest["data"]] == ["list.c"] and not rest["has_more"]
    call(server, "", {"id": "list.a"}, 409)
    for body in ({"id": "a/b"}, {"id": ""}, {"ttl_seconds": 0}, {"colour": 1},
                 {"settings": {"temperature": 9}}, {"settings": {"prompt": "x"}},
                 {"stream": {"window_tokens": 64, "sink_tokens": 17}},
                 {"stream": {"window_tokens": 1}}, {"stream": {"window_tokens": 4096}}):
        call(server, "", body, 400)
    call(server, "/nobody", method="GET", status=404)
    call(server, "/nobody/generate", SAMPLED, 404)
    call(server, "/list.a/generate", SAMPLED, 400)  # nothing to go on from
    for body in ({}, {"text": "a", "tokens": [1]}, {"tokens": [10 ** 8]}, {"text": ""}):
        call(server, "/list.a/append", body, 400)
    call(server, "/list.a/append", {"text": "word " * 3000}, 400)  # beyond the context
    assert call(server, "/list.a", method="GET")["tokens"] == 0
    call(server, "/list.a/wash", {}, 404)
    assert server.get("/v1/sessions/list.a/append").status_code == 405
    gone = call(server, "/list.a", method="DELETE")
    assert gone["deleted"]
    call(server, "/list.a", method="GET", status=404)


def test_pins_are_revocable(kept):
    server = kept.server
    session = new(server)
    call(server, f"/{session}/append", {"text": TEXT})
    pinned = call(server, f"/{session}/pin", {"ttl_seconds": 600})
    assert pinned["pinned_until"] > pinned["created"]
    end = time.monotonic() + 10  # its KV is read first
    while server.metric("quire_kv_blocks", state="pinned") == 0:
        assert time.monotonic() < end, "nothing is pinned"
        time.sleep(0.01)
    assert call(server, f"/{session}/unpin", {})["pinned_until"] is None
    for _ in range(200):
        if server.metric("quire_kv_blocks", state="pinned") == 0:
            break
    assert server.metric("quire_kv_blocks", state="pinned") == 0


def test_settings_hold_for_every_answer(kept):
    server = kept.server
    session = new(server, settings={"temperature": 0, "max_tokens": 3, "ignore_eos": True})
    call(server, f"/{session}/append", {"text": TEXT})
    fork = call(server, f"/{session}/fork", {}, 201)["id"]
    greedy = call(server, f"/{session}/generate", {})
    assert len(greedy["tokens"]) == 3
    assert call(server, f"/{fork}/generate", {"seed": 5})["tokens"] == greedy["tokens"]


def test_a_stream_session_never_ends_and_says_what_it_dropped(kept):
    server = kept.server
    session = new(server, seed=1, stream={"sink_tokens": 8, "window_tokens": 256})
    tokens = ids_of(server, TEXT)
    fed = []
    for _ in range(12):
        shown = call(server, f"/{session}/append", {"tokens": tokens})
        fed += tokens
        assert shown["tokens"] <= 256
        assert shown["tokens"] + shown["stream"]["dropped_tokens"] == len(fed)
    assert shown["stream"]["rebases"] > 1
    context = ids(server, session)
    assert context[:8] == fed[:8] and context[8:] == fed[8 - len(context):]
    answer = call(server, f"/{session}/generate", {**SAMPLED, "max_tokens": 4, "temperature": 0})
    assert answer["session"]["dropped_tokens"] > 0
    prompt = ids(server, session)[:-4]
    assert cold(server, prompt, max_tokens=4, temperature=0)["quire"]["logit_hash"] == \
        answer["quire"]["logit_hash"]


def test_a_stream_begins_anew_with_what_is_kept_and_its_summary_read_ahead(kept):
    server = kept.server
    asked = {"prompt": "\nIn short:", "max_tokens": 12}
    session = new(server, seed=1, stream={"sink_tokens": 8, "window_tokens": 512, "summary": asked})
    note = ids_of(server, "The password of the lake house is heron.")
    fed = ids_of(server, TEXT)[:60]
    call(server, f"/{session}/append", {"tokens": fed})
    shown = call(server, f"/{session}/append", {"tokens": note, "keep": True})
    assert shown["stream"]["kept_tokens"] == len(note)
    fed += note
    summaries, anew = [], 0
    for step in range(40):
        piece = ids_of(server, f" {step} {TEXT}")[:50]
        before = ids(server, session)
        shown = call(server, f"/{session}/append", {"tokens": piece})
        fed += piece
        stream, context = shown["stream"], ids(server, session)
        length = stream["summary_tokens"]
        assert stream["summary"] == asked and stream["kept_tokens"] == len(note)
        assert shown["tokens"] - length + stream["dropped_tokens"] == len(fed)
        if stream["rebases"] == anew:
            continue
        anew = stream["rebases"]
        start = 8 + len(note)
        assert context[:8] == fed[:8] and context[8:start] == note
        assert 0 < length <= 12
        rest = context[start + length:]
        assert rest == fed[-len(rest):] and len(context) <= 256 + 50
        summaries.append(context[start:start + length])
        # The summary is what the model says about just what was dropped.
        told = before[:512 // 2 + 8 + len(note) + 12] + ids_of(server, asked["prompt"])
        said = cold(server, told, max_tokens=12, temperature=0, min_tokens=1, ignore_eos=False)
        assert detokenized(server, context[start:start + length]) == said["choices"][0]["text"]
        # Read ahead of need: next to nothing is computed now but the newest piece.
        server.wait_until_free(seconds=20)
        usage = call(server, f"/{session}/generate", {**SAMPLED, "max_tokens": 1})["usage"]
        fed += ids(server, session)[-1:]
        assert usage["prompt_tokens_details"]["cached_tokens"] > 0.9 * len(context) - 16
        if anew == 4:
            break
    assert anew >= 3 and len(summaries) == anew
    for body in ({"tokens": [5] * 100, "keep": True}, {"text": "a", "keep": 1}):
        call(server, f"/{session}/append", body, 400)
    call(server, f"/{new(server)}/append", {"text": "a", "keep": True}, 400)
    for summary in ({}, {"prompt": "x" * 4000}, {"prompt": "x", "max_tokens": 0},
                    {"prompt": "x", "max_tokens": 200}, {"prompt": "x", "words": 4}):
        call(server, "", {"stream": {"window_tokens": 512, "summary": summary}}, 400)


@pytest.mark.parametrize("then", ["unpin", "pin", "delete", "truncate"])
def test_what_is_still_to_be_read_keeps_to_the_newest_word(tmp_path, then):
    """Two long appends in a row: of the second nothing is read yet when the word comes."""
    with ServerProcess("--disk", "0", "--data", str(tmp_path / "data"), "--master-key-file",
                       str(tmp_path / "key")) as server:
        session = new(server)
        call(server, f"/{session}/append", {"tokens": [300]})
        call(server, f"/{session}/pin", {"ttl_seconds": 600})
        server.wait_until_free(seconds=60)
        for start in (400, 500):
            call(server, f"/{session}/append", {"tokens": [start + i % 97 for i in range(480)]})
        if then == "delete":
            call(server, f"/{session}", method="DELETE")
        elif then == "truncate":
            call(server, f"/{session}/truncate", {"tokens": 481})
        elif then == "pin":
            call(server, f"/{session}/pin", {"ttl_seconds": 1})
        else:
            call(server, f"/{session}/unpin", {})
        end = time.monotonic() + 60
        while then in ("unpin", "pin") and server.metric("quire_prompt_tokens_total",
                                                         source="computed") < 960:
            assert time.monotonic() < end, "it is still read"
            time.sleep(0.02)
        server.wait_until_free(seconds=60)
        # A pin ends by itself, and what is left of a text is read once the longer read has ended.
        wanted = 30 if then == "truncate" else 0
        end = time.monotonic() + 20
        while server.metric("quire_kv_blocks", state="pinned") != wanted:
            assert time.monotonic() < end, server.metric("quire_kv_blocks", state="pinned")
            time.sleep(0.02)


def test_what_an_answer_was_to_read_is_read_when_its_client_has_left(tmp_path):
    """The second append waits for the first; the answer takes it over, and ends before it."""
    with ServerProcess(*FLAGS, "--disk", "0", "--data", str(tmp_path / "data"),
                       "--master-key-file", str(tmp_path / "key")) as server:
        session = new(server)
        for start in (400, 500):
            call(server, f"/{session}/append", {"tokens": [start + i % 97 for i in range(480)]})
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/sessions/{session}/generate", json={"max_tokens": 200},
                       timeout=httpx.Timeout(60, read=0.2))
        end = time.monotonic() + 60
        while server.metric("quire_prompt_tokens_total", source="computed") < 960:
            assert time.monotonic() < end, "it is not read"
            time.sleep(0.02)
        server.wait_until_free(seconds=60)
        told = call(server, f"/{session}/generate", {"max_tokens": 1})
        assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 944


def test_a_feed_faster_than_the_model_computes_each_token_twice_at_most(tmp_path):
    """In little memory: what waits to be read must not push out what was read."""
    with ServerProcess("--kv-memory", "16MiB", "--context", "512", "--disk", "0",
                       "--data", str(tmp_path / "data"),
                       "--master-key-file", str(tmp_path / "key")) as server:
        session = new(server, seed=1, stream={"sink_tokens": 8, "window_tokens": 256})
        fed, most = 0, 0
        for burst in (1, 12, 2, 9, 1, 1, 15, 3, 12, 2, 2):
            for _ in range(burst):
                fed += 32
                piece = [(fed * 31 + i * i) % 2000 + 300 for i in range(32)]
                call(server, f"/{session}/append", {"tokens": piece})
            most = max(most, sum(server.metric(f"quire_requests_{state}")
                                 for state in ("running", "waiting")))
            if burst % 2 == 1:
                server.wait_until_free(seconds=60)
        answer = call(server, f"/{session}/generate",
                      {**SAMPLED, "max_tokens": 2, "temperature": 0})
        context = ids(server, session)[:-2]
        server.wait_until_free(seconds=60)
        assert answer["session"]["dropped_tokens"] > 0
        # One that ended just now may still be counted beside the next.
        assert most <= 2, "of a session one text is read at a time"
        assert server.metric("quire_prompt_tokens_total", source="computed") <= 2 * fed
        told = cold(server, context, max_tokens=2, temperature=0)["quire"]["logit_hash"]
        assert told == answer["quire"]["logit_hash"]


def test_a_client_that_leaves_ends_the_summary_that_it_waits_for(kept):
    server = kept.server
    asked = {"prompt": "\nIn short:", "max_tokens": 400}
    session = new(server, seed=1, stream={"window_tokens": 2000, "summary": asked})
    call(server, f"/{session}/append", {"tokens": [5, 6, 7] * 480})
    server.wait_until_free(seconds=60)
    before = ids(server, session)
    generated = server.metric("quire_generated_tokens_total")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/sessions/{session}/append", json={"tokens": [8] * 561},
                   timeout=0.5)
    server.wait_until_free(seconds=60)
    assert server.metric("quire_generated_tokens_total") - generated < 300
    assert ids(server, session) == before, "nothing was written"


def test_a_stream_does_not_draw_the_same_again(kept):
    """Positions begin anew with the context; the draws do not."""
    server = kept.server
    session = new(server, seed=4, stream={"window_tokens": 128})
    flat = {"max_tokens": 8, "temperature": 2.0, "ignore_eos": True}
    first = ids_of(server, TEXT + TEXT)[:100]
    call(server, f"/{session}/append", {"tokens": first})
    call(server, f"/{session}/append", {"tokens": first})
    context = ids(server, session)
    assert call(server, f"/{session}", method="GET")["stream"]["rebases"] == 1
    other = new(server, seed=4)
    call(server, f"/{other}/append", {"tokens": context})
    answers = [call(server, f"/{one}/generate", flat)["tokens"] for one in (session, other)]
    assert answers[0] != answers[1]
    call(server, f"/{session}/generate", {"max_tokens": 200}, 400)


def test_hostile_files_are_refused(kept):
    server = kept.server
    session = new(server)
    call(server, f"/{session}/append", {"text": TEXT})
    file = server.get(f"/v1/sessions/{session}/export").content

    def attempt(content):
        return httpx.post(server.url + "/v1/sessions/import?id=evil", content=content)

    assert attempt(b"").status_code == 400
    assert attempt(b"QUIRESES" + b"\xff" * 200).status_code == 400
    for at in range(0, len(file) - 32, 97):
        assert attempt(file[:at] + bytes([file[at] ^ 1]) + file[at + 1:]).status_code == 400, at
    forged = file[:-1] + bytes([file[-1] ^ 1])
    answer = attempt(forged)
    assert answer.status_code == 201 and not answer.json()["signed_here"]
    assert attempt(forged).status_code == 409  # the id is taken


def test_tenants_see_their_own(tmp_path):
    with Tenants(tmp_path) as tenants:
        def ask(who, method, path, body=None):
            return httpx.request(method, tenants.server.url + "/v1/sessions" + path, json=body,
                                 headers=tenants.headers(who), timeout=60)

        assert ask(None, "GET", "").status_code == 401
        assert ask("acme", "POST", "", {"id": "mine"}).status_code == 201
        assert ask("acme", "POST", "/mine/append", {"text": TEXT}).status_code == 200
        for who in ("beta", "root"):
            for method, path in (("GET", "/mine"), ("DELETE", "/mine"), ("GET", "/mine/export"),
                                 ("POST", "/mine/fork"), ("POST", "/mine/append"),
                                 ("POST", "/mine/generate"), ("POST", "/mine/pin")):
                body = {"text": "x"} if path.endswith("append") else {}
                answer = ask(who, method, path, body if method == "POST" else None)
                assert answer.status_code == 404, (who, path, answer.text)
            assert ask(who, "GET", "").json()["data"] == []
        assert ask("beta", "POST", "", {"id": "mine"}).status_code == 201
        # What was purged is gone; what others keep is not.
        tenant(tenants.file, "purge", "acme")
        tenants.reload()
        assert ask("acme", "GET", "/mine").status_code == 404
        assert ask("beta", "GET", "/mine").status_code == 200


def test_nothing_readable_is_in_the_data_folder(kept):
    server = kept.server
    secret = "zebras quietly juggling seventeen lanterns"
    session = new(server, settings={"stop": ["violet umbrella"]})
    tokens = ids_of(server, secret * 3)
    call(server, f"/{session}/append", {"text": secret * 3})
    raw = b"".join(path.read_bytes() for path in pathlib.Path(kept.folder / "data").rglob("*")
                   if path.is_file())
    assert len(raw) > 4096
    pair = b"".join(token.to_bytes(4, "little") for token in tokens[2:5])
    for needle in (secret.encode(), b"violet umbrella", pair):
        assert needle not in raw
    assert (kept.folder / "data").stat().st_mode & 0o077 == 0


def test_another_master_key_is_told_so(kept, tmp_path):
    kept.stop()
    stranger = ServerProcess(*FLAGS, "--data", str(kept.folder / "data"), "--master-key-file",
                             str(tmp_path / "key"), wait=False)
    with stranger:
        assert stranger.process.wait(timeout=30) != 0
        assert "master key" in stranger.log()
    kept.start()


def paths_of_the_server():
    """The paths that the sources of the server name."""
    source = (pathlib.Path(__file__).parents[2] / "src/server/service.cc").read_text()
    paths = set(re.findall(r'\{\.path = "([^"]+)"', source))
    actions = (pathlib.Path(__file__).parents[2] / "src/server/sessions/sessions.cc").read_text()
    for method, name in re.findall(r'\{\.method = "(\w+)", \.name = "([^"*]+)"', actions):
        paths.add("/v1/sessions/import" if name == "import" else f"/v1/sessions/{{id}}/{name}")
    if "/v1/levers/" in paths:
        paths |= {f"/v1/levers/{{id}}/{action}" for action in ("start", "stop")}
    below = {"/v1/ledger/": "/v1/ledger/{id}/outcome",
             "/v1/requests/": "/v1/requests/{id}/cancel"}
    return {below.get(path, path + "{id}" if path.endswith("/") and path != "/" else path)
            for path in paths}


def test_openapi_lists_every_path_and_nothing_else(kept):
    answer = kept.server.get("/openapi.json")
    described = answer.json()
    assert described["openapi"].startswith("3.1") and "application/json" in \
        answer.headers["content-type"]
    assert set(described["paths"]) == paths_of_the_server()
    known = described["components"]

    def resolve(node):
        if isinstance(node, dict):
            if "$ref" in node:
                _, _, kind, name = node["$ref"].split("/")
                assert name in known[kind], node
            for value in node.values():
                resolve(value)
        elif isinstance(node, list):
            for value in node:
                resolve(value)

    resolve(described)
    for path, methods in described["paths"].items():
        for method in set(methods) & {"get", "post", "delete"}:
            once = {"once": "true"} if path == "/v1/live" else {}  # else it does not end
            answer = httpx.request(method, kept.server.url + path.replace("{id}", "none"),
                                   params=once, timeout=30)
            assert answer.status_code != 405, (method, path)


def run_quire(kept, *arguments, fails=False):
    done = subprocess.run([ServerProcess().command[0], "session", *arguments, "--server",
                           kept.server.url], capture_output=True, text=True, timeout=60,
                          cwd=kept.folder)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def test_the_command(kept):
    server = kept.server
    new(server, id="cli.1", seed=4)
    call(server, "/cli.1/append", {"text": TEXT})
    assert run_quire(kept, "fork", "cli.1", "--id", "cli.2").strip() == "cli.2"
    listing = run_quire(kept, "ls", "--search", "cli.")
    assert [line.split()[0] for line in listing.splitlines()] == ["ID", "cli.1", "cli.2"]
    assert json.loads(run_quire(kept, "show", "cli.1"))["tokens"] > 16
    assert run_quire(kept, "export", "cli.1").strip() == "cli.1.quire"
    assert run_quire(kept, "import", "cli.1.quire", "--id", "cli.3").strip() == "cli.3"
    assert ids(server, "cli.3") == ids(server, "cli.1")
    assert "cli.3" in run_quire(kept, "import", "cli.1.quire", "--id", "cli.3", fails=True)
    run_quire(kept, "rm", "cli.3")
    assert "there is no session" in run_quire(kept, "show", "cli.3", fails=True)


class TestResponses:
    """OpenAI's own client."""

    def test_a_response_goes_on_from_another(self, kept):
        client = kept.server.openai()
        first = client.responses.create(model="", input="Name one colour.", max_output_tokens=12,
                                        temperature=0)
        assert first.store
        second = client.responses.create(model="", input="Another one.", temperature=0,
                                         previous_response_id=first.id, max_output_tokens=12)
        assert second.previous_response_id == first.id
        whole = client.responses.create(
            model="", temperature=0, max_output_tokens=12, store=False,
            input=[{"role": "user", "content": "Name one colour."},
                   {"role": "assistant", "content": first.output_text},
                   {"role": "user", "content": "Another one."}])
        assert not whole.store
        assert second.output_text == whole.output_text
        assert second.usage.input_tokens_details.cached_tokens > 0
        # A branch from the first, and back after a kill.
        kept.stop(signal.SIGKILL)
        client = kept.start().openai()
        again = client.responses.create(model="", input="Another one.", temperature=0,
                                        previous_response_id=first.id, max_output_tokens=12)
        assert again.output_text == second.output_text
        fetched = client.responses.retrieve(second.id)
        assert fetched.output_text == second.output_text and fetched.status == second.status
        client.responses.delete(second.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(second.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="", input="x", previous_response_id=second.id)
        assert call(kept.server, "?search=resp_", method="GET")["data"] == []

    def test_streamed_and_with_other_instructions(self, kept):
        client = kept.server.openai()
        events = list(client.responses.create(model="", input="Say hello.", stream=True,
                                              max_output_tokens=8, temperature=0))
        kinds = [event.type for event in events]
        assert kinds[0] == "response.created" and kinds[-1] in ("response.completed",
                                                                "response.incomplete")
        first = events[-1].response
        second = client.responses.create(model="", input="Again.", instructions="Be loud.",
                                         previous_response_id=first.id, max_output_tokens=8)
        assert second.output_text
        unkept = client.responses.create(model="", input="x", store=False, max_output_tokens=4)
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="", input="y", previous_response_id=unkept.id)


def test_sessions_are_counted(kept):
    before = kept.server.metric("quire_sessions", tenant="default")
    session = new(kept.server)
    assert kept.server.metric("quire_sessions", tenant="default") == before + 1
    call(kept.server, f"/{session}", method="DELETE")
    assert kept.server.metric("quire_sessions", tenant="default") == before
