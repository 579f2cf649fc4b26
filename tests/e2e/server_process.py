"""A running `quire serve` and the ways tests talk to it."""
import atexit
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import httpx
import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = tempfile.mkdtemp(prefix="quire_cache_")  # of all servers of a run
atexit.register(shutil.rmtree, CACHE, True)


def find_model():
    given = os.environ.get("QUIRE_MODEL")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    places = [pathlib.Path(given)] if given else [
        ROOT / "models" / "smollm2-135m.gguf", cache / "quire" / "models" / "smollm2-135m.gguf"]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"no model at {places}; tools/fetch_model smollm2-135m fetches it")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerProcess:
    def __init__(self, *flags, wait=True, model=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.wait = wait
        self.log_file = tempfile.NamedTemporaryFile(suffix=".log")
        binary = os.environ.get("QUIRE_BINARY", str(ROOT / "build" / "release" / "quire"))
        home = tempfile.mkdtemp()
        self.command = [binary, "serve", str(model or find_model()), "--port", str(self.port),
                        *flags]
        # Without --disk nothing outlives a server, so that tests do not see what others left.
        self.environment = dict(os.environ, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home,
                                XDG_CACHE_HOME=CACHE, QUIRE_DISK="0")

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment,
                                        stdout=self.log_file, stderr=subprocess.STDOUT)
        if self.wait:
            self.wait_ready()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log_file.close()

    def log(self):
        return pathlib.Path(self.log_file.name).read_text(errors="replace")

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            try:
                if self.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError(self.log())

    def openai(self, **options):
        settings = dict(base_url=self.url + "/v1", api_key="none", max_retries=0, timeout=60)
        return openai.OpenAI(**(settings | options))

    def get(self, path, **options):
        return httpx.get(self.url + path, timeout=10, **options)

    def post(self, path, json=None, **options):
        return httpx.post(self.url + path, json=json, timeout=60, **options)

    def chat(self, content="Hello", **fields):
        body = {"messages": [{"role": "user", "content": content}], "max_tokens": 8, **fields}
        return self.post("/v1/chat/completions", body)

    def complete(self, prompt, **fields):
        return self.post("/v1/completions", {"prompt": prompt, **fields})

    def connect(self, timeout=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def metric(self, name, **labels):
        """The sum over all series of a metric that carry these labels."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            found = re.match(r"^([\w:]+)(?:\{(.*)\})? (\S+)$", line)
            if not found or found[1] != name:
                continue
            series = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
            if all(series.get(key) == value for key, value in labels.items()):
                total += float(found[3])
        return total

    def live_blocks(self):
        return self.metric("quire_kv_blocks", state="live")

    def wait_until_free(self, seconds):
        """Waits until no block is live; returns how long it took."""
        begin = time.monotonic()
        while self.live_blocks() > 0:
            assert time.monotonic() - begin < seconds, "blocks stay live"
            time.sleep(0.005)
        return time.monotonic() - begin

    def wait_until_busy(self, seconds=10):
        end = time.monotonic() + seconds
        while self.live_blocks() == 0:
            assert time.monotonic() < end, "nothing runs"
            time.sleep(0.005)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raw_request(path, body, extra=""):
    """An HTTP request as bytes."""
    data = body if isinstance(body, bytes) else body.encode()
    head = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n{extra}\r\n")
    return head.encode() + data


def read_response(sock):
    """Status and everything that follows it, until one whole response is there or the end."""
    data = b""
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if separator and length and len(rest) >= int(length[1]):
            break
        if separator and b"chunked" in head.lower() and rest.endswith(b"0\r\n\r\n"):
            break
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return (int(data.split(b" ")[1]) if data else None), data
