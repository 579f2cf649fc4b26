"""Traces of requests: whole, joined to the client's own, and never in the way of serving."""
import json
import re
import threading
import time

import pytest

from server_process import ServerProcess, free_port, raw_request, read_response
from test_restart import LONG, ask, start, stop
from trace_collector import Collector, attributes

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
PROMPT = "Once upon a time there was a trace that knew where all the time had gone. " * 12
FORM = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])$")


def complete(server, request_id, prompt="Hi", headers=None, **fields):
    answer = server.post("/v1/completions", {"prompt": prompt, "max_tokens": 4, **fields},
                         headers={"X-Request-Id": request_id, **(headers or {})})
    return answer


def names(trace):
    return sorted({span["name"] for span in trace[1:]})


@pytest.fixture(scope="module")
def collector():
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector, tmp_path_factory):
    data = tmp_path_factory.mktemp("traced")
    with ServerProcess("--trace-to", collector.url, "--trace-sample", "1", "--data", str(data),
                       "--kv-memory", "64MiB") as running:
        yield running


def ledger_row(server, request_id):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        rows = server.get("/v1/ledger", params={"request_id": request_id}).json()["rows"]
        if rows:
            return rows[0]
        time.sleep(0.02)
    raise AssertionError(f"no row of {request_id}")


def check_tree(trace):
    """Every span lies in the one above it, and that is there."""
    by_id = {span["spanId"]: span for span in trace}
    assert len(by_id) == len(trace)
    for span in trace:
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert isinstance(span["startTimeUnixNano"], str)
        if span is trace[0]:
            continue
        above = by_id[span["parentSpanId"]]
        assert int(span["startTimeUnixNano"]) >= int(above["startTimeUnixNano"]) - 1000
        assert int(span["endTimeUnixNano"]) <= int(above["endTimeUnixNano"]) + 1000


def milliseconds(trace, name):
    return sum(int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
               for span in trace if span["name"] == name) / 1e6


def test_a_trace_is_what_the_ledger_says(traced, collector):
    answer = complete(traced, "whole", PROMPT, max_tokens=20,
                      metadata={"route": "tale", "version": "7"})
    told = FORM.match(answer.headers["traceparent"])
    trace = collector.wait_for("whole")
    row = ledger_row(traced, "whole")
    check_tree(trace)
    assert names(trace) == ["chunk", "decode", "prefill", "queue"]
    root = trace[0]
    assert (told[1], told[2], told[3]) == (root["traceId"], root["spanId"], "1")
    assert "parentSpanId" not in root and root["name"] == "completions"
    assert abs(int(root["startTimeUnixNano"]) / 1e6 - row["started_ms"]) < 1000
    facts = attributes(root)
    for part in ("prompt", "ram", "disk", "remote", "computed", "generated"):
        assert facts[f"quire.tokens.{part}"] == row["tokens"][part]
    assert (facts["quire.tenant"], facts["quire.route"], facts["quire.version"]) == (
        "default", "tale", "7")
    assert facts["quire.outcome"] == row["outcome"]
    assert facts["http.response.status_code"] == 200
    for part in ("queue", "prefill", "decode"):
        assert milliseconds(trace, part) == pytest.approx(row["ms"][part], abs=1)
    assert milliseconds(trace, "completions") == pytest.approx(row["ms"]["total"], abs=1)
    chunks = [span for span in trace if span["name"] == "chunk"]
    assert sum(attributes(span)["quire.tokens.computed"] for span in chunks) == (
        row["tokens"]["computed"])


def test_nothing_of_a_prompt_or_an_answer_is_told(traced, collector):
    secret = "xylophone-quetzal"
    complete(traced, "secret", f"The word is {secret}. Say it: {secret}. Again:",
             max_tokens=12, headers={"X-Quire-Session": "private-name"})
    collector.wait_for("secret")
    text = json.dumps(collector.posts)
    assert secret not in text and "private-name" not in text
    for span in collector.wait_for("secret"):
        assert {"tokens", "prompt", "text", "name"}.isdisjoint(attributes(span))


@pytest.mark.parametrize("body, path", [
    ({"messages": [{"role": "user", "content": "Hi"}], "stream": True}, "chat/completions"),
    ({"input": "Hi"}, "responses"),
    ({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}, "messages"),
])
def test_all_apis_are_traced_and_joined(traced, collector, body, path):
    name = "joined-" + path.replace("/", "-")
    limit = {"max_output_tokens": 3} if path == "responses" else {"max_tokens": 3}
    answer = traced.post(f"/v1/{path}", {**body, **limit}, headers={
        "X-Request-Id": name, "traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert answer.status_code == 200, answer.text
    told = FORM.match(answer.headers["traceparent"])
    trace = collector.wait_for(name)
    check_tree(trace)
    assert (trace[0]["traceId"], trace[0]["parentSpanId"]) == (TRACE, PARENT)
    assert (told[1], told[2]) == (TRACE, trace[0]["spanId"])
    assert trace[0]["name"] == path


def test_sessions_are_traced(traced, collector):
    assert traced.post("/v1/sessions", {"id": "traced"}).status_code == 201
    for action, body in (("append", {"text": "Hello, "}), ("generate", {"max_tokens": 2})):
        answer = traced.post(f"/v1/sessions/traced/{action}", body, headers={
            "X-Request-Id": f"session-{action}", "traceparent": f"00-{TRACE}-{PARENT}-01"})
        assert answer.status_code == 200, answer.text
        assert FORM.match(answer.headers["traceparent"])[1] == TRACE
        trace = collector.wait_for(f"session-{action}")
        check_tree(trace)
        assert trace[0]["name"] == f"sessions/{action}"


def test_the_client_may_say_no(traced, collector):
    answer = complete(traced, "unsampled", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert FORM.match(answer.headers["traceparent"])[3] == "0"
    complete(traced, "after")
    collector.wait_for("after")
    time.sleep(1)
    assert "unsampled" not in collector.traces()


def test_refusals_are_traced(traced, collector):
    answer = complete(traced, "refused", temperature="hot")
    assert answer.status_code == 400
    trace = collector.wait_for("refused")
    assert len(trace) == 1
    facts = attributes(trace[0])
    assert facts["quire.outcome"] == "refused" and facts["http.response.status_code"] == 400
    assert FORM.match(answer.headers["traceparent"])


def test_what_comes_from_the_disk_is_told(collector, tmp_path):
    first = start(tmp_path, "--trace-to", collector.url)
    ask(first)
    stop(first)
    second = start(tmp_path, "--trace-to", collector.url)
    assert complete(second, "from-disk", LONG).json()["quire"]["cached_tokens"]["disk"] > 0
    row = ledger_row(second, "from-disk")
    trace = collector.wait_for("from-disk")
    stop(second)
    check_tree(trace)
    reading, = (span for span in trace if span["name"] == "onboard")
    assert attributes(reading)["quire.tokens.disk"] == row["tokens"]["disk"]
    assert attributes(trace[0])["quire.tokens.disk"] == row["tokens"]["disk"]
    assert milliseconds(trace, "onboard") == pytest.approx(row["ms"]["onboard"], abs=1)


@pytest.mark.parametrize("header", [
    "", "x", "00", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01",
    f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-x",
    f"00-{TRACE}-{PARENT}-0", f"00-{TRACE}-{PARENT}-01" + "0" * 4000, "00-" + "-" * 52,
    "\"'<script>", "é" * 55, f"00_{TRACE}_{PARENT}_01"])
def test_a_hostile_header_begins_a_new_trace(traced, header):
    head = b"traceparent: " + header.encode() + b"\r\n"
    with traced.connect() as sock:
        sock.sendall(raw_request("/v1/completions", '{"prompt": "Hi", "max_tokens": 1}')
                     .replace(b"Content-Type", head + b"Content-Type", 1))
        status, data = read_response(sock)
    assert status == 200, data
    told = FORM.match(re.search(rb"\r\ntraceparent: (\S+)\r\n", data)[1].decode())
    assert told and told[1] != TRACE


def test_two_headers_are_none(traced):
    twice = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n" * 2
    with traced.connect() as sock:
        sock.sendall(raw_request("/v1/completions", '{"prompt": "Hi", "max_tokens": 1}', twice))
        status, data = read_response(sock)
    assert status == 200 and TRACE.encode() not in data


def test_a_share_of_nothing_is_nothing(collector, own_server):
    server = own_server("--trace-to", collector.url, "--trace-sample", "0", "--ledger-disk", "0")
    answer = complete(server, "zero")
    assert FORM.match(answer.headers["traceparent"])[3] == "0"
    complete(server, "asked-for", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    collector.wait_for("asked-for")
    assert "zero" not in collector.traces()
    wait_for_metric(server, "sent", 1)
    assert server.metric("quire_traces_total", result="sent") == 1


def test_off_by_default(own_server):
    server = own_server()
    answer = complete(server, "off", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert answer.status_code == 200 and "traceparent" not in answer.headers
    assert "quire_traces" not in server.get("/metrics").text


def test_choices_and_prompts_are_told(traced, collector):
    complete(traced, "many", ["One", "Two", "Three"], n=2, temperature=1)
    trace = collector.wait_for("many")
    check_tree(trace)
    assert len([span for span in trace if span["name"] == "prefill"]) == 3


def test_preemptions_are_told(collector, own_server):
    server = own_server("--trace-to", collector.url, "--kv-memory", "6MiB")
    def ask(i):
        complete(server, f"tight-{i}", f"Number {i}. " + PROMPT[:400], max_tokens=150,
                 ignore_eos=True)
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    preempted = 0
    for i in range(6):
        trace = collector.wait_for(f"tight-{i}")
        check_tree(trace)
        told = [span for span in trace if span["name"] == "preempted"]
        assert len(told) <= attributes(trace[0])["quire.preemptions"], "two between steps are one"
        preempted += len(told)
    assert preempted > 0


def serve_some(server, count=5):
    begin = time.monotonic()
    for i in range(count):
        assert complete(server, f"some-{i}").status_code == 200
    return time.monotonic() - begin


def wait_for_metric(server, result, least, seconds=40):
    end = time.monotonic() + seconds
    while server.metric("quire_traces_total", result=result) < least:
        assert time.monotonic() < end, server.get("/metrics").text
        time.sleep(0.05)


def test_no_collector_is_no_matter(own_server):
    server = own_server("--trace-to", f"http://127.0.0.1:{free_port()}/v1/traces")
    serve_some(server)
    wait_for_metric(server, "dropped", 1)
    assert server.metric("quire_traces_total", reason="unreachable") >= 1
    assert server.metric("quire_traces_total", result="sent") == 0
    assert server.log().count("traces: the collector does not take them") == 1


def test_a_silent_collector_is_no_matter(own_server):
    with Collector(hold=threading.Event()) as silent:
        server = own_server("--trace-to", silent.url)
        serve_some(server)
        end = time.monotonic() + 20
        while silent.tries == 0:
            assert time.monotonic() < end
            time.sleep(0.02)
        serve_some(server, 10)
        while server.metric("quire_traces_queued") < 10:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert server.metric("quire_traces_total") == 0, "they wait"
        silent.hold.set()
        wait_for_metric(server, "sent", 15)


@pytest.mark.parametrize("status, result", [(400, "dropped"), (500, "dropped")])
def test_a_failing_collector_is_no_matter(own_server, status, result):
    with Collector(answer=lambda number: (status, {})) as failing:
        server = own_server("--trace-to", failing.url)
        serve_some(server)
        wait_for_metric(server, result, 5)
        assert server.metric("quire_traces_total", reason="refused") == 5


def test_a_busy_collector_is_asked_again(own_server):
    busy = {1: (429, {"Retry-After": "1"}), 2: (503, {})}
    with Collector(answer=lambda number: busy.get(number, (200, {}))) as collector:
        server = own_server("--trace-to", collector.url)
        begin = time.monotonic()
        complete(server, "patience")
        collector.wait_for("patience")
        assert time.monotonic() - begin >= 1
        assert collector.tries == 3
        wait_for_metric(server, "sent", 1)
        assert server.metric("quire_traces_total", result="dropped") == 0


def test_the_last_traces_are_sent_at_the_end():
    with Collector() as collector:
        with ServerProcess("--trace-to", collector.url) as server:
            complete(server, "last")
        collector.wait_for("last")


@pytest.mark.parametrize("flags", [
    ("--trace-to", "localhost:4318"), ("--trace-to", "file:///tmp/x"),
    ("--trace-to", "http://user:secret@localhost"), ("--trace-sample", "2"),
    ("--trace-sample", "-0.1"), ("--trace-sample", "nan"), ("--trace-sample", "some")])
def test_flags_that_cannot_work_are_refused(flags):
    with ServerProcess(*flags, wait=False) as server:
        assert server.process.wait(timeout=30) == 2, server.log()
        assert flags[0].removeprefix("--") in server.log()
