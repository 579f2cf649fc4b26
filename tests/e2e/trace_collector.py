"""A collector of traces: takes OTLP/JSON over HTTP, as well or as badly as a test wants."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`answer(number of the post) -> (status, headers)` decides; by default all is well."""

    def __init__(self, port=None, answer=None, hold=None):
        self.posts = []  # parsed bodies of those that were answered with 200
        self.tries = 0
        self.problems = []
        self.answer = answer or (lambda number: (200, {}))
        self.hold = hold  # an event to wait for before answering
        self.lock = threading.Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector.lock:
                    collector.tries += 1
                    number = collector.tries
                if collector.hold is not None:
                    collector.hold.wait(60)
                status, headers = collector.answer(number)
                if status == 200:
                    collector.take(self.path, self.headers, body)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")
                except OSError:
                    pass  # the server has given up

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port or 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        if self.hold is not None:
            self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    def take(self, path, headers, body):
        try:
            assert path == "/v1/traces" and headers["Content-Type"] == "application/json"
            parsed = json.loads(body)
            json_format.ParseDict(parsed, ExportTraceServiceRequest())
        except Exception as problem:  # told by the test, not by a thread
            self.problems.append(problem)
            return
        with self.lock:
            self.posts.append(parsed)

    def spans(self):
        with self.lock:
            return [span for post in self.posts for resource in post["resourceSpans"]
                    for scope in resource["scopeSpans"] for span in scope["spans"]]

    def traces(self):
        """By request id: the spans of its trace, the request's own first."""
        assert not self.problems, self.problems
        found = {}
        for root in self.spans():
            if root["kind"] != 2:
                continue
            members = [span for span in self.spans() if span["traceId"] == root["traceId"]
                       and is_below(span, root, self.spans())]
            found[attributes(root)["quire.request_id"]] = [root] + members
        return found

    def wait_for(self, request_id, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if trace := self.traces().get(request_id):
                return trace
            time.sleep(0.02)
        raise AssertionError(f"no trace of {request_id}: {sorted(self.traces())}")


def is_below(span, root, spans):
    by_id = {one["spanId"]: one for one in spans}
    while parent := span.get("parentSpanId"):
        if parent == root["spanId"]:
            return True
        span = by_id.get(parent, {})
    return False


def attributes(span):
    def value(typed):
        (kind, plain), = typed.items()
        return int(plain) if kind == "intValue" else plain

    return {one["key"]: value(one["value"]) for one in span["attributes"]}
