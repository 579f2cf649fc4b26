"""A real Prometheus that scrapes real servers: every panel has data, and every alert fires.

Rules and panels are those of deploy/, but minutes are seconds there: what happens in them is
brought about. The servers read tiny texts with a real model.
"""
import asyncio
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import httpx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from server_process import ServerProcess, free_port  # noqa: E402
from test_levers import lever  # noqa: E402
from test_tenants import add  # noqa: E402

RULES = ROOT / "deploy" / "prometheus" / "quire-alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "quire-dashboard.json"
PATIENCE = 240
LARGE, SMALL = "19MiB", "1MiB"  # KV of a tenant
# A step for each token of a prompt.
SLOW = lever("slow", "chunk_tokens = 1", guardrail='metric = "first_token_ms"',
             rollback="ratio = 1.3, at_least = 4")


def hurried(rules):
    """The same rules, minutes being seconds and a bit more: a scrape comes once a second."""
    def shorter(found):
        return f"{found[1]}{max(2, int(found[2]))}s"

    rules = re.sub(r"(for: )(\d+)m", shorter, rules)
    return re.sub(r"(\[)(\d+)m", lambda found: f"{found[1]}{2 * int(found[2])}s", rules)


class Prometheus:
    def __init__(self, folder, targets):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "rules.yml").write_text(hurried(RULES.read_text()))
        jobs = "".join(
            f"      - targets: ['127.0.0.1:{server.port}']\n" for server, _ in targets)
        (folder / "key").write_text(next(key for _, key in targets if key))
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            "rule_files: [rules.yml]\nscrape_configs:\n  - job_name: quire\n"
            f"    authorization: {{credentials_file: {folder}/key}}\n"
            f"    static_configs:\n{jobs}")

    def __enter__(self):
        self.log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml",
             f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
             "--enable-feature=exemplar-storage"], stdout=self.log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def get(self, path, **query):
        try:
            answer = httpx.get(self.url + path, params=query, timeout=10)
        except httpx.TransportError:
            return None  # it is starting
        return answer.json()["data"] if answer.status_code == 200 else None

    def value_of(self, query):
        data = self.get("/api/v1/query", query=query)
        return data["result"] if data else []

    def firing(self):
        data = self.get("/api/v1/alerts")
        return {alert["labels"]["alertname"] for alert in data["alerts"]
                if alert["state"] == "firing"} if data else set()


class Situation:
    """Two servers to which all happens that somebody wants to be woken for."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.disk_data = folder / "disk"
        file = folder / "tenants.toml"
        self.key = add(file, "root", "--admin")
        self.file = file
        self.small = add(file, "small", "--tokens-per-minute", "20")
        self.shrunk = add(file, "shrunk", "--kv-limit", LARGE)
        levers = folder / "levers.toml"
        levers.write_text(SLOW)
        self.busy = ServerProcess(
            "--tenants", str(file), "--data", str(self.data), "--kv-memory", "20MiB",
            "--max-sequences", "3", "--queue-limit", "24", "--levers", str(levers))
        nobody = f"http://127.0.0.1:{free_port()}/v1/traces"
        self.disk = ServerProcess("--data", str(self.disk_data), "--kv-memory", "16MiB",
                                  "--disk", "256MiB", "--levers", str(levers),
                                  "--trace-to", nobody, "--trace-sample", "1")
        self.over = False

    def __enter__(self):
        self.busy.__enter__()
        self.disk.__enter__()
        return self

    def __exit__(self, *_):
        self.busy.__exit__()
        self.disk.__exit__()

    async def ask(self, client, server, prompt, key=None, route="", **fields):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers["X-Quire-Route"] = route
        try:
            answer = await client.post(server.url + "/v1/completions", headers=headers,
                                       json={"prompt": prompt, "ignore_eos": True} | fields)
            return answer.status_code
        except httpx.TransportError:
            return 0

    async def repeat(self, act):
        while not self.over:
            await act()
            await asyncio.sleep(0.05)

    def crowd(self, client):
        """More than run and wait; those that run outgrow the memory."""
        def one(text):
            return lambda: self.ask(client, self.busy, [text] * 300, self.key, max_tokens=400)
        return [self.repeat(one(200 + i)) for i in range(20)]

    def refused(self, client):
        async def one():
            await self.ask(client, self.busy, [60] * 3000, self.key, max_tokens=1)
            await self.ask(client, self.busy, "a b c d e f g", self.small, max_tokens=30)
        return [self.repeat(one)]

    def forgotten(self, client):
        """Three texts of which memory holds two, in turns, on the server with a disk that fails."""
        turn = [0]

        async def one():
            turn[0] += 1
            await self.ask(client, self.disk, [100 + turn[0] % 3] * 700, max_tokens=2)
        return [self.repeat(one)]

    def tried(self, client):
        """A lever that does harm, on the server whose ledger is whole."""
        turn = [0]

        async def one():
            turn[0] += 1
            await self.ask(client, self.disk, [200 + turn[0]] + [70] * 200, max_tokens=1,
                           route=f"slow-{turn[0] % 40}")
        return [self.repeat(one)]

    async def harm(self):
        """The ledger's file is a folder; the disk gives back other bits, and then takes nothing."""
        await asyncio.sleep(4)
        for end in ("", "-wal", "-shm"):
            (self.data / f"ledger.db{end}").unlink(missing_ok=True)
        (self.data / "ledger.db").mkdir()
        folder = next(self.disk_data.rglob("*.kvseg")).parent
        for segment in folder.glob("*.kvseg"):
            data = bytearray(segment.read_bytes())
            for at in range(20_000, len(data), 9_000):
                data[at] ^= 1
            with segment.open("r+b") as file:
                file.write(data)
        await asyncio.sleep(6)
        shutil.rmtree(folder)
        folder.write_text("no folder")

    def shrinking(self, client):
        """What was let in and waits is more than its tenant may have, from one moment to the next."""
        def become(old, new):
            self.file.write_text(self.file.read_text().replace(old, new))
            self.busy.process.send_signal(signal.SIGHUP)

        async def one():
            waiting = asyncio.ensure_future(
                self.ask(client, self.busy, [90] * 500, self.shrunk, max_tokens=1))
            await asyncio.sleep(0.5)
            become(LARGE, SMALL)
            await waiting
            become(SMALL, LARGE)
            await asyncio.sleep(0.5)
        return [self.repeat(one)]

    async def happen(self, done):
        """Until `done` or PATIENCE is over."""
        end = time.monotonic() + PATIENCE
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            works = [asyncio.ensure_future(work) for work in (
                *self.crowd(client), *self.refused(client), *self.forgotten(client),
                *self.shrinking(client), *self.tried(client), self.harm())]
            while time.monotonic() < end and not await asyncio.to_thread(done):
                await asyncio.sleep(0.3)
            self.over = True
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)


def panels():
    def walk(panels):
        for panel in panels:
            for target in panel.get("targets", []):
                yield panel["title"], target["expr"]
            yield from walk(panel.get("panels", []))
    return [(title, expression.replace("$__rate_interval", "20s").replace("$instance", ".*"))
            for title, expression in walk(json.loads(DASHBOARD.read_text())["panels"])]


def is_data(result):
    return any(sample["value"][1] != "NaN" for sample in result)


def test_every_panel_has_data_and_every_alert_fires(tmp_path):
    wanted = set(re.findall(r"alert: (\w+)", RULES.read_text())) - {"QuireDown"}
    fired, shown = set(), set()
    with Situation(tmp_path) as situation, \
            Prometheus(tmp_path, [(situation.busy, situation.key), (situation.disk, "")]) as watcher:
        def done():
            fired.update(watcher.firing())
            for title, expression in panels():
                if (title, expression) not in shown and is_data(watcher.value_of(expression)):
                    shown.add((title, expression))
            return wanted <= fired and len(shown) == len(panels())

        asyncio.run(situation.happen(done))
        assert [panel for panel in panels() if panel not in shown] == []
        assert wanted - fired == set()
        exemplars = watcher.get("/api/v1/query_exemplars",
                                query="quire_time_to_first_token_seconds_bucket",
                                start=time.time() - 300, end=time.time())
        assert any(one["labels"]["request_id"] for series in exemplars
                   for one in series["exemplars"])
        situation.busy.process.kill()
        end = time.monotonic() + 30
        while "QuireDown" not in watcher.firing():
            assert time.monotonic() < end, "nobody is told that a server is gone"
            time.sleep(0.3)


@pytest.mark.parametrize("rule, wanted", [("for: 5m", "for: 5s"), ("x[15m]", "x[30s]"),
                                          ("for: 1m", "for: 2s")])
def test_minutes_become_seconds(rule, wanted):
    assert hurried(rule) == wanted
