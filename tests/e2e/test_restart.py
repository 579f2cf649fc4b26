"""What one server has computed, the next one finds on disk: the same bits, and nobody else's."""
import math
import pathlib
import signal
import subprocess
import time

import pytest

from server_process import ServerProcess
from test_tenants import Tenants, add, tenant

LONG = ("Sing, O goddess, the anger of Achilles son of Peleus, that brought countless ills upon the "
        "Achaeans. Many a brave soul did it send hurrying down to Hades. ") * 12
MARK = "Xylographer Quizzaciously"


def start(data, *flags):
    """Servers of one home: the same master key, the same data."""
    server = ServerProcess("--data", str(data / "data"), "--disk", "1GiB", "--master-key-file",
                           str(data / "master.key"), *flags)
    return server.__enter__()


def stop(server, how=signal.SIGTERM):
    server.process.send_signal(how)
    server.process.wait(timeout=20)
    server.__exit__(None, None, None)


def ask(server, prompt=LONG, **fields):
    body = dict(temperature=0, max_tokens=8, return_logit_hash=True) | fields
    answer = server.complete(prompt, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_until_written(server):
    """Until nothing more comes to the disk: what is not yet written a SIGKILL takes away."""
    server.wait_until_free(seconds=5)
    written = -1
    for _ in range(100):
        before, written = written, server.metric("quire_tier_write_bytes_total")
        if written == before and written > 0:
            return
        time.sleep(0.2)
    raise AssertionError(server.log())


def segments(data):
    return sorted((data / "data" / "kv").glob("*.kvseg"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("encryption,page_cache", [("on", "on"), ("off", "on"), ("on", "off")])
def test_a_restart_reads_nothing_twice(tmp_path, how, encryption, page_cache):
    flags = "--disk-encryption", encryption, "--disk-page-cache", page_cache
    first = start(tmp_path, *flags)
    cold = ask(first)
    assert "KV on disk" in first.log()
    prompt = cold["usage"]["prompt_tokens"]
    if how == signal.SIGKILL:
        wait_until_written(first)
    stop(first, how)
    second = start(tmp_path, *flags)
    warm = ask(second)
    from_memory = second.metric("quire_tier_page_cache_bytes_total")
    assert (from_memory > 0) == (page_cache == "on")
    assert ("past the page cache" in second.log()) == (page_cache == "off")
    stop(second)
    assert warm["quire"]["logit_hash"] == cold["quire"]["logit_hash"]
    assert warm["choices"][0]["text"] == cold["choices"][0]["text"]
    cached = warm["quire"]["cached_tokens"]
    assert cached["disk"] >= prompt - 17
    assert warm["quire"]["onboard_ms"] > 0
    assert warm["usage"]["prompt_tokens_details"]["cached_tokens"] == sum(cached.values())


def test_what_is_in_memory_is_not_read_from_disk(tmp_path):
    server = start(tmp_path)
    ask(server)
    again = ask(server)["quire"]["cached_tokens"]
    assert again["ram"] > 0 and again["disk"] == 0
    stop(server)


def test_what_memory_lost_comes_back_from_disk(tmp_path):
    server = start(tmp_path, "--kv-memory", "16MiB")
    first = ask(server)
    for i in range(4):  # each more than half of the memory
        ask(server, f"{i} {LONG}")
    again = ask(server)
    assert again["quire"]["cached_tokens"]["disk"] > 0
    assert again["quire"]["logit_hash"] == first["quire"]["logit_hash"]
    assert server.metric("quire_tier_read_bytes_total") > 0
    assert server.metric("quire_kv_bytes", tier="disk") > 0
    assert server.metric("quire_tier_errors_total") == 0
    stop(server)


def test_damage_costs_hits_and_nothing_else(tmp_path):
    server = start(tmp_path)
    cold = ask(server)
    stop(server)
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    for at in range(30_000, len(data) - 8192, 70_000):
        data[at] ^= 4
    path.write_bytes(data)
    server = start(tmp_path)
    again = ask(server)
    assert again["quire"]["logit_hash"] == cold["quire"]["logit_hash"]
    assert server.metric("quire_tier_errors_total", reason="corrupt") > 0
    assert server.metric("quire_prefix_miss_total", reason="corrupt") > 0
    stop(server)


def test_the_folder_may_be_deleted_under_a_running_server(tmp_path):
    server = start(tmp_path)
    cold = ask(server)
    subprocess.run(["rm", "-rf", str(tmp_path / "data")], check=True)
    for i in range(3):
        ask(server, f"{i} {LONG}")
    assert ask(server)["quire"]["logit_hash"] == cold["quire"]["logit_hash"]
    stop(server)


def test_two_servers_do_not_share_a_folder(tmp_path):
    server = start(tmp_path)
    second = ServerProcess("--data", str(tmp_path / "data"), "--master-key-file",
                           str(tmp_path / "master.key"), "--disk", "1GiB", wait=False)
    with second:
        assert second.process.wait(timeout=30) != 0
        assert f"in use by process {server.process.pid}" in second.log(), second.log()
    stop(server)


def entropy(data):
    counts = [data.count(bytes([value])) for value in range(256)]
    return -sum(n / len(data) * math.log2(n / len(data)) for n in counts if n)


def test_a_stolen_folder_tells_nothing(tmp_path):
    server = start(tmp_path)
    prompt = MARK + " " + LONG
    ask(server, prompt)
    tokens = server.post("/tokenize", {"prompt": prompt})
    stop(server)
    data = b"".join(path.read_bytes() for path in segments(tmp_path))
    key = bytes.fromhex((tmp_path / "master.key").read_text().strip())
    for secret in [MARK.encode(), b"goddess", key, (tmp_path / "master.key").read_bytes()[:64]]:
        assert secret not in data
    if tokens.status_code == 200:
        ids = tokens.json().get("tokens", [])[16:20]
        assert b"".join(one.to_bytes(4, "little") for one in ids) not in data
    middle = data[len(data) // 2:len(data) // 2 + 262_144]
    assert entropy(middle) > 7.9, "the payload looks like noise"


def test_another_tenant_and_another_key_find_nothing(tmp_path):
    flags = ("--data", str(tmp_path / "data"), "--disk", "1GiB", "--master-key-file",
             str(tmp_path / "master.key"))
    (tmp_path / "tenants").mkdir()
    with Tenants(tmp_path / "tenants", *flags) as tenants:
        assert tenants.cached("acme") == 0
        keys, file = tenants.keys, tenants.file
        tenants.server.process.send_signal(signal.SIGTERM)
        tenants.server.process.wait(timeout=20)
    server = ServerProcess("--tenants", str(file), *flags)
    with server:
        def disk(who):
            answer = server.post("/v1/completions", {"prompt": LONG, "max_tokens": 1},
                                 headers={"Authorization": f"Bearer {keys[who]}"})
            return answer.json()["quire"]["cached_tokens"]["disk"]

        from test_tenants import PROMPT

        def asked(who):
            answer = server.post("/v1/completions", {"prompt": PROMPT, "max_tokens": 1},
                                 headers={"Authorization": f"Bearer {keys[who]}"})
            return answer.json()["quire"]["cached_tokens"]

        assert sum(asked("beta").values()) == 0
        assert asked("acme")["disk"] > 0
        seen = server.get("/v1/cache", headers={"Authorization": f"Bearer {keys['beta']}"}).json()
        assert seen["tenant"] == "beta"
        tenant(file, "purge", "acme")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(200):
            if "was read again" in server.log():
                break
            server.get("/health")
        assert sum(asked("acme").values()) == 0
        assert disk("acme") == 0
    for database in (tmp_path / "data").glob("sessions.db*"):
        database.unlink()  # another key's sessions are refused at start; its KV is only not found
    other = ServerProcess("--data", str(tmp_path / "data"), "--disk", "1GiB", "--master-key-file",
                          str(tmp_path / "other.key"), "--tenants", str(file))
    with other:
        answer = other.post("/v1/completions", {"prompt": PROMPT, "max_tokens": 1},
                            headers={"Authorization": f"Bearer {keys['beta']}"})
        assert sum(answer.json()["quire"]["cached_tokens"].values()) == 0


def test_no_disk_leaves_no_file(tmp_path):
    server = ServerProcess("--data", str(tmp_path / "data"), "--disk", "0")
    with server:
        ask(server)
        assert "KV on disk" not in server.log()
    assert not pathlib.Path(tmp_path / "data" / "kv").exists()
