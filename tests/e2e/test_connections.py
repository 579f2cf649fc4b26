"""Connections: kept, piped, many, silent, and gone."""
import json
import socket
import struct
import time

import httpx
import pytest

from server_process import raw_request, read_response

CHAT = "/v1/chat/completions"
LONG_ANSWER = {"prompt": "Once upon a time", "max_tokens": 2000, "ignore_eos": True,
               "temperature": 0}
LONG_PROMPT = {"prompt": "word " * 6000, "max_tokens": 5}


def test_keep_alive_and_request_ids(server):
    with httpx.Client(base_url=server.url) as client:
        for i in range(20):
            answer = client.get("/health", headers={"X-Request-Id": f"mine-{i}"})
            assert answer.headers["x-request-id"] == f"mine-{i}"
            assert answer.headers["connection"] == "keep-alive"
    hostile = httpx.get(server.url + "/health", headers={"X-Request-Id": "a\"b"})
    assert hostile.headers["x-request-id"].startswith("req-")
    body = server.post(CHAT, {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1},
                       headers={"X-Request-Id": "mine"}).json()
    assert body["quire"]["request_id"] == "mine"


def test_connection_close_and_http_1_0(server):
    with server.connect() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := sock.recv(4096):
            data += piece
        assert b"Connection: close" in data
    body = json.dumps({"prompt": "Hi", "max_tokens": 3, "stream": True, "ignore_eos": True})
    with server.connect() as sock:
        sock.sendall(raw_request("/v1/completions", body).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        data = b""
        while piece := sock.recv(4096):
            data += piece
        assert b"chunked" not in data and data.endswith(b"data: [DONE]\n\n")


def test_pipelining(server):
    with server.connect() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
                     + b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert data.count(b"HTTP/1.1 200 OK") == 2001
    assert b"numerics_version" in data[-200:]


def test_pipelined_behind_a_generation(server):
    one = raw_request("/v1/completions", json.dumps({"prompt": "Hi", "max_tokens": 5}))
    with server.connect() as sock:
        sock.sendall(one * 3 + raw_request("/tokenize", '{"content": "x"}', "Connection: close\r\n"))
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert data.count(b'"object":"text_completion"') == 3 and b'{"tokens":[' in data


def test_expect_continue_and_chunked_bodies(server):
    body = b'{"content": "Hello"}'
    with server.connect() as sock:
        sock.sendall(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body))
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(body)
        assert read_response(sock)[0] == 200

    def pieces():
        for byte in body:
            yield bytes([byte])
    assert httpx.post(server.url + "/tokenize", content=pieces()).json()["tokens"]


def test_a_thousand_connections(server):
    sockets = [server.connect() for _ in range(1000)]
    try:
        for sock in sockets:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for sock in sockets:
            assert read_response(sock)[0] == 200
        assert server.chat().status_code == 200
        assert server.metric("quire_connections") >= 1000
    finally:
        for sock in sockets:
            sock.close()


def leave_rudely(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()  # a reset


@pytest.mark.parametrize("leave", [socket.socket.close, leave_rudely], ids=["fin", "reset"])
@pytest.mark.parametrize("body, phase", [
    (LONG_ANSWER, "decoding"), (LONG_ANSWER | {"stream": True}, "decoding"),
    (LONG_PROMPT, "reading the prompt"), (LONG_PROMPT | {"stream": True}, "reading the prompt"),
    (LONG_ANSWER | {"n": 4}, "several choices"),
], ids=["whole", "stream", "prefill", "prefill-stream", "n4"])
def test_a_client_that_leaves_frees_its_blocks(server, leave, body, phase):
    """Within 0.2 s; other work on the machine may spoil a measurement, so the best of five."""
    before = server.metric("quire_answers_total", outcome="cancelled")
    taken = []
    while len(taken) < 5 and min(taken, default=9) > 0.25:
        sock = server.connect()
        # A fresh salt, so that there is a prompt to be read each time.
        salted = body | {"cache_salt": f"{phase} {len(taken)} {time.time()}"}
        sock.sendall(raw_request("/v1/completions", json.dumps(salted)))
        server.wait_until_busy()
        time.sleep(0.3)
        leave(sock)
        taken.append(server.wait_until_free(seconds=5))
    assert min(taken) <= 0.25, (phase, taken)  # with the time of asking
    assert server.metric("quire_answers_total", outcome="cancelled") == before + len(taken)


def test_leaving_at_every_moment(server):
    request = raw_request("/v1/completions", json.dumps(
        {"prompt": "Once upon a time", "max_tokens": 30, "stream": True, "ignore_eos": True}))
    for milliseconds in range(0, 200, 10):
        sock = server.connect()
        sock.sendall(request)
        time.sleep(milliseconds / 1000)
        leave_rudely(sock) if milliseconds % 20 else sock.close()
    server.wait_until_free(seconds=5)


def test_a_reader_that_stalls_is_told_why(server):
    """The shared server runs with --stall-seconds 2."""
    body = LONG_ANSWER | {"stream": True, "logprobs": 20, "max_tokens": 4000}
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(30)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(raw_request("/v1/completions", json.dumps(body)))
        server.wait_until_busy()
        before = server.metric("quire_answers_total", outcome="stalled")
        server.wait_until_free(seconds=25)
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert b"--stall-seconds" in data[-600:] and b'"code":"stalled"' in data[-600:]
    assert b"rate_limit" not in data[-600:] and b"[DONE]" not in data
    assert server.metric("quire_answers_total", outcome="stalled") == before + 1


def test_streams_are_sent_token_by_token(server):
    """The first piece must be there long before the last."""
    times = []
    with httpx.stream("POST", server.url + "/v1/completions", timeout=60,
                      json=LONG_ANSWER | {"stream": True, "max_tokens": 60}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                times.append(time.monotonic())
    assert len(times) >= 30
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert max(gaps) < 0.8 * (times[-1] - times[0])


def test_an_idle_server_sleeps(server):
    server.chat()
    time.sleep(0.5)
    before, begin = server.cpu_seconds(), time.monotonic()
    time.sleep(3)
    used = (server.cpu_seconds() - before) / (time.monotonic() - begin)
    assert used < 0.01, f"{used:.1%} of a core"
