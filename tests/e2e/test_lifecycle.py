"""Loading, refusing, overload and the end."""
import concurrent.futures
import json
import signal
import subprocess
import threading
import time

import httpx
import openai
import pytest

from server_process import ServerProcess, raw_request, read_response


def test_pages(server):
    home = server.get("/")
    assert "<title>Quire" in home.text and home.headers["content-type"].startswith("text/html")
    assert "http" not in home.text  # nothing from elsewhere
    version = server.get("/version").json()
    assert version["version"] and version["numerics_version"] >= 1 and version["instruction_set"]
    assert server.get("/health").json() == {"status": "ok"}


def test_metrics(server):
    server.chat()
    page = server.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for name in ("quire_kv_blocks", "quire_requests_total", "quire_prompt_tokens_total",
                 "quire_time_to_first_token_seconds_bucket", "quire_build_info"):
        assert name in page.text, name
    total = sum(server.metric("quire_kv_blocks", state=state)
                for state in ("free", "live", "idle", "pinned"))
    assert total > 0
    for state in ("used", "reserved", "waste"):
        assert server.metric("quire_kv_tokens", state=state) >= 0
    vllm = server.get("/metrics?names=vllm").text
    assert 'vllm:num_requests_running{model_name="smollm2-135m"' in vllm
    assert "vllm:kv_cache_usage_perc" in vllm and "quire_" not in vllm


def test_health_says_loading_first():
    with ServerProcess(wait=False) as server:
        states = set()
        end = time.monotonic() + 60
        while time.monotonic() < end and 200 not in states:
            try:
                answer = server.get("/health")
            except httpx.TransportError:
                continue
            states.add(answer.status_code)
            if answer.status_code == 503:
                early = server.chat()
                assert early.status_code in (200, 503)
                if early.status_code == 503:
                    assert early.headers["retry-after"]
                    assert early.json()["error"]["type"] == "server_error"
        assert 200 in states


def test_address_in_use_is_exit_4(server):
    command = ServerProcess().command
    command[command.index("--port") + 1] = str(server.port)
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 4 and b"in use" in done.stderr


def test_other_machines_are_not_let_in_by_accident():
    command = ServerProcess("--host", "0.0.0.0").command
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 2 and b"--insecure" in done.stderr


def test_overload_and_never_fits(own_server):
    server = own_server("--max-sequences", "1", "--queue-limit", "2", "--kv-memory", "16MiB")
    body = {"prompt": "Once", "max_tokens": 150, "ignore_eos": True}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post("/v1/completions", body), range(8)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200 and codes[-1] == 429
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "overloaded"
    with pytest.raises(openai.RateLimitError):
        raise openai.RateLimitError("", response=refused, body=None)
    never = server.complete("word " * 3000, max_tokens=1)
    assert never.status_code == 413 and never.json()["error"]["code"] == "never_fits"
    assert server.chat().status_code == 200


def test_what_an_idle_server_has_room_for_is_never_overloaded(own_server):
    server = own_server("--max-sequences", "2", "--queue-limit", "1")
    body = {"prompt": ["a", "b", "c"], "max_tokens": 2}
    assert server.post("/v1/completions", body).status_code == 200
    assert server.post("/v1/completions", {"prompt": "a", "n": 4, "max_tokens": 2}).status_code == 200
    refused = server.post("/v1/completions", body | {"prompt": ["a", "b", "c", "d"]})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "prompt"


def test_sigterm_lets_answers_finish(own_server):
    server = own_server("--drain-seconds", "30")
    got = {}

    def stream():
        body = {"prompt": "Once", "max_tokens": 150, "ignore_eos": True, "stream": True}
        with httpx.stream("POST", server.url + "/v1/completions", json=body, timeout=60) as answer:
            got["text"] = answer.read().decode()

    running = threading.Thread(target=stream)
    running.start()
    server.wait_until_busy()
    half = server.connect()
    half.sendall(raw_request("/v1/completions", "{}")[:-1])
    idle = server.connect()
    time.sleep(0.2)
    server.process.send_signal(signal.SIGTERM)
    assert idle.recv(10) == b""  # closed at once
    assert half.recv(10) == b""
    time.sleep(0.1)
    if running.is_alive():
        assert server.get("/health").status_code == 503
        assert server.complete("x").status_code == 503
    running.join()
    assert got["text"].endswith("data: [DONE]\n\n")
    assert server.process.wait(timeout=10) == 0


def test_sigterm_cuts_what_takes_too_long(own_server):
    server = own_server("--drain-seconds", "1")
    with server.connect(timeout=30) as streaming, server.connect(timeout=30) as whole:
        body = {"prompt": "Once", "max_tokens": 8000, "ignore_eos": True}
        streaming.sendall(raw_request("/v1/completions", json.dumps(body | {"stream": True})))
        whole.sendall(raw_request("/v1/completions", json.dumps(body)))
        server.wait_until_busy()
        time.sleep(0.2)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        _, events = read_response(streaming)
        status, _ = read_response(whole)
        assert b"shutting down" in events and b"[DONE]" not in events
        assert status == 503
        assert server.process.wait(timeout=10) == 0
        assert 0.9 < time.monotonic() - begin < 5
