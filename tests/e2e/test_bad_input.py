"""What a server on the network is given sooner or later. It refuses, and goes on serving."""
import json
import socket
import threading
import time

import httpx
import pytest

from server_process import raw_request, read_response

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}


def chat_with(**fields):
    return json.dumps(HELLO | fields)


BODIES = [
    ("empty", "", 400),
    ("broken", '{"messages": [', 400),
    ("not an object", "[1, 2]", 400),
    ("trailing text", '{"messages": []} x', 400),
    ("NaN", '{"temperature": NaN}', 400),
    ("Infinity", '{"temperature": Infinity}', 400),
    ("too large a number", '{"temperature": 1e999}', 400),
    ("no messages", "{}", 400),
    ("empty messages", chat_with(messages=[]), 400),
    ("messages no list", chat_with(messages="Hi"), 400),
    ("message no object", chat_with(messages=["Hi"]), 400),
    ("unknown role", chat_with(messages=[{"role": "king", "content": "Hi"}]), 400),
    ("content a number", chat_with(messages=[{"role": "user", "content": 5}]), 400),
    ("an image", chat_with(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), 400),
    ("wrong type", chat_with(temperature="hot"), 400),
    ("negative tokens", chat_with(max_tokens=-5), 400),
    ("zero tokens", chat_with(max_tokens=0), 400),
    ("huge tokens", chat_with(max_tokens=10**30), 400),
    ("many tokens", chat_with(max_tokens=10**7), 400),
    ("fractional tokens", chat_with(max_tokens=1.5), 400),
    ("huge n", chat_with(n=10**6), 400),
    ("huge temperature", chat_with(temperature=1e300), 400),
    ("negative top_p", chat_with(top_p=-1), 400),
    ("unknown model", chat_with(model="gpt-9"), 404),
    ("a tool without a name", chat_with(tools=[{"type": "function", "function": {"x": "f"}}]),
     400),
    ("over the context", chat_with(messages=[{"role": "user", "content": "word " * 9000}]), 400),
    ("invalid UTF-8", b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', 400),
    ("lone surrogate", '{"messages": [{"role": "user", "content": "\\ud800"}]}', 400),
    ("nested", '{"a": ' + "[" * 100000 + "]" * 100000 + "}", 400),
    ("many keys", "{" + ", ".join(f'"k{i}": 0' for i in range(200000)) + "}", 400),
    ("many values", '{"prompt": [' + "0," * 5000000 + "0]}", 400),
    ("nested and open", "[" * 1000000, 400),
]


@pytest.mark.parametrize("body, status", [case[1:] for case in BODIES],
                         ids=[case[0] for case in BODIES])
def test_body(server, body, status):
    answer = httpx.post(server.url + CHAT, content=body, timeout=30)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["message"] and error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}


def test_context_error_has_the_numbers(server):
    error = server.chat("word " * 9000).json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "8192" in error["message"]


def test_token_prompts_are_checked(server):
    for prompt in ([], [10**6], [-1], [[1], "x", [2.5]], ""):
        assert server.complete(prompt, max_tokens=1).status_code == 400, prompt
    assert server.post("/detokenize", {"tokens": [10**6]}).status_code == 400
    assert server.post("/tokenize", {"content": 5}).status_code == 400


def test_body_of_100_megabytes(server):
    body = b'{"messages": "' + b"x" * 100_000_000 + b'"}'
    answer = httpx.post(server.url + CHAT, content=body, timeout=60)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"

    def pieces():
        for _ in range(1600):
            yield b"x" * 65536
    answer = httpx.post(server.url + CHAT, content=pieces(), timeout=60)
    assert answer.status_code == 413


@pytest.mark.parametrize("text, status", [
    (b"nonsense\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/3.9\r\nHost: localhost\r\n\r\n", (400, 505)),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100000 + b"\r\n\r\n", (400, 431)),
    (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400),
    (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", (400, 501)),
    (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
    (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
     b"Content-Encoding: gzip\r\n\r\n{}", 415),
    (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: tea\r\n\r\n{}", 417),
    (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 404)),
])
def test_raw_http(server, text, status):
    with server.connect() as sock:
        sock.sendall(text)
        got, data = read_response(sock)
    assert got in (status if isinstance(status, tuple) else (status,)), data


def test_paths_and_methods(server):
    missing = server.get("/v1/nothing")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "not_found"
    wrong = server.get(CHAT)
    assert wrong.status_code == 405 and "POST" in wrong.headers["allow"]
    assert httpx.request("DELETE", server.url + "/health").status_code == 405
    options = httpx.options(server.url + CHAT)
    assert options.status_code == 204 and "POST" in options.headers["allow"]
    assert "access-control-allow-origin" not in options.headers
    head = httpx.head(server.url + "/health")
    assert head.status_code == 200 and head.text == "" and head.headers["content-length"] != "0"


def test_half_sent_requests(server):
    whole = raw_request(CHAT, json.dumps(HELLO))
    for cut in (1, 10, len(whole) // 2, len(whole) - 1):
        with server.connect() as sock:
            sock.sendall(whole[:cut])
    # Half of the body, then only the sending side is closed.
    with server.connect() as sock:
        sock.sendall(whole[:-5])
        sock.shutdown(socket.SHUT_WR)
        assert read_response(sock)[0] is None


def test_slow_headers_run_out_of_time(server):
    """One byte a second: the header must be complete within ten."""
    with server.connect(timeout=20) as sock:
        begin = time.monotonic()
        stop = threading.Event()

        def drip():
            for byte in b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 60:
                if stop.wait(1):
                    return
                try:
                    sock.send(bytes([byte]))
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        status, _ = read_response(sock)
        stop.set()
        dripping.join()
        assert status == 408
        assert time.monotonic() - begin < 15


def test_large_bodies_do_not_hold_up_small_ones(server):
    """Spaces are one word, the dearest thing to encode; /tokenize knows no limit but the body."""
    huge = " " * 4_000_000
    refused = server.complete(huge, max_tokens=1)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert "4000000 bytes" in refused.json()["error"]["message"]
    with server.connect() as first, server.connect() as second, server.connect() as third:
        for sock in (first, second, third):
            sock.sendall(raw_request("/tokenize", json.dumps({"content": huge})))
        time.sleep(0.2)
        begin = time.monotonic()
        assert server.post("/tokenize", {"content": "x"}).status_code == 200
        assert server.complete("Hi", max_tokens=1).status_code == 200
        assert time.monotonic() - begin < 1.5
    # They have gone: at most the one being encoded is in the way of the next large body.
    assert server.post("/tokenize", {"content": "a " * 150_000}).status_code == 200


def test_pages_of_strangers_are_kept_out(server):
    """A page whose name resolves to 127.0.0.1, and one that posts across origins."""
    def status(**headers):
        return server.post("/tokenize", {"content": "x"}, headers=headers).status_code
    assert status() == 200
    assert status(Host="localhost:1") == 200
    assert status(Origin="http://127.0.0.1:3000") == 200
    assert status(Host="evil.example") == 403
    assert status(Origin="https://evil.example") == 403
    refused = server.get("/health", headers={"Host": "evil.example:80"})
    assert refused.status_code == 403 and "--host" in refused.json()["error"]["message"]
