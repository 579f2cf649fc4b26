"""Levers: changes tried on a share of the traffic, compared in the ledger, and taken back."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from server_process import ServerProcess
from test_ledger import row_of
from test_tenants import Tenants

WORDS = "one two three four five six seven eight nine ten eleven twelve "


def lever(name, change, **fields):
    """A lever of levers.toml; routes that begin with its name are what it concerns."""
    routes = [f"{name}-{i}" for i in range(40)]
    said = {"owner": "Ann", "share": 0.5, "by": "route", "routes": routes,
            "relieves": "what it relieves", "creates": "what it creates"} | fields
    guardrail = said.pop("guardrail", 'metric = "computed_tokens"')
    rollback = said.pop("rollback", "ratio = 1.3, at_least = 8")
    lines = [f"{key} = {json.dumps(value)}" for key, value in said.items()]
    return "\n".join(["[[lever]]", f'name = "{name}"', f"change = {{ {change} }}", *lines,
                      f"guardrail = {{ {guardrail} }}", f"rollback = {{ {rollback} }}", ""])


KEEP = lever("keep", "eviction = { keep_seconds = 600 }")
DROP = lever("drop", "eviction = { store = false }")
CHUNK = lever("chunk", "chunk_tokens = 1", guardrail='metric = "error_share"')
DISK = lever("disk", "offload = false")


class Levers:
    """A server with levers, which is started again as the same one."""

    def __init__(self, folder, *levers, flags=()):
        self.file = folder / "levers.toml"
        self.file.write_text("".join(levers))
        self.flags = ("--data", str(folder / "data"), "--levers", str(self.file),
                      "--master-key-file", str(folder / "master.key"), *flags)
        self.server = ServerProcess(*self.flags).__enter__()

    def restart(self):
        self.server.__exit__()
        self.server = ServerProcess(*self.flags).__enter__()

    def quire(self, *arguments, code=0):
        command = [self.server.command[0], "lever", *arguments, "--server", self.server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def complete(self, prompt, route="", **fields):
        headers = {"X-Quire-Route": route} if route else {}
        answer = self.server.post("/v1/completions", {"prompt": prompt, "max_tokens": 1,
                                                      "temperature": 0, **fields}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    def arms(self, name, each=5):
        """Routes of both arms; what was asked to find out does not count any more."""
        found = {"control": [], "treatment": []}
        for i in range(40):
            route = f"{name}-{i}"
            answer = self.complete([1000 + i], route)
            row = row_of(self.server, answer.headers["x-request-id"])
            found[row["arms"][name]].append(route)
            if min(map(len, found.values())) >= each:
                break
        self.quire("stop", name, "--why", "arms are known")
        time.sleep(0.002)
        self.quire("start", name)
        return {arm: routes[:each] for arm, routes in found.items()}

    def report(self, name):
        answer = self.server.get(f"/v1/levers/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def figure(self, name, metric):
        figures = {one["metric"]: one for one in self.report(name)["figures"]}
        return figures[metric]

    def state(self, name):
        return {one["name"]: one["state"]
                for one in self.server.get("/v1/levers").json()["levers"]}[name]

    def wait_for(self, name, state, seconds=60):
        end = time.monotonic() + seconds
        while self.state(name) != state:
            assert time.monotonic() < end, self.quire("report", name)
            time.sleep(0.1)

    def reload(self, text):
        before = self.server.log().count(text)
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self.server.log().count(text) == before:
            assert time.monotonic() < end, self.server.log()
            time.sleep(0.02)


@pytest.fixture
def levers(tmp_path):
    started = []

    def start(*said, flags=()):
        started.append(Levers(tmp_path, *said, flags=flags))
        return started[-1]

    yield start
    for one in started:
        one.server.__exit__()


def text_of(route):
    return f"The text of {route} comes back. " + WORDS * 4


def test_one_that_helps_and_one_that_is_rolled_back(levers):
    """Texts that come back between others that need the memory; and texts asked twice."""
    running = levers(KEEP, DROP, flags=("--kv-memory", "16MiB", "--context", "700",
                                        "--eviction", "lru"))
    keep = running.arms("keep", each=4)
    for visit in range(3):
        for routes in zip(*keep.values()):
            for route in routes:
                running.complete(text_of(route), route)
        for i in range(3):
            running.complete(f"{visit} {i} " + WORDS * 25)
    figure = running.figure("keep", "computed_tokens")
    assert figure["control"]["requests"] == figure["treatment"]["requests"] == 12
    # Of three visits the treatment computes the first, the control all.
    assert figure["treatment"]["mean"] < 0.6 * figure["control"]["mean"], figure
    assert figure["times_worse"] < 0.6
    hits = running.figure("keep", "hit_share")
    assert hits["control"]["mean"] < 0.2 < 0.4 < hits["treatment"]["mean"], hits
    report = running.report("keep")
    assert report["finding"]["verdict"] == "holds", report["finding"]
    assert running.state("keep") == "running"

    drop = running.arms("drop")
    for _ in range(2):
        for routes in drop.values():
            for route in routes:
                running.complete(text_of(route), route)
                running.complete(text_of(route), route)
    running.wait_for("drop", "rolled_back")
    report = running.report("drop")
    assert report["finding"]["verdict"] == "broken"
    assert re.search(r"mean of computed_tokens: \S+ over \d+ requests of the treatment, \S+ over",
                     report["lever"]["why"])
    assert "more than the 1.3 that are allowed" in report["lever"]["why"]
    told = [line for line in running.server.log().splitlines() if "was rolled back" in line]
    assert len(told) == 1 and 'lever "drop" of Ann' in told[0], "in one line"
    metric = running.server.metric
    assert metric("quire_lever_rolled_back", lever="drop") == 1
    assert metric("quire_lever_rollbacks_total", lever="drop") == 1
    assert metric("quire_lever_share", lever="drop") == 0
    assert metric("quire_lever_share", lever="keep") == 0.5
    assert metric("quire_lever_requests_total", lever="keep", arm="treatment") >= 12

    # Nobody is treated any more, and after a restart neither.
    for _ in range(2):
        answer = running.complete(text_of("again"), drop["treatment"][0])
        assert row_of(running.server, answer.headers["x-request-id"])["arms"] == {}
        again = answer.json()["quire"]["cached_tokens"]["ram"]
    assert again > 0
    running.restart()
    assert running.state("drop") == "rolled_back"
    assert running.state("keep") == "running"
    shown = running.quire("report", "drop")
    for part in ("drop: rolled_back since", "computed_tokens", "times worse", "what it creates",
                 "guardrail  mean of computed_tokens at most 1.3 times the control's", "Ann"):
        assert part in shown, shown
    assert re.search(r"computed_tokens .* worse\n", shown), shown
    listed = running.quire("ls")
    assert re.search(r"keep +running +0.5 +route", listed), listed
    assert re.search(r"drop +rolled_back", listed), listed
    assert "running: an operator has started it" in running.quire("start", "drop")
    assert running.state("drop") == "running"
    assert running.server.metric("quire_lever_rolled_back", lever="drop") == 0


def steps(server):
    return server.metric("quire_step_seconds_count")


def test_no_lever_changes_an_answer(levers):
    running = levers(CHUNK, KEEP)
    arms = running.arms("chunk", each=1)
    hashes, taken = {}, {}
    for arm, (route,) in arms.items():
        before = steps(running.server)
        answer = running.complete(WORDS * 10, route, max_tokens=8, return_logit_hash=True,
                                  cache_salt=arm).json()
        taken[arm] = steps(running.server) - before
        hashes[arm] = answer["quire"]["logit_hash"], answer["choices"][0]["text"]
        prompt = answer["usage"]["prompt_tokens"]
    assert hashes["control"] == hashes["treatment"]
    assert taken["treatment"] >= prompt > 100, "a step for each token"
    assert taken["control"] < prompt / 2


def test_nor_do_all_others_at_once(levers):
    others = {"disk": "offload = false", "keep": "eviction = { keep_seconds = 600 }",
              "drop": "eviction = { store = false }", "margin": "admission_margin = 2"}
    running = levers(*(lever(name, change, guardrail='metric = "error_share"')
                       for name, change in others.items()), flags=("--disk", "64MiB"))
    for name in others:
        told = set()
        for arm, (route,) in running.arms(name, each=1).items():
            for _ in range(2):  # computed, and found if it was kept
                answer = running.complete(WORDS * 10, route, max_tokens=8, return_logit_hash=True,
                                          cache_salt=name + arm).json()
                told.add((answer["quire"]["logit_hash"], answer["choices"][0]["text"]))
        assert len(told) == 1, name


def test_what_stays_in_memory_is_not_on_the_disk(levers):
    running = levers(DISK, flags=("--disk", "64MiB"))
    arms = running.arms("disk", each=2)
    for routes in arms.values():
        for route in routes:
            running.complete(text_of(route) * 3, route)
    running.restart()
    found = {arm: [running.complete(text_of(route) * 3, route).json()["quire"]["cached_tokens"]["disk"]
                   for route in routes] for arm, routes in arms.items()}
    assert min(found["control"]) > 0 and found["treatment"] == [0, 0], found


def test_they_are_for_admins(tmp_path):
    file = tmp_path / "levers.toml"
    file.write_text(lever("tried", "chunk_tokens = 64", by="tenant", routes=["x"]).replace(
        'routes = ["x"]\n', ""))
    with Tenants(tmp_path, "--levers", str(file), "--data", str(tmp_path / "data")) as tenants:
        for path in ("/v1/levers", "/v1/levers/tried"):
            assert tenants.get("root", path).status_code == 200
            assert tenants.get("acme", path).status_code == 403
            assert tenants.get(None, path).status_code == 401
        stop = "/v1/levers/tried/stop"
        assert tenants.server.post(stop, {}, headers=tenants.headers("acme")).status_code == 403
        assert "quire_lever_share" in tenants.get("root", "/metrics").text
        assert "quire_lever" not in tenants.get("acme", "/metrics").text
        tenants.complete("acme", "Hi")
        tenants.complete("beta", "Hi")
        end = time.monotonic() + 5
        while not (rows := tenants.get("acme", "/v1/ledger").json()["rows"]):
            assert time.monotonic() < end
        assert [row["tenant"] for row in rows] == ["acme"]
        assert set(rows[0]["arms"]) == {"tried"}, "its own arm"
        command = [tenants.server.command[0], "lever", "ls", "--server", tenants.server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, OPENAI_API_KEY=tenants.keys["acme"]))
        assert done.returncode == 1 and "admin = true" in done.stderr, done.stderr


def test_they_are_read_again(levers):
    running = levers(KEEP)
    running.file.write_text(KEEP + DROP)
    running.reload("the levers were read again")
    assert running.state("drop") == "running"
    running.file.write_text(KEEP.replace("0.5", "1.5") + DROP)
    running.reload("the levers stay as they were")
    assert "share must be a number from 0 to 1" in running.server.log()
    assert running.state("keep") == running.state("drop") == "running"
    running.quire("stop", "keep", "--why", "it is late")
    running.file.write_text(KEEP)
    running.reload("the levers were read again")
    assert running.state("keep") == "stopped"
    assert "it is late" in running.quire("report", "keep")
    listed = [one["name"] for one in running.server.get("/v1/levers").json()["levers"]]
    assert listed == ["keep"]


@pytest.mark.parametrize("said, message", [
    (KEEP.replace("Ann", ""), "owner"), (KEEP.replace('owner = "Ann"\n', ""), "owner is missing"),
    (KEEP.replace("0.5", "2"), "share must be a number from 0 to 1"),
    (KEEP + KEEP, "there are two of this name"),
    (KEEP + lever("other", "eviction = { store = false }", routes=["keep-1"]), "same requests"),
    (lever("format", 'kv_format = "q8"'), "run a second server with --kv-format"),
    (lever("window", "window_tokens = 512"), "a window changes answers"),
    (lever("policy", 'eviction = "scored"'), "one memory has one eviction policy"),
    ("[[lever]", "this is not TOML"), (None, "No such file"),
])
def test_a_file_with_a_mistake_stops_the_start(tmp_path, said, message):
    file = tmp_path / "levers.toml"
    if said is not None:
        file.write_text(said)
    server = ServerProcess("--levers", str(file), "--data", str(tmp_path / "data"), wait=False)
    done = subprocess.run(server.command, env=server.environment, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode != 0
    assert message.lower() in done.stderr.lower(), done.stderr
    assert str(file) in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_without_a_ledger_there_are_none(tmp_path):
    file = tmp_path / "levers.toml"
    file.write_text(KEEP)
    server = ServerProcess("--levers", str(file), "--ledger-disk", "0", wait=False)
    done = subprocess.run(server.command, env=server.environment, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2 and "compared in the ledger" in done.stderr, done.stderr


def test_errors_help(levers, server):
    running = levers(KEEP)
    assert "there are keep" in running.quire("report", "kep", code=1)
    assert "there are keep" in running.quire("start", "%s", code=1)
    assert "there is nothing at" in running.quire("start", "../../x", code=1)
    for method, path, status in (("GET", "/v1/levers/none", 404), ("POST", "/v1/levers", 405),
                                 ("GET", "/v1/levers/keep/stop", 405),
                                 ("POST", "/v1/levers/keep", 405),
                                 ("POST", "/v1/levers/keep/pull", 404)):
        call = running.server.get if method == "GET" else running.server.post
        answer = call(path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.json()["error"]["message"]
    for body in ({"wy": "x"}, {"why": 5}, {"why": "a\nb"}, {"why": "x" * 1000}, []):
        assert running.server.post("/v1/levers/keep/stop", body).status_code == 400, body
    assert running.state("keep") == "running"
    # Labels that are none are refused before anybody's arm is drawn; odd ones have arms.
    odd = running.server.post("/v1/completions", {"prompt": "Hi", "max_tokens": 1},
                              headers={"X-Quire-Route": "keep=treatment,drop"})
    assert odd.status_code == 200
    assert row_of(running.server, odd.headers["x-request-id"])["arms"] == {}
    answer = server.get("/v1/levers")
    assert answer.status_code == 400 and "--levers" in answer.json()["error"]["message"]
