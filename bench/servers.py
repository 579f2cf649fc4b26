"""Servers that bench/concurrency.py measures, started anew for each case."""
import asyncio
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import traffic

START_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sum_of(scrape, name, **labels):
    """The sum over all series of a metric that carry these labels."""
    total = 0.0
    for found in re.finditer(rf"^{name}(?:\{{(.*)\}})? (\S+)$", scrape, re.M):
        series = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or ""))
        if all(series.get(key) == value for key, value in labels.items()):
            total += float(found[2])
    return total


class Server:
    """A process that serves the OpenAI API; `async with` starts and stops it."""

    def __init__(self, command):
        self.port = free_port()
        self.command = [*map(str, command), "--port", str(self.port)]

    async def __aenter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_SECONDS
        while (await traffic.ask(self.port, "/health")).status != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                raise RuntimeError(f"{self.command[0]} does not serve: "
                                   f"{self.log.read()[-500:].decode(errors='replace')}")
            await asyncio.sleep(0.02)
        # The first answer pays for pages that nobody touched yet.
        await self.complete(list(range(1000, 1064)), 4)
        return self

    async def __aexit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    async def complete(self, prompt, tokens, **more):
        return await traffic.complete(self.port, prompt, tokens, **more)


class Quire(Server):
    """`quire serve`; with `tenants`, a list of `quire tenant add` argument lists, keys[name]."""

    def __init__(self, binary, model, threads=2, flags=(), tenants=()):
        super().__init__([binary, "serve", model, "--threads", threads, "--disk", 0, *flags])
        self.keys = {}
        self.key = None  # of who may read all metrics
        if not tenants:
            return
        self.folder = tempfile.TemporaryDirectory()
        file = pathlib.Path(self.folder.name) / "tenants.toml"
        for name, *options in [*tenants, ["root", "--admin"]]:
            done = subprocess.run([binary, "tenant", "add", name, *options, "--tenants", file],
                                  capture_output=True, text=True, check=True)
            self.keys[name] = done.stdout.splitlines()[-1]
        self.key = self.keys["root"]
        self.command += ["--tenants", str(file)]

    async def complete(self, prompt, tokens, **more):
        return await super().complete(prompt, tokens, **({"key": self.key} | more))

    async def scrape(self):
        """/metrics as it is now, for sum_of."""
        return (await traffic.ask(self.port, "/metrics", key=self.key)).body["text"]

    async def metric(self, name, **labels):
        return sum_of(await self.scrape(), name, **labels)

    async def ended_early(self):
        """Requests whose client went away before their end, and which hold nothing any more."""
        return await self.metric("quire_requests_total", outcome="cancelled")


class Llama(Server):
    """llama.cpp's llama-server."""

    def __init__(self, binary, model, context=32768, slots=8):
        super().__init__([binary, "-m", model, "-c", context, "-np", slots, "-kvu", "-t", 2])

    async def busy_slots(self):
        answer = await traffic.ask(self.port, "/slots")
        return answer.body["text"].count('"is_processing":true')
