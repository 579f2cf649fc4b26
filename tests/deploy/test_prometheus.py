"""Debian's Prometheus scrapes a real server: every panel has data, every alert fires when it should.

The alerts are run with their own expressions and thresholds, but with shorter times, so that a
situation of seconds is enough; promtool checks the file as it is.
"""
import json
import pathlib
import re
import subprocess
import threading
import time

import httpx
import pytest

from server_process import ServerProcess, free_port

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "quire-alerts.yml"
PROMPT = "Once upon a time there was a dashboard on which every panel had something to show. " * 6


def hurried(rules):
    """The same rules, for situations that last some seconds."""
    rules = re.sub(r"\[\d+m\]", "[20s]", rules)
    return re.sub(r"for: \d+m", "for: 0s", rules)


class Prometheus:
    """Scrapes servers every half second."""

    def __init__(self, folder, ports):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(exist_ok=True)
        (folder / "rules.yml").write_text(hurried(RULES.read_text()))
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 500ms, evaluation_interval: 500ms}\n"
            "rule_files: [rules.yml]\n"
            "scrape_configs:\n  - job_name: quire\n"
            f"    static_configs: [{{targets: [{targets}]}}]\n")
        self.command = ["prometheus", f"--config.file={folder}/prometheus.yml",
                        f"--storage.tsdb.path={folder}/tsdb",
                        f"--web.listen-address=127.0.0.1:{self.port}",
                        "--enable-feature=exemplar-storage"]
        self.log = open(folder / "log", "w")

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if httpx.get(self.url + "/-/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise TimeoutError(pathlib.Path(self.log.name).read_text())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()

    def api(self, path, **query):
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=20)
        assert answer.status_code == 200, (answer.text, query)
        return answer.json()["data"]

    def query(self, text):
        return self.api("query", query=text)["result"]

    def wait_for_alert(self, name, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            firing = {alert["labels"]["alertname"] for alert in self.api("alerts")["alerts"]
                      if alert["state"] == "firing"}
            if name in firing:
                return
            time.sleep(0.25)
        raise AssertionError(f"{name} does not fire")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A server with some work behind it, and who watches it."""
    data = tmp_path_factory.mktemp("data")
    with ServerProcess("--data", str(data), "--disk", "256MiB", "--kv-memory", "32MiB",
                       "--queue-limit", "1", "--max-sequences", "2") as server:
        with Prometheus(tmp_path_factory.mktemp("prometheus"), [server.port]) as prometheus:
            for i in range(6):
                server.complete(PROMPT + str(i % 3), max_tokens=4)
                time.sleep(0.5)
            server.post("/v1/sessions", {"id": "s"})
            yield server, prometheus


def panels():
    board = json.loads((DEPLOY / "grafana" / "quire-dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")


def test_rules_and_configuration_are_valid():
    for what, file in (("rules", RULES), ("config", DEPLOY / "prometheus" / "prometheus.yml")):
        done = subprocess.run(["promtool", "check", what, str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_alert_fires_in_time_and_not_before():
    cases = pathlib.Path(__file__).parent / "alerts_test.yml"
    done = subprocess.run(["promtool", "test", "rules", cases.name], cwd=cases.parent,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    assert sorted(alerts) == sorted(re.findall(r"name: (\w+)", cases.read_text()))


def test_the_scrape_is_openmetrics_and_valid(watched):
    server, prometheus = watched
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    answer = server.get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    target = prometheus.api("targets")["activeTargets"][0]
    assert target["health"] == "up" and target["lastError"] == ""
    checked = subprocess.run(["promtool", "check", "metrics"], input=server.get("/metrics").text,
                             capture_output=True, text=True)
    assert checked.returncode in (0, 3), checked.stderr  # 3: only matters of style
    assert "error" not in checked.stderr.lower().replace("quire_tier_errors", "")


@pytest.mark.parametrize("expression", panels())
def test_every_panel_has_data(watched, expression):
    _, prometheus = watched
    expression = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
    assert "$" not in expression
    end = time.monotonic() + 20
    while not (result := prometheus.query(expression)):
        assert time.monotonic() < end, expression
        time.sleep(0.5)
    assert all(value["value"][1] != "NaN" for value in result) or "histogram" in expression


def test_exemplars_lead_to_the_ledger(watched):
    server, prometheus = watched
    found = []
    end = time.monotonic() + 20
    while not found:
        assert time.monotonic() < end
        found = prometheus.api("query_exemplars", query="quire_time_to_first_token_seconds_bucket",
                               start=time.time() - 300, end=time.time())
        time.sleep(0.25)
    request_id = found[0]["exemplars"][-1]["labels"]["request_id"]
    rows = server.get("/v1/ledger", params={"request_id": request_id}).json()["rows"]
    assert rows and abs(rows[0]["ms"]["first_token"] / 1000
                        - float(found[0]["exemplars"][-1]["value"])) < 1e-3


def test_every_name_of_the_interface_is_there(watched):
    server, _ = watched
    text = server.get("/metrics").text
    for name in """quire_requests_total quire_request_queue_seconds quire_time_to_first_token_seconds
            quire_time_per_output_token_seconds quire_inter_token_seconds quire_prompt_tokens_total
            quire_generated_tokens_total quire_kv_blocks quire_kv_bytes quire_kv_evictions_total
            quire_prefix_miss_total quire_requests_running quire_requests_waiting
            quire_preemptions_total quire_rejections_total quire_step_seconds quire_step_tokens
            quire_tier_read_bytes_total quire_tier_write_bytes_total quire_tier_errors_total
            quire_sessions quire_build_info quire_kv_bytes_per_request
            quire_kv_allocation_failures_total quire_kv_contiguous_run_blocks""".split():
        assert f"# TYPE {name} " in text, name
    for source in ("computed", "ram", "disk", "remote"):
        assert f'source="{source}"' in text
    for state in ("free", "live", "idle", "pinned"):
        assert f'quire_kv_blocks{{state="{state}"}}' in text


# --- alerts: one situation each --------------------------------------------------------------------

def flood(server, count=12, **fields):
    """More requests at once than may run and wait."""
    body = {"prompt": PROMPT, "max_tokens": 64, "ignore_eos": True, **fields}
    threads = [threading.Thread(target=server.post, args=("/v1/completions", body))
               for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_refusals_are_told(watched):
    server, prometheus = watched
    for thread in flood(server):
        thread.join()
    prometheus.wait_for_alert("QuireRefusesForLoad")
    assert server.complete("a " * 3000, max_tokens=4000).status_code == 413
    prometheus.wait_for_alert("QuireRefusesForSize")


def test_what_is_evicted_and_wanted_again_is_told(watched):
    server, prometheus = watched
    end = time.monotonic() + 60
    while not any(alert["labels"]["alertname"] == "QuireForgetsWhatIsAskedFor"
                  for alert in prometheus.api("alerts")["alerts"]):
        assert time.monotonic() < end
        for i in range(14):
            server.complete([100 + i] * 1400, max_tokens=1)


def test_preemptions_are_told(watched):
    server, prometheus = watched
    threads = flood(server, 2, prompt=[7] * 700, max_tokens=800)
    prometheus.wait_for_alert("QuirePreempts")
    for thread in threads:
        thread.join()


def test_a_ledger_and_a_disk_that_fail_are_told(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "ledger.db").mkdir()
    with ServerProcess("--data", str(data), "--disk", "64MiB") as server:
        with Prometheus(tmp_path / "prometheus", [server.port]) as prometheus:
            time.sleep(1)  # the first scrape is what an increase is from
            for _ in range(4):
                server.complete("Hi", max_tokens=1)
            prometheus.wait_for_alert("QuireLedgerLosesRows")
            server.process.kill()
            prometheus.wait_for_alert("QuireDown")


def test_quota_is_told(tmp_path):
    from test_tenants import add
    file = tmp_path / "tenants.toml"
    keys = {"root": add(file, "root", "--admin"),
            "small": add(file, "small", "--tokens-per-minute", "60")}
    with ServerProcess("--tenants", str(file)) as server:
        with Prometheus(tmp_path / "prometheus", [server.port]) as prometheus:
            config = tmp_path / "prometheus" / "prometheus.yml"
            config.write_text(config.read_text() + "    authorization: {credentials: %s}\n"
                              % keys["root"])
            prometheus.process.send_signal(1)
            time.sleep(2)
            for _ in range(4):
                server.post("/v1/completions", {"prompt": PROMPT, "max_tokens": 4},
                            headers={"Authorization": f"Bearer {keys['small']}"})
            prometheus.wait_for_alert("QuireQuotaUsedUp")
