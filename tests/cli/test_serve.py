"""quire serve: where settings come from, what is refused at start, and how it stops."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import tomllib
import urllib.request

import pytest
from conftest import BINARY, environment
from test_commands import refused


def configuration(result):
    """--print-config as {name: (value, origin)}; it is TOML."""
    assert result.returncode == 0, result.stderr
    out = result.stdout.decode()
    origins = {line.split(" = ")[0]: line.rsplit("  # ", 1)[1] for line in out.splitlines()}
    values = tomllib.loads(out)
    return {name: (values[name], origin) for name, origin in origins.items()}


def test_flag_beats_environment_beats_file_beats_default(quire, tmp_path):
    (tmp_path / "quire.toml").write_text(
        'port = 1\nthreads = 2\ncontext = 3\nkv-memory = "4MiB"\nalias = ["a\\"b"]\ntop-k = 3\n')
    found = configuration(quire("serve", "--print-config", "--port", 7,
                                env={"QUIRE_PORT": "8", "QUIRE_THREADS": "9"}))
    assert found["port"] == (7, "flag")
    assert found["threads"] == (9, "environment QUIRE_THREADS")
    assert found["context"] == (3, "file quire.toml")
    assert found["kv-memory"] == ("4MiB", "file quire.toml")
    assert found["alias"] == (['a"b'], "file quire.toml")
    assert found["host"] == ("127.0.0.1", "default")
    assert found["insecure"] == (False, "default")


def test_every_flag_has_a_value_and_an_origin(quire):
    found = configuration(quire("serve", "--print-config"))
    for line in quire("serve", "--help").stdout.decode().splitlines():
        name = line.split()[0].lstrip("-") if line.startswith("  --") else "config"
        assert name in found or name in ("config", "print-config"), name
    assert all(origin == "default" for _, origin in found.values())


def test_printed_configuration_is_a_file(quire, tmp_path):
    (tmp_path / "printed").write_bytes(
        quire("serve", "--print-config", "--insecure", "--alias", "x").stdout)
    found = configuration(quire("serve", "--print-config", env={"QUIRE_CONFIG": "printed"}))
    assert found["insecure"] == (True, "file printed") and found["alias"] == (["x"], "file printed")


@pytest.mark.parametrize("text, words", [
    ("port = 1\n\nbanana = 3\n", ["f.toml:3", "banana", "not a setting"]),
    ("port = true\n", ["f.toml:1", "port takes a number, not true or false"]),
    ("port = 70000\n", ["f.toml:1", "'70000'", "65535"]),
    ("\nhost = 5\n", ["f.toml:2", "host takes a text"]),
    ("insecure = 1\n", ["f.toml:1", "insecure takes true or false"]),
    ("threads = [1, 2]\n", ["f.toml:1", "not a list"]),
    ("alias = [1]\n", ["f.toml:1", "alias takes a list of texts"]),
    ("[port]\nx = 1\n", ["f.toml:1", "not a table"]),
    ("port = = 1\n", ["f.toml:1"]),
    ("config = 'g.toml'\n", ["f.toml:1", "config"]),
])
def test_wrong_files_are_refused_with_the_line(quire, tmp_path, text, words):
    (tmp_path / "f.toml").write_text(text)
    refused(quire("serve", "--config", "f.toml", "--print-config"), 2, *words)


def test_settings_that_cannot_be(quire, model):
    refused(quire("serve", "--config", "nope.toml", "--print-config"), 2, "nope.toml")
    refused(quire("serve", "--config", ".", "--print-config"), 2, "directory")
    refused(quire("serve", "--print-config", env={"QUIRE_INSECURE": "maybe"}), 2, "QUIRE_INSECURE")
    refused(quire("serve"), 2, "which model")
    for flags, words in [(["--port", "70000"], ["--port", "65535"]),
                         (["--max-body", "0"], ["--max-body", "1 KiB"]),
                         (["--host", "0.0.0.0"], ["no keys", "--insecure"]),
                         (["--host", "banana"], ["banana"]),
                         (["--kv-memory", "10KiB"], ["k16v8 = 275.6 KiB"]),
                         (["--context", "9000"], ["8192"])]:
        refused(quire("serve", model, "--port", 0, *flags) if flags[0] != "--port"
                else quire("serve", model, *flags), 2, *words)


def test_busy_port(quire, model):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        refused(quire("serve", model, "--port", port), 4, str(port), "in use")


def test_small_memory_is_said_at_start(serving):
    small = serving("--kv-memory", "8MiB", "--threads", "1")
    assert small.stop() == 0


def pinned_cores(process):
    """Of the threads of a process that may use one core alone: that core, ascending."""
    masks = [os.sched_getaffinity(int(thread.name))
             for thread in pathlib.Path(f"/proc/{process.pid}/task").iterdir()]
    return sorted(core for mask in masks if len(mask) == 1 for core in mask)


def test_workers_are_pinned_when_asked_and_nobody_else(serving):
    allowed = os.sched_getaffinity(0)
    count = min(2, len(allowed))
    pinned = serving("--kv-memory", "8MiB", "--threads", str(count), "--pin-threads")
    free = serving("--kv-memory", "8MiB", "--threads", str(count))
    body = json.dumps({"prompt": "x", "max_tokens": 1}).encode()
    request = urllib.request.Request(pinned.url + "/v1/completions", body,
                                     {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()  # so the engine's thread has begun
    cores = pinned_cores(pinned.process)
    assert set(cores) <= allowed
    if len(allowed) > 1:
        assert len(cores) == len(set(cores)) == count and pinned_cores(free.process) == []
    assert pinned.stop() == 0 and free.stop() == 0


def test_stops_while_loading(model, tmp_path):
    process = subprocess.Popen([BINARY, "serve", model, "--port", "0"], cwd=tmp_path,
                               env=environment(), stderr=subprocess.PIPE)
    time.sleep(0.15)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) in (0, -signal.SIGTERM)  # before or after it listens
    process.stderr.close()


def test_drains_and_a_second_signal_cuts(serving):
    one = serving()
    body = {"prompt": "a", "max_tokens": 8000, "ignore_eos": True, "stream": True}
    request = urllib.request.Request(one.url + "/v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    answer = urllib.request.urlopen(request, timeout=30)
    answer.readline()
    one.process.send_signal(signal.SIGINT)
    for _ in range(20):
        assert answer.readline()  # goes on while it drains
    assert one.process.poll() is None
    begin = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - begin < 3
    answer.close()


def with_few_threads(limit, *command):
    """A command under a limit on processes, which does not hold for root."""
    nobody = ["setpriv", "--reuid=64321", "--inh-caps=-all,+dac_override",
              "--ambient-caps=-all,+dac_override"] if os.geteuid() == 0 else []
    return [*nobody, "prlimit", f"--nproc={limit}", *map(str, command)]


@pytest.mark.parametrize("limit", [1, 3, 9])
def test_too_few_threads_are_a_sentence_not_a_crash(model, limit):
    for command in (["serve", model, "--port", "0", "--threads", "12"],
                    ["run", model, "-p", "a", "-n", "1", "--threads", "12"]):
        done = subprocess.run(with_few_threads(limit, BINARY, *command), capture_output=True,
                              text=True, timeout=60, env=environment())
        assert done.returncode == 1, done.stderr
        assert "limit on processes" in done.stderr and "--threads" in done.stderr
