"""quire chat: on a terminal and through pipes, with a model of its own and against a server."""
import http.server
import json
import re
import threading
import time

import pytest
from conftest import BINARY, environment
from terminal import Terminal

FOOTER = r"\[(\d+) cached \+ (\d+) computed in \d+ ms, (\d+) generated at [\d.]+ ms each\]"


@pytest.fixture
def open_chat(tmp_path):
    opened = []

    def start(*flags, **env):
        opened.append(Terminal([BINARY, "chat", *map(str, flags)], tmp_path, environment(**env)))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(params=["model", "server"])
def backend(request, model, server):
    """The two ways to chat, which must look the same."""
    return [model] if request.param == "model" else ["--server", server.url]


def test_conversation(open_chat, backend, tmp_path):
    chat = open_chat(*backend, "--temperature", 0, "--max-tokens", 4)
    chat.expect(r"— /help for help")
    chat.expect("> ")
    # With a server another test may have asked this before: then it is cached already.
    chat.line("What is the capital of France?")
    first = chat.expect(FOOTER)
    assert int(first[3]) == 4
    chat.line("And of Italy?")
    assert int(chat.expect(FOOTER)[1]) >= 32  # the first turn is not read again
    chat.line("/tokens")
    chat.expect(FOOTER)
    chat.line("/help")
    chat.expect("/switch N")
    chat.line("/save talk.json")
    chat.expect("saved to talk.json")
    saved = json.loads((tmp_path / "talk.json").read_text())["messages"]
    assert [one["role"] for one in saved] == ["user", "assistant"] * 2
    assert saved[2]["content"] == "And of Italy?" and saved[1]["content"]
    chat.line("/save /nowhere/talk.json")
    chat.expect("cannot write /nowhere/talk.json")
    chat.line("/nonsense")
    chat.expect("no such command")
    chat.line("/quit")
    assert chat.wait() == 0


def test_forks_and_switches(open_chat, model, tmp_path):
    chat = open_chat(model, "--temperature", 0, "--max-tokens", 4, "--system", "Be brief.")
    chat.expect("> ")
    chat.line("Hi")
    chat.expect(FOOTER)
    chat.line("/fork")
    chat.expect("conversation 2")
    chat.expect("2> ")
    chat.line("And you?")
    assert int(chat.expect(FOOTER)[1]) > 0
    chat.line("/switch 1")
    chat.expect(r"conversation 1, 3 messages")
    for wrong in ("3", "0", "-1", "x", ""):
        chat.line(f"/switch {wrong}".rstrip())
        chat.expect("there are conversations 1 to 2")
    chat.line("/switch 2")
    chat.expect("conversation 2, 5 messages")
    chat.line("/clear")
    chat.expect("forgotten")
    chat.line("/save f.json")
    chat.expect("saved")
    assert json.loads((tmp_path / "f.json").read_text())["messages"] == [
        {"role": "system", "content": "Be brief."}]
    chat.type("\x04")  # Ctrl-D
    assert chat.wait() == 0


def test_leaves_at_what_is_typed_during_an_answer(open_chat, model):
    chat = open_chat(model, "--temperature", 0, "--max-tokens", 64)
    chat.expect("> ")
    chat.line("Count to one hundred.")
    chat.expect(r"\n\S")  # it answers
    chat.type("\x04")
    chat.expect(FOOTER)
    assert chat.wait() == 0


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_edits_utf8(open_chat, model, tmp_path, locale):
    """A backspace takes a whole character, also where the environment names no character set."""
    chat = open_chat(model, "--temperature", 0, "--max-tokens", 1, LC_ALL=locale)
    chat.expect("> ")
    chat.type("é\x7fab漢\x7f\x1b[D\x1b[Dü\n")  # typed, erased, typed, erased, two to the left
    chat.expect(FOOTER)
    chat.line("/save e.json")
    chat.expect("saved")
    assert json.loads((tmp_path / "e.json").read_text())["messages"][0]["content"] == "üab"


def test_lines_go_on_after_a_backslash(open_chat, model, tmp_path):
    chat = open_chat(model, "--temperature", 0, "--max-tokens", 1)
    chat.expect("> ")
    chat.line("one\\")
    chat.expect("… ")
    chat.line("two")
    chat.expect(FOOTER)
    chat.line("/save l.json")
    chat.expect("saved")
    assert json.loads((tmp_path / "l.json").read_text())["messages"][0]["content"] == "one\ntwo"


def test_ctrl_c_stops_an_answer_and_clears_a_line(open_chat, backend):
    chat = open_chat(*backend, "--temperature", 0)
    chat.expect("> ")
    chat.line("Count from one to a thousand, one number in each line.")
    chat.expect(r"\d[^>]{20}")
    chat.type("\x03")
    chat.expect("stopped")
    chat.expect("\n> ")
    for typed in ("half a line\x03", "\x03", "\x03\x03\x03"):
        chat.type(typed)
        chat.expect("\n> ")
    chat.line("/tokens")
    chat.expect(r"cached \+" if backend[0] != "--server" else "no answer yet")
    chat.line("/quit")
    assert chat.wait() == 0


def test_ctrl_c_stops_a_long_read(open_chat, model, tmp_path):
    """Also before the first token: a long prompt takes a while to be read."""
    chat = open_chat(model, "--temperature", 0, "--threads", 1, "--system", "word " * 6000)
    chat.expect("> ")
    chat.line("Hi")
    chat.expect(r"Hi\s*\n")
    time.sleep(0.3)  # what is pressed before the line was taken clears the line
    chat.type("\x03")
    chat.expect("stopped")
    chat.line("/save s.json")
    chat.expect("saved")
    roles = [one["role"] for one in json.loads((tmp_path / "s.json").read_text())["messages"]]
    assert roles in (["system"], ["system", "user", "assistant"])


def test_colours_only_where_wanted(open_chat, quire, model):
    dim = "\x1b[2m"
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)):
        chat = open_chat(model, "--temperature", 0, "--max-tokens", 1, **env)
        chat.expect("> ")
        chat.line("Hi")
        chat.expect(FOOTER)
        assert (dim in chat.raw) == coloured
    assert b"\x1b" not in quire("chat", model, "--max-tokens", 1, stdin=b"hi\n").stdout


def test_pipes(quire, model):
    result = quire("chat", model, "--temperature", 0, "--max-tokens", 8,
                   stdin=b"What is the capital of France?\nAnd of Italy?\n/quit\n")
    assert result.returncode == 0
    footers = re.findall(FOOTER, result.stdout.decode())
    assert len(footers) == 2 and footers[0][0] == "0" and int(footers[1][0]) > 0
    bad = quire("chat", model, "--max-tokens", 1, stdin=b"a\xff\n")
    assert bad.returncode == 1 and b"UTF-8" in bad.stderr
    full = quire("chat", model, "--context", 32, stdin=b"word " * 64)
    assert full.returncode == 1 and b"/clear starts a new one" in full.stderr


def test_users_cannot_write_control_tokens(quire, model):
    """Words that look like control tokens are many tokens, not one each."""
    def computed(text):
        out = quire("chat", model, "--max-tokens", 1, stdin=text + b"\n").stdout.decode()
        return int(re.search(FOOTER, out)[2])

    assert computed(b"<|im_end|>" * 8) > computed(b"a") + 30


def test_servers_that_are_not_there(quire, free_port):
    def fails(url, code, word):
        result = quire("chat", "--server", url, stdin=b"hi\n")
        assert result.returncode == code and word in result.stderr.decode(), result.stderr

    fails(f"http://127.0.0.1:{free_port}", 1, "no server at")
    fails("ftp://127.0.0.1", 2, "http://host:port")
    fails("http://no such", 2, "http://host:port")


def test_server_errors_are_shown(quire, serving):
    small = serving("--context", "64")
    result = quire("chat", "--server", small.url + "/v1/", stdin=b"word " * 100)
    assert result.returncode == 1
    assert "400" in result.stderr.decode() and "64 tokens" in result.stderr.decode()


class OtherServer(http.server.BaseHTTPRequestHandler):
    """Someone else's server: pretty-printed errors, no `quire` object, a failure mid-stream."""

    def do_GET(self):
        self.reply(200, "application/json", b'{"data": [{"id": "other"}]}')

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["model"] == "other"
        question = body["messages"][-1]["content"]
        if question == "key?":
            error = {"error": {"message": f"key {self.headers['Authorization']} is unknown"}}
            return self.reply(401, "application/json", json.dumps(error, indent=2).encode())
        events = [{"choices": [{"delta": {"content": "Hel\x1b[2Jlo"}}]}]
        events += [{"error": {"message": "out of luck"}}] if question == "fail" else []
        lines = "".join(f"data:{json.dumps(one)}\r\n\r\n" for one in events) + "data: [DONE]\n\n"
        self.reply(200, "text/event-stream", lines.encode())

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def other_server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as serving_one:
        threading.Thread(target=serving_one.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving_one.server_port}"
        serving_one.shutdown()


def test_other_servers(quire, other_server, open_chat):
    ask = lambda text, **env: quire("chat", "--server", other_server, stdin=text, env=env)
    fine = ask(b"hi\n")
    assert fine.returncode == 0 and b"other at http" in fine.stdout and b"lo\n" in fine.stdout
    failed = ask(b"fail\n")
    assert failed.returncode == 1 and b"out of luck" in failed.stderr
    denied = ask(b"key?\n", OPENAI_API_KEY="abc")
    assert b"401" in denied.stderr and b"key Bearer abc is unknown" in denied.stderr
    chat = open_chat("--server", other_server)  # a terminal is not steered by an answer
    chat.expect("> ")
    chat.line("hi")
    chat.expect("Hel")
    chat.expect(r"\[2Jlo")
    assert "Hel\x1b" not in chat.raw
