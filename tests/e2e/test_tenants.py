"""Keys, tenants, and what each may see: on servers with a tenants file."""
import hashlib
import json
import os
import re
import signal
import subprocess
import time

import httpx
import pytest

from server_process import ServerProcess

PROMPT = "Once upon a time there was a giraffe that wanted to learn to swim. " * 12


def tenant(server_file, *arguments):
    binary = ServerProcess().command[0]
    done = subprocess.run([binary, "tenant", *arguments, "--tenants", str(server_file)],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def add(server_file, name, *flags):
    return tenant(server_file, "add", name, *flags).splitlines()[-1]


class Tenants:
    """A server with tenants: `root` is an admin, `acme` and `beta` are not."""

    def __init__(self, folder, *flags):
        self.file = folder / "tenants.toml"
        self.keys = {"acme": add(self.file, "acme"), "beta": add(self.file, "beta"),
                     "root": add(self.file, "root", "--admin"),
                     "small": add(self.file, "small", "--tokens-per-minute", "60",
                                  "--max-context", "300")}
        self.server = ServerProcess("--tenants", str(self.file), "--kv-memory", "64MiB", *flags)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__(None, None, None)

    def headers(self, who):
        return {"Authorization": f"Bearer {self.keys[who]}"} if who else {}

    def get(self, who, path):
        return self.server.get(path, headers=self.headers(who))

    def complete(self, who, prompt=PROMPT, **fields):
        body = {"prompt": prompt, "max_tokens": 4, **fields}
        return self.server.post("/v1/completions", body, headers=self.headers(who))

    def cached(self, who, prompt=PROMPT, **fields):
        answer = self.complete(who, prompt, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]

    def reload(self, text="was read again"):
        before = self.server.log().count(text)
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self.server.log().count(text) == before:
            assert time.monotonic() < end, self.server.log()
            time.sleep(0.02)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory):
    with Tenants(tmp_path_factory.mktemp("tenants"), "--log-level", "trace") as running:
        yield running


def test_every_path_but_health_and_the_dashboards_files_needs_a_key(tenants):
    assert tenants.get(None, "/health").status_code == 200
    assert tenants.get(None, "/").status_code == 200
    for path in ("/metrics", "/version", "/v1/models", "/v1/cache", "/v1/cache/tree",
                 "/v1/live?once=true", "/none"):
        refused = tenants.get(None, path)
        assert refused.status_code == 401, path
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert refused.headers["www-authenticate"] == "Bearer"
        assert tenants.get("acme", path).status_code in (200, 404), path
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/tokenize"):
        assert tenants.server.post(path, {}).status_code == 401
    wrong = tenants.server.get("/v1/models", headers={"Authorization": "Bearer quire-wrong"})
    assert wrong.status_code == 401 and "quire-wrong" not in wrong.text


def test_keys_of_both_kinds_of_clients(tenants):
    key = tenants.keys["acme"]
    for headers in ({"x-api-key": key}, {"Authorization": f"bearer {key}"},
                    {"Authorization": "Bearer none", "x-api-key": key}):
        assert tenants.server.get("/v1/models", headers=headers).status_code == 200, headers
    hashes = hashlib.blake2b(key.encode(), digest_size=32).hexdigest()
    assert hashes in tenants.file.read_text() and key not in tenants.file.read_text()
    for headers in ({"x-api-key": hashes}, {"Authorization": f"Basic {key}"}, {"x-api-key": ""}):
        assert tenants.server.get("/v1/models", headers=headers).status_code == 401, headers
    refused = tenants.server.post("/v1/messages", {}).json()
    assert refused["type"] == "error" and refused["error"]["type"] == "authentication_error"


def test_nothing_is_shared_between_tenants(tenants):
    assert tenants.cached("acme") == 0
    assert tenants.cached("acme") > 100
    assert tenants.cached("beta") == 0
    assert tenants.cached("beta") > 100
    assert tenants.cached("acme", cache_salt="another") == 0


def test_each_sees_its_own_and_an_admin_all(tenants):
    tenants.complete("acme")
    tenants.complete("beta")
    time.sleep(0.2)
    own = tenants.get("acme", "/v1/cache").json()
    assert own["tenant"] == "acme" and own["tiers"]["ram"]["idle_bytes"] > 0
    assert own["tiers"]["ram"]["idle_blocks"] * own["block_bytes"] == own["tiers"]["ram"]["idle_bytes"]
    assert "tenants" not in own and "server" not in own
    every = tenants.get("root", "/v1/cache").json()
    names = {one["tenant"] for one in every["tenants"]}
    assert {"acme", "beta", "root", "small"} <= names
    blocks = every["server"]
    assert blocks["blocks"] == sum(blocks[state + "_blocks"]
                                   for state in ("free", "live", "idle", "pinned"))
    page = tenants.get("acme", "/metrics").text
    series = [line for line in page.splitlines() if line and not line.startswith("#")]
    assert series and all('tenant="acme"' in line for line in series), page
    assert any(line.startswith("quire_prompt_tokens_total") for line in series)
    assert any(line.startswith("quire_tenant_kv_bytes") for line in series)
    vllm = tenants.get("acme", "/metrics?names=vllm").text
    assert "num_requests_running" not in vllm and "cache_usage" not in vllm
    page = tenants.get("root", "/metrics").text
    assert 'tenant="acme"' in page and 'tenant="beta"' in page and "quire_kv_blocks" in page
    assert "acme" not in tenants.get("acme", "/").text


def test_quota_and_context_of_a_tenant(tenants):
    long = tenants.complete("small", "word " * 400)
    assert long.status_code == 400
    assert long.json()["error"]["code"] == "context_length_exceeded"
    assert tenants.complete("small", "word " * 100).status_code == 200
    refused = tenants.complete("small", "other " * 100)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 600
    assert tenants.complete("acme", "other " * 100).status_code == 200
    page = tenants.get("small", "/metrics").text
    assert re.search(r'^quire_rejections_total\{reason="quota_exceeded",tenant="small"\} 1$', page, re.M)


def test_an_answer_without_wish_for_length_ends_where_the_tenants_context_does(tmp_path):
    with Tenants(tmp_path) as running:
        running.keys["short"] = add(running.file, "short", "--max-context", "120")
        running.reload()
        body = {"messages": [{"role": "user", "content": "Tell me a story."}], "ignore_eos": True}
        answer = running.server.post("/v1/chat/completions", body, headers=running.headers("short"))
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["total_tokens"] == 120
        assert answer.json()["choices"][0]["finish_reason"] == "length"


def test_answers_tell_the_verdict(tenants):
    answer = tenants.complete("acme")
    assert int(answer.headers["x-quire-queue-position"]) == 0
    assert int(answer.headers["x-quire-estimated-wait-ms"]) >= 0
    body = {"prompt": "a", "max_tokens": 2, "stream": True}
    with httpx.stream("POST", tenants.server.url + "/v1/completions", json=body, timeout=30,
                      headers=tenants.headers("acme")) as stream:
        stream.read()
        assert "x-quire-estimated-wait-ms" in stream.headers
    page = tenants.get("root", "/metrics").text
    count = sum(float(value) for value in re.findall(
        r"^quire_admission_wait_error_seconds_count\{.*\} (\S+)$", page, re.M))
    assert count >= 2


def test_pins_are_within_the_guarantee(tmp_path):
    with Tenants(tmp_path) as running:
        running.keys["pinner"] = add(running.file, "pinner", "--kv-guaranteed", "8MiB")
        running.reload()
        for who, pinned in (("acme", False), ("pinner", True)):
            answer = running.complete(who, kv_policy={"pin": True, "ttl_seconds": 60})
            assert answer.status_code == 200, answer.text
            time.sleep(0.2)
            held = running.get(who, "/v1/cache").json()
            assert (held["tiers"]["ram"]["pinned_bytes"] > 0) == pinned, held
        assert running.get("pinner", "/v1/cache").json()["guaranteed_bytes"] > 7 << 20


def test_reload_purge_and_removal(tmp_path):
    with Tenants(tmp_path) as running:
        assert running.cached("acme") == 0 and running.cached("acme") > 100
        assert running.cached("beta") == 0
        tenant(running.file, "purge", "acme")
        running.reload()
        assert running.get("acme", "/v1/cache").json()["tiers"]["ram"]["idle_blocks"] == 0
        assert running.cached("acme") == 0 and running.cached("acme") > 100
        assert running.cached("beta") > 100  # nobody else's
        # A broken file changes nothing.
        good = running.file.read_text()
        running.file.write_text(good + "[[tenant]]\nname = 3\n")
        running.reload("stay as they were")
        assert running.cached("acme") > 100
        running.file.write_text(good.replace("[[tenant]]", "[[tenant]]\nkv_guaranteed = \"1TiB\"", 1))
        running.reload("stay as they were")
        assert "1099511627776" in running.server.log() or "guarantee" in running.server.log()
        running.file.write_text(good)
        # Who has gone is refused and leaves nothing; who comes is let in.
        running.keys["new"] = add(running.file, "new")
        assert running.get("new", "/v1/models").status_code == 401
        tenant(running.file, "rm", "beta")
        running.reload()
        assert running.get("new", "/v1/models").status_code == 200
        assert running.get("beta", "/v1/models").status_code == 401
        every = running.get("root", "/v1/cache").json()["tenants"]
        gone = next(one for one in every if one["tenant"] == "beta")
        assert gone["tiers"]["ram"]["idle_blocks"] == 0


def test_public_prefixes_are_everybodys_and_nothing_after_them(tmp_path):
    system = "You are a patient teacher who explains everything with giraffes. " * 6
    (tmp_path / "tenants.toml").write_text(
        f"[[public_prefix]]\ntext = {json.dumps(PROMPT)}\n\n"
        f"[[public_prefix]]\nmessages = [{{role = \"system\", content = {json.dumps(system)}}}]\n")
    with Tenants(tmp_path) as running:
        tail = "And so it went to the river and asked the hippopotamus. " * 4
        shared = running.cached("acme", PROMPT + tail)
        assert shared > 150
        assert running.cached("acme", PROMPT + tail) > shared
        assert running.cached("beta", PROMPT + tail) == shared
        assert running.cached("beta", PROMPT + tail, cache_salt="mine") == 0

        def chat(who):
            body = {"messages": [{"role": "system", "content": system},
                                 {"role": "user", "content": "Hello"}], "max_tokens": 2}
            answer = running.server.post("/v1/chat/completions", body, headers=running.headers(who))
            return answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert chat("acme") > 60 and chat("beta") > 60
        every = running.get("root", "/v1/cache").json()["tenants"]
        public = next(one for one in every if one["tenant"] == "public")
        assert public["tiers"]["ram"]["pinned_blocks"] > 10
        assert "public" not in running.get("acme", "/metrics").text
        tenant(running.file, "purge", "acme")
        running.reload()
        assert running.cached("acme", PROMPT + tail) == shared


def test_keys_let_other_machines_in(tmp_path):
    with Tenants(tmp_path, "--host", "0.0.0.0") as running:
        assert running.get("acme", "/v1/models").status_code == 200
        other_name = {"Host": "models.example.org", **running.headers("acme")}
        assert running.server.get("/v1/models", headers=other_name).status_code == 200
        assert running.server.get("/v1/models").status_code == 401


def test_nothing_sensitive_is_logged_or_counted(tenants):
    """Of a server that logs all it can."""
    words = "xylophone quetzalcoatl"
    answer = tenants.complete("acme", f"{words} {words} " * 20, cache_salt="pepperoni",
                              user="somebody").json()
    tenants.complete("acme", words, logit_bias={"999999": 1})
    tenants.server.chat(words)
    tenants.server.post("/v1/completions", {"prompt": words, words: 1, "temperature": 9},
                        headers=tenants.headers("acme"))
    tokens = tenants.server.post("/tokenize", {"content": words},
                                 headers=tenants.headers("acme")).json()["tokens"]
    shown = tenants.server.log() + tenants.get("root", "/metrics").text
    shown += tenants.get("root", "/v1/cache").text
    secrets = [*words.split(), "pepperoni", "somebody", answer["choices"][0]["text"].strip(),
               *tenants.keys.values(), *re.findall(r'"([0-9a-f]{64})"', tenants.file.read_text()),
               ", ".join(map(str, tokens[:3])), " ".join(map(str, tokens[:3])),
               next(path for path in [tenants.server.environment["XDG_CONFIG_HOME"]
                                      + "/quire/master.key"] if os.path.exists(path))]
    secrets[-1] = open(secrets[-1]).read().strip()
    for secret in secrets:
        assert not secret or len(secret) < 4 or secret not in shown, secret
    # A name of a block, or a hash of a key, has 32 bytes.
    assert not re.search(r"\b[0-9a-f]{64}\b", shown)


def test_master_key_is_made_once_and_guarded(tmp_path):
    key = tmp_path / "keys" / "master.key"
    with ServerProcess("--master-key-file", str(key)):
        first = key.read_text()
    assert oct(key.stat().st_mode & 0o777) == "0o600" and re.fullmatch(r"[0-9a-f]{64}\n", first)
    with ServerProcess("--master-key-file", str(key)):
        assert key.read_text() == first
    key.chmod(0o644)
    command = ServerProcess("--master-key-file", str(key)).command
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "chmod 600" in done.stderr and first.strip() not in done.stderr


def test_more_guaranteed_than_there_is(tmp_path):
    add(tmp_path / "t.toml", "acme", "--kv-guaranteed", "1GiB")
    command = ServerProcess("--tenants", str(tmp_path / "t.toml"), "--kv-memory", "64MiB").command
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "guarantee" in done.stderr, done.stderr


def test_policy_of_memory(server):
    for policy in ({"evict": True}, {"pin": 1}, {"ttl_seconds": -1}, {"pin": True, "no_store": True},
                   "pin"):
        refused = server.chat(kv_policy=policy)
        assert refused.status_code == 400, policy
        assert refused.json()["error"]["param"].startswith("kv_policy"), policy
    salt = json.dumps([time.time()])
    assert server.chat(PROMPT, cache_salt=salt, kv_policy={"pin": True, "ttl_seconds": 2}
                       ).status_code == 200
    time.sleep(0.1)
    assert server.metric("quire_kv_blocks", state="pinned") > 0
    end = time.monotonic() + 10
    while server.metric("quire_kv_blocks", state="pinned") > 0:
        assert time.monotonic() < end, "the pin outlives its time"
        server.chat("tick")
        time.sleep(0.2)
