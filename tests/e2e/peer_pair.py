"""Two servers that hand sessions to each other, and a relay before each that sees every message."""
import http.server
import signal
import threading
import time

import httpx

from server_process import ServerProcess

FLAGS = ("--kv-memory", "128MiB", "--context", "2048")


class Relay:
    """Passes requests on to `target`; `on_message(action, phase)` may do something in between.

    Phase "before": the message was not yet passed on; "after": it was answered, and the answer was
    not yet passed back. Returning False drops it."""

    def __init__(self):
        self.target = None
        self.on_message = lambda action, phase: True
        self.actions = []
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                action = self.path.removeprefix("/v1/peer/")
                relay.actions.append(action)
                try:
                    if relay.on_message(action, "before") is False:
                        raise ConnectionError("dropped")
                    answer = httpx.request(
                        self.command, relay.target + self.path, content=body, timeout=60,
                        headers={"Content-Type": self.headers.get("Content-Type", "")})
                    if relay.on_message(action, "after") is False:
                        raise ConnectionError("dropped")
                except (httpx.TransportError, ConnectionError):
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.send_header("Content-Type", answer.headers.get("content-type", ""))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Node:
    """One of the two: a server that comes and goes over its folder."""

    def __init__(self, name, folder, master_key, secret, flags=()):
        self.name = name
        self.relay = Relay()
        self.flags = [*FLAGS, "--data", str(folder / name), "--master-key-file", str(master_key),
                      "--peer-name", name, "--peer-secret-file", str(secret), *flags]
        self.peers = []
        self.server = None

    @property
    def url(self):
        return self.server.url

    def knows(self, other):
        self.peers += ["--peer", f"{other.name}={other.relay.url}"]

    def start(self, *flags):
        self.server = ServerProcess(*self.flags, *self.peers, *flags).__enter__()
        self.relay.target = self.server.url
        return self.server

    def kill(self):
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait(timeout=20)

    def stop(self):
        if self.server is not None:
            self.server.__exit__(None, None, None)
        self.relay.close()

    def call(self, path, body=None, status=200, method="POST", **options):
        answer = httpx.request(method, self.url + "/v1/sessions" + path, json=body, timeout=60,
                               **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def show(self, session, tokens=False):
        """The session as this server sees it, or the status of its refusal."""
        answer = httpx.get(f"{self.url}/v1/sessions/{session}",
                           params={"tokens": "true"} if tokens else {}, timeout=60)
        return answer.json() if answer.status_code == 200 else answer.status_code

    def owns(self, session):
        shown = self.show(session)
        return isinstance(shown, dict) and shown["moved_to"] is None

    def settle(self, session, seconds=20):
        """Waits until this server knows whether the session is its own."""
        end = time.monotonic() + seconds
        while self.show(session) == 503:
            assert time.monotonic() < end, self.server.log()
            time.sleep(0.1)
        return self.owns(session)


def write_secret(path, text="0123456789abcdef" * 4, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


class Pair:
    def __init__(self, folder, other_key=False, other_secret=False, flags=((), ())):
        secret = write_secret(folder / "secret")
        second = write_secret(folder / "secret2", "f" * 64) if other_secret else secret
        self.a = Node("a", folder, folder / "key", secret, flags[0])
        self.b = Node("b", folder, folder / ("key2" if other_key else "key"), second, flags[1])
        self.a.knows(self.b)
        self.b.knows(self.a)

    def __enter__(self):
        self.a.start()
        self.b.start()
        return self

    def __exit__(self, *_):
        self.a.stop()
        self.b.stop()

    def on_message(self, hook):
        """`hook(action, phase)` of both relays; None: nothing happens any more."""
        for node in (self.a, self.b):
            node.relay.on_message = hook or (lambda action, phase: True)
            node.relay.actions.clear()
