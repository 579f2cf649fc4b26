"""POST /v1/sessions/{id}/handoff: a conversation goes on at another server, and belongs to one."""
import signal
import subprocess
import threading
import time

import httpx
import pytest

from peer_pair import Node, Pair, write_secret
from server_process import ServerProcess
from test_tenants import Tenants, add

TEXT = "Once upon a time there was a giraffe that wanted to learn to swim in the deep sea. " * 12
SAMPLED = {"max_tokens": 12, "temperature": 1.0, "ignore_eos": True, "return_logit_hash": True}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet_wire(request):
    yield
    if "pair" in request.fixturenames:
        request.getfixturevalue("pair").on_message(None)


def begin(node, session, text=TEXT):
    """A session with an answer, and a fork of it that stays: what would have been."""
    node.call("", {"id": session, "seed": 7}, 201)
    node.call(f"/{session}/append", {"text": text})
    node.call(f"/{session}/generate", SAMPLED)
    node.call(f"/{session}/fork", {"id": session + ".stays"}, 201)


def went_on(node, session):
    told = node.call(f"/{session}/generate", SAMPLED)
    return told["tokens"], told["quire"]["logit_hash"], told["quire"]["cached_tokens"]


def test_it_goes_on_with_the_same_bits_and_its_kv(pair):
    begin(pair.a, "one")
    told = pair.a.call("/one/handoff", {"to": "b"})
    assert told["moved_to"] == pair.b.relay.url and told["settled"] and told["epoch"] == 2
    kv = told["kv"]
    assert kv["sent"] >= kv["blocks"] - 1 > 5 and kv["held"] == 0 and kv["bytes"] > 0
    tokens, logit_hash, cached = went_on(pair.b, "one")
    stayed = went_on(pair.a, "one.stays")
    assert (tokens, logit_hash) == stayed[:2]
    assert cached["remote"] >= 16 * kv["sent"], "what was sent is not computed again"
    shown = pair.a.show("one")
    assert shown["moved_to"] == pair.b.relay.url and shown["epoch"] == 2 and shown["tokens"] == 0


def test_who_gave_it_away_refuses_and_says_where_it_is(pair):
    begin(pair.a, "away")
    pair.a.call("/away/handoff", {"to": "b"})
    for path, body in [("append", {"text": "x"}), ("generate", {}), ("truncate", {"tokens": 1}),
                       ("fork", {}), ("pin", {}), ("handoff", {"to": "b"})]:
        answer = httpx.post(f"{pair.a.url}/v1/sessions/away/{path}", json=body, timeout=60)
        error = answer.json()["error"]
        assert answer.status_code == 409 and error["code"] == "moved", (path, answer.text)
        assert pair.b.relay.url in error["message"]
        assert answer.headers["location"] == pair.b.relay.url
    answer = httpx.get(f"{pair.a.url}/v1/sessions/away/export", timeout=60)
    assert answer.status_code == 409
    # Whoever follows the address finds it.
    assert httpx.get(f"{answer.headers['location']}/v1/sessions/away").status_code == 200
    pair.a.call("/away", method="DELETE")
    assert pair.a.show("away") == 404 and pair.b.owns("away")


def test_it_comes_back_and_only_what_is_new_is_sent(pair):
    begin(pair.a, "back")
    there = pair.a.call("/back/handoff", {"to": "b"})["kv"]
    pair.b.call("/back/append", {"text": " And then?" * 20})
    pair.b.call("/back/generate", SAMPLED)
    again = pair.b.call("/back/handoff", {"to": "a"})
    assert again["epoch"] == 3 and again["moved_to"] == pair.a.relay.url
    assert again["kv"]["held"] >= there["blocks"] - 1 and 0 < again["kv"]["sent"] < 10
    assert pair.a.owns("back") and not pair.b.owns("back")
    pair.a.call("/back/generate", SAMPLED)


def test_messages_settings_and_sampler_go_along(pair):
    settings = {"temperature": 0.8, "top_p": 0.9}
    pair.a.call("", {"id": "chat", "seed": 11, "settings": settings, "ttl_seconds": 3600}, 201)
    message = [{"role": "user", "content": "Tell me of the sea."}]
    pair.a.call("/chat/append", {"messages": message})
    text = pair.a.call("/chat/generate", {"max_tokens": 10})["text"]
    before = pair.a.show("chat", tokens=True)
    pair.a.call("/chat/handoff", {"to": "b"})
    after = pair.b.show("chat", tokens=True)
    for field in ("token_ids", "seed", "settings", "messages", "model"):
        assert after[field] == before[field], field
    assert after["expires"] is not None
    more = message + [{"role": "assistant", "content": text}, {"role": "user", "content": "More!"}]
    if text == text.strip():
        pair.b.call("/chat/append", {"messages": more})


def test_clear_refusals(pair):
    begin(pair.a, "stays")
    for body, status, part in [({"to": "c"}, 400, "configured are: b"), ({}, 400, "'to'"),
                               ({"to": "b", "force": True}, 400, "force"), ({"to": 7}, 400, "to")]:
        answer = httpx.post(f"{pair.a.url}/v1/sessions/stays/handoff", json=body, timeout=60)
        assert answer.status_code == status and part in answer.text, answer.text
    pair.a.call("/nowhere/handoff", {"to": "b"}, 404)
    pair.b.call("", {"id": "stays"}, 201)
    assert "already" in str(pair.a.call("/stays/handoff", {"to": "b"}, 409))
    assert pair.a.owns("stays")


def test_strangers_are_not_heard(pair):
    for path in ("offer", "pull", "claim", "resolve", "settle", "blocks", "nonsense"):
        for body in (b"", b"QUIREPQ1", b"QUIREPQ1\x01\0\0\0a" + bytes(80), b"x" * 1000):
            answer = httpx.post(f"{pair.b.url}/v1/peer/{path}", content=body, timeout=30)
            assert answer.status_code in (400, 401), answer.text
    with ServerProcess() as alone:
        assert alone.post("/v1/peer/offer", {}).status_code == 401
        session = alone.post("/v1/sessions", {"id": "x"})
        if session.status_code == 201:
            answer = alone.post("/v1/sessions/x/handoff", {"to": "b"})
            assert answer.status_code == 400 and "--peer" in answer.text


def test_what_was_still_to_be_read_of_it_is_neither_read_nor_pinned(pair):
    server = pair.a.server
    server.wait_until_free(seconds=60)
    assert server.metric("quire_kv_blocks", state="pinned") == 0
    computed = server.metric("quire_prompt_tokens_total", source="computed")
    pair.a.call("", {"id": "ahead", "seed": 3}, 201)
    pair.a.call("/ahead/pin", {"ttl_seconds": 3600})
    for part in range(2):  # the first is being read, the second waits for its end
        tokens = [(part * 900 + i) * 31 % 2000 + 300 for i in range(900)]
        pair.a.call("/ahead/append", {"tokens": tokens})
    pair.a.call("/ahead/handoff", {"to": "b"})
    end = time.monotonic() + 60
    while sum(server.metric(f"quire_requests_{state}") for state in ("running", "waiting")) > 0:
        assert time.monotonic() < end, "it is still read"
        time.sleep(0.02)
    assert server.metric("quire_prompt_tokens_total", source="computed") < computed + 1800
    end = time.monotonic() + 20
    while server.metric("quire_kv_blocks", state="pinned") > 0:
        assert time.monotonic() < end, server.metric("quire_kv_blocks", state="pinned")
        time.sleep(0.02)
    told = pair.b.call("/ahead/generate", SAMPLED)
    assert told["usage"]["prompt_tokens"] == 1800
    pair.b.call("/ahead/unpin", {})


def test_another_write_meanwhile_is_told_that_it_is_busy(pair):
    begin(pair.a, "busy")
    reached, go_on = threading.Event(), threading.Event()

    def hold(action, phase):
        if action == "claim" and phase == "before":
            reached.set()
            go_on.wait(20)

    pair.on_message(hold)
    done = []
    thread = threading.Thread(target=lambda: done.append(
        pair.a.call("/busy/handoff", {"to": "b"})))
    thread.start()
    assert reached.wait(20)
    assert "busy" in str(pair.a.call("/busy/append", {"text": "x"}, 409))
    assert pair.b.show("busy") == 503, "it is coming"
    go_on.set()
    thread.join()
    assert done[0]["settled"] and pair.b.owns("busy")


# Who dies, at which message, before it is heard or before its answer is.
DEATHS = [("offer", "before", "b"), ("pull", "after", "a"), ("blocks", "before", "a"),
          ("blocks", "after", "b"), ("claim", "before", "a"), ("claim", "before", "b"),
          ("claim", "after", "a"), ("claim", "after", "b"), ("offer", "after", "a"),
          ("offer", "after", "b")]


@pytest.mark.parametrize("action,phase,who", DEATHS)
def test_a_kill_leaves_exactly_one_owner(pair, action, phase, who):
    session = f"kill.{action}.{phase}.{who}"
    begin(pair.a, session)
    victim = pair.a if who == "a" else pair.b
    killed = threading.Event()

    def strike(seen, when):
        if (seen, when) != (action, phase) or killed.is_set():
            return True
        killed.set()
        victim.kill()
        return False

    pair.on_message(strike)
    answer = None
    try:
        answer = httpx.post(f"{pair.a.url}/v1/sessions/{session}/handoff", json={"to": "b"},
                            timeout=60)
    except httpx.TransportError:
        assert who == "a"
    assert killed.is_set()
    pair.on_message(None)
    victim.start()
    at_b = pair.b.settle(session)
    at_a = pair.a.settle(session)
    assert at_a != at_b, (pair.a.server.log(), pair.b.server.log())
    if answer is not None and answer.status_code == 200:
        assert at_b, "what was said is true"
    if answer is not None and answer.status_code >= 400:
        assert at_a
    if (action, phase) == ("claim", "after"):
        assert at_b, "it was given away, and the receiver has all of it"
    owner = pair.b if at_b else pair.a
    stayed = went_on(pair.a, session + ".stays")
    assert went_on(owner, session)[:2] == stayed[:2]


def leave_in_doubt(pair, session):
    """a has given it away and died, and b does not know."""
    begin(pair.a, session, "A short text.")

    def strike(seen, when):
        if (seen, when) != ("claim", "after"):
            return True
        pair.a.kill()
        return False

    pair.on_message(strike)
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{pair.a.url}/v1/sessions/{session}/handoff", json={"to": "b"}, timeout=60)
    pair.on_message(None)
    assert pair.b.show(session) == 503
    end = time.monotonic() + 30
    while httpx.post(f"{pair.b.url}/v1/sessions/{session}/reclaim", timeout=60).status_code == 409:
        assert time.monotonic() < end, "b is still taking it"
        time.sleep(0.1)


def settled(node, session):
    """Waits until what it left behind here is its address alone."""
    end = time.monotonic() + 20
    while node.show(session)["tokens"] != 0:
        assert time.monotonic() < end, node.server.log()
        time.sleep(0.1)


def test_an_operators_word_ends_a_doubt(pair):
    leave_in_doubt(pair, "taken")
    assert pair.b.server.metric("quire_handoffs_total", direction="in", outcome="failed") >= 1
    told = pair.b.call("/taken/reclaim", {}, 502)
    assert "force=true" in told["error"]["message"] and "'a'" in told["error"]["message"]
    told = pair.b.call("/taken", status=503, method="DELETE")
    assert "force=true" in told["error"]["message"]
    end = time.monotonic() + 20
    while pair.b.server.metric("quire_sessions_in_doubt", side="arriving") != 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    command = [pair.b.server.command[0], "session", "reclaim", "taken", "--server", pair.b.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "force" in done.stderr
    done = subprocess.run([*command, "--force"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.strip() == "taken", done.stderr
    assert pair.b.owns("taken") and pair.b.show("taken")["epoch"] == 3
    pair.a.start()
    settled(pair.a, "taken")
    assert went_on(pair.b, "taken")[:2] == went_on(pair.a, "taken.stays")[:2]

    leave_in_doubt(pair, "ended")
    done = subprocess.run([pair.b.server.command[0], "session", "rm", "ended", "--force",
                           "--server", pair.b.url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert pair.b.show("ended") == 404
    pair.a.start()
    settled(pair.a, "ended")
    assert not pair.a.owns("ended") and pair.b.show("ended") == 404
    # Whoever can be asked is asked, and its word counts.
    told = pair.a.call("/ended/reclaim?force=true", {}, 409)
    assert "has arrived" in told["error"]["message"]
    assert pair.a.server.metric("quire_sessions_in_doubt", side="departed") == 0


def test_what_was_deleted_after_it_arrived_has_arrived(pair):
    begin(pair.a, "gone", "A short text.")
    pair.on_message(lambda seen, when: (seen, when) != ("offer", "after"))
    assert not pair.a.call("/gone/handoff", {"to": "b"})["settled"]
    assert pair.a.server.metric("quire_handoffs_total", direction="out", outcome="unsettled") >= 1
    pair.b.call("/gone", method="DELETE")
    pair.on_message(None)
    settled(pair.a, "gone")


def test_a_wrong_secret_moves_nothing(tmp_path):
    with Pair(tmp_path, other_secret=True) as pair:
        begin(pair.a, "one", "A short text.")
        told = pair.a.call("/one/handoff", {"to": "b"}, 502)
        assert "secret" in told["error"]["message"] and told["error"]["code"] == "peer_failed"
        assert pair.a.owns("one") and pair.b.show("one") == 404
        pair.b.kill()
        told = pair.a.call("/one/handoff", {"to": "b"}, 502)
        assert "no answer from 'b'" in told["error"]["message"]
        went_on(pair.a, "one")


def test_with_another_master_key_tokens_move_and_kv_is_computed(tmp_path):
    with Pair(tmp_path, other_key=True) as pair:
        begin(pair.a, "one")
        kv = pair.a.call("/one/handoff", {"to": "b"})["kv"]
        assert kv["sent"] == 0 and kv["asked"] == 0 and "master key" in kv["recomputed"]
        tokens, logit_hash, cached = went_on(pair.b, "one")
        assert (tokens, logit_hash) == went_on(pair.a, "one.stays")[:2]
        assert sum(cached.values()) == 0


def test_kv_that_is_only_on_disk_is_sent_too(tmp_path):
    disk = ("--disk", "1GiB")
    with Pair(tmp_path, flags=(disk, disk)) as pair:
        begin(pair.a, "one")
        pair.a.server.process.send_signal(signal.SIGTERM)
        pair.a.server.process.wait(timeout=20)
        pair.a.start()
        kv = pair.a.call("/one/handoff", {"to": "b"})["kv"]
        assert kv["sent"] >= kv["blocks"] - 1, kv
        assert went_on(pair.b, "one")[:2] == went_on(pair.a, "one.stays")[:2]


def test_tenants_keep_apart_and_must_be_known_on_both_sides(tmp_path):
    (tmp_path / "tenants").mkdir()
    file = tmp_path / "tenants" / "tenants.toml"
    keys = {name: add(file, name) for name in ("acme", "beta")}
    other = tmp_path / "other.toml"
    other.write_text(file.read_text().split("[[tenant]]")[0] + "[[tenant]]" +
                     file.read_text().split("[[tenant]]")[1])  # acme alone
    with Pair(tmp_path, flags=(("--tenants", str(file)), ("--tenants", str(other)))) as pair:
        def ask(node, who, path, body, status):
            return node.call(path, body, status, headers={"Authorization": f"Bearer {keys[who]}"})

        for who in ("acme", "beta"):
            ask(pair.a, who, "", {"id": who, "seed": 1}, 201)
            ask(pair.a, who, f"/{who}/append", {"text": TEXT}, 200)
        ask(pair.a, "beta", "/acme/handoff", {"to": "b"}, 404)
        told = ask(pair.a, "beta", "/beta/handoff", {"to": "b"}, 502)
        assert "no tenant 'beta'" in told["error"]["message"]
        told = ask(pair.a, "acme", "/acme/handoff", {"to": "b"}, 200)
        assert told["kv"]["sent"] > 0
        ask(pair.b, "acme", "/acme/generate", {"max_tokens": 2}, 200)
        ask(pair.a, "beta", "/beta/generate", {"max_tokens": 2}, 200)


def test_the_command_and_the_configuration_file(tmp_path):
    secret = write_secret(tmp_path / "secret")
    config = tmp_path / "quire.toml"
    a = Node("a", tmp_path, tmp_path / "key", secret)
    b = Node("b", tmp_path, tmp_path / "key", secret)
    config.write_text(f'[[peer]]\nname = "b"\nurl = "{b.relay.url}"\nsecret_file = "{secret}"\n')
    a.peers = ["--config", str(config)]
    b.knows(a)
    try:
        a.start()
        b.start()
        begin(a, "one", "A short text.")
        command = [a.server.command[0], "session", "handoff", "one", "b", "--server", a.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.strip() == b.relay.url, done.stderr
        assert b.owns("one")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and "has moved to" in done.stderr
    finally:
        a.stop()
        b.stop()
    write_secret(secret, mode=0o644)
    for flags, part in [(["--peer", "b=http://x", "--peer-secret-file", str(secret)], "others may"),
                        (["--peer", "b=http://x"], "secret"), (["--peer", "b"], "NAME=URL")]:
        done = subprocess.run([a.server.command[0], "serve", a.server.command[2], *flags],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and part in done.stderr, done.stderr
