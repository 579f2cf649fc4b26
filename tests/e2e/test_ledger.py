"""The ledger: a row for each request, whatever became of it, for those whom it concerns."""
import csv
import io
import json
import sqlite3
import subprocess
import time

import httpx
import pytest

from server_process import ServerProcess
from test_tenants import Tenants

PROMPT = "Once upon a time there was a ledger that knew what everything had cost. " * 8


def rows(server, headers=None, **query):
    answer = server.get("/v1/ledger", params=query, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def row_of(server, request_id, headers=None):
    """The row of a request; the promise is half a second, a busy machine is forgiven more."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if found := rows(server, headers, request_id=request_id):
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no row of {request_id}")


@pytest.fixture(scope="module")
def ledger_server(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with ServerProcess("--data", str(data), "--kv-memory", "32MiB") as running:
        running.data = data
        yield running


def complete(server, prompt, request_id, headers=None, **fields):
    return server.post("/v1/completions", {"prompt": prompt, "max_tokens": 8, **fields},
                       headers={"X-Request-Id": request_id, **(headers or {})})


def test_an_answer_has_a_row(ledger_server):
    complete(ledger_server, PROMPT, "first")
    answer = complete(ledger_server, PROMPT, "again", metadata={"route": "tale", "version": "7"},
                      headers={"X-Quire-Retry-Of": "first"})
    receipt = answer.json()["quire"]
    cold, warm = row_of(ledger_server, "first"), row_of(ledger_server, "again")
    tokens = warm["tokens"]
    assert tokens["prompt"] == answer.json()["usage"]["prompt_tokens"]
    assert tokens["ram"] == receipt["cached_tokens"]["ram"] > 0
    assert tokens["ram"] + tokens["disk"] + tokens["remote"] + tokens["computed"] == tokens["prompt"]
    assert tokens["generated"] == answer.json()["usage"]["completion_tokens"]
    assert (warm["route"], warm["version"], warm["retry_of"]) == ("tale", "7", "first")
    assert (warm["tenant"], warm["api"], warm["status"]) == ("default", "completions", 200)
    assert warm["numerics"] == receipt["numerics"]
    assert warm["outcome"] in ("finished", "length") and warm["verdict"] == ""
    assert warm["kv"]["peak_blocks"] == receipt["peak_blocks"]
    assert 0 < warm["kv"]["used_bytes"] <= warm["kv"]["forecast_bytes"]
    assert warm["kv"]["byte_seconds"] > 0
    for part in ("queue", "prefill", "decode"):
        assert 0 <= warm["ms"][part] <= warm["ms"]["total"]
    assert cold["missed"]["by_reason"] == {"never_seen": cold["missed"]["blocks"]}
    assert cold["missed"]["blocks"] == (cold["tokens"]["prompt"] - 1) // 16
    assert warm["missed"]["blocks"] == 0
    assert abs(time.time() * 1000 - warm["started_ms"]) < 60000


def test_headers_go_before_metadata(ledger_server):
    complete(ledger_server, "Hi", "labels", metadata={"route": "body", "version": "1"},
             headers={"X-Quire-Route": "head <b>"})
    row = row_of(ledger_server, "labels")
    assert (row["route"], row["version"]) == ("head <b>", "1")


@pytest.mark.parametrize("headers, fields, param", [
    ({"X-Quire-Route": "x" * 65}, {}, "X-Quire-Route"),
    ({"X-Quire-Version": "x" * 10000}, {}, "X-Quire-Version"),
    ({"X-Quire-Retry-Of": "a b"}, {}, "X-Quire-Retry-Of"),
    ({}, {"metadata": {"route": "x" * (1 << 20)}}, "metadata.route"),
    ({}, {"metadata": {"route": "a\x00b"}}, "metadata.route"),
    ({}, {"metadata": {"version": "\u202eevil"}}, "metadata.version"),
    ({}, {"metadata": {"version": 5}}, "metadata.version"),
])
def test_hostile_labels_are_refused_by_name(ledger_server, headers, fields, param):
    answer = ledger_server.post("/v1/completions", {"prompt": "Hi", "max_tokens": 1, **fields},
                                headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert len(answer.text) < 1000


def test_other_apis_take_labels(ledger_server):
    message = [{"role": "user", "content": "Hi"}]
    label = {"metadata": {"route": "api", "user_id": "u"}}
    for path, body in (("chat/completions", {"messages": message, "max_tokens": 2}),
                       ("responses", {"input": "Hi", "max_output_tokens": 2}),
                       ("messages", {"messages": message, "max_tokens": 2})):
        name = path.replace("/", "-")
        answer = ledger_server.post(f"/v1/{path}", {**body, **label}, headers={"X-Request-Id": name})
        assert answer.status_code == 200, answer.text
        row = row_of(ledger_server, name)
        assert (row["api"], row["route"]) == (path, "api")
    assert ledger_server.post("/v1/sessions", {"id": "s"}).status_code == 201
    for path in ("append", "generate"):
        body = {"text": "Hello, "} if path == "append" else {"max_tokens": 2}
        answer = ledger_server.post(f"/v1/sessions/s/{path}", body,
                                    headers={"X-Request-Id": path, "X-Quire-Route": "talk"})
        assert answer.status_code == 200, answer.text
        row = row_of(ledger_server, path)
        assert (row["api"], row["route"]) == (f"sessions/{path}", "talk")
        assert row["tokens"]["prompt"] > 0


def test_refusals_have_rows(ledger_server):
    refused = {
        "bad-json": ("{", "invalid_value", 400),
        "bad-field": ({"prompt": "Hi", "temperature": 9, "metadata": {"route": "hot"}},
                      "invalid_value", 400),
        "long": ({"prompt": "word " * 20000}, "context_length_exceeded", 400),
        "fits-never": ({"prompt": "a " * 4000, "max_tokens": 4000}, "never_fits", 413),
    }
    for name, (body, verdict, status) in refused.items():
        content = body if isinstance(body, str) else json.dumps(body)
        answer = httpx.post(ledger_server.url + "/v1/completions", content=content, timeout=60,
                            headers={"X-Request-Id": name})
        assert answer.status_code == status, answer.text
        row = row_of(ledger_server, name)
        assert (row["outcome"], row["verdict"], row["status"]) == ("refused", verdict, status)
        assert row["tokens"]["generated"] == 0
    assert row_of(ledger_server, "bad-field")["route"] == "hot"


def test_a_client_that_leaves_has_a_row(ledger_server):
    with httpx.stream("POST", ledger_server.url + "/v1/completions", timeout=60,
                      headers={"X-Request-Id": "left"},
                      json={"prompt": "Count:", "max_tokens": 1500, "stream": True,
                            "ignore_eos": True}) as stream:
        next(stream.iter_lines())
    row = row_of(ledger_server, "left")
    assert (row["outcome"], row["verdict"], row["stream"]) == ("cancelled", "client_left", True)
    assert 0 < row["tokens"]["generated"] < 1500


def test_pages_filters_and_formats(ledger_server):
    for i in range(7):
        complete(ledger_server, "Hi", f"page-{i}", metadata={"route": "=page"}, max_tokens=1)
    row_of(ledger_server, "page-6")
    seen, before = [], None
    while True:
        query = {"route": "=page", "limit": 3} | ({"before": before} if before else {})
        answer = ledger_server.get("/v1/ledger", params=query).json()
        seen += [row["request_id"] for row in answer["rows"]]
        complete(ledger_server, "Hi", "meanwhile", metadata={"route": "=page"}, max_tokens=1)
        before = answer["next"]
        if before is None:
            break
    assert [name for name in seen if name != "meanwhile"] == [f"page-{i}" for i in range(6, -1, -1)]
    assert answer["lost"] == 0
    text = ledger_server.get("/v1/ledger?route=%3Dpage&limit=5&format=csv")
    assert text.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(text.text)))
    assert len(table) == 5 and table[0]["route"] == "'=page"
    assert int(text.headers["x-quire-next"]) == int(table[-1]["id"])
    for query in ("limit=0", "limit=1001", "before=x", "outcome=odd", "format=xml", "rout=x",
                  "route=%zz", "limit=1&limit=2", "since_ms=-1"):
        assert ledger_server.get("/v1/ledger?" + query).status_code == 400, query
    assert ledger_server.get("/v1/ledger/x").status_code == 404
    assert ledger_server.post("/v1/ledger", {}).status_code == 405


def test_users_judge(ledger_server):
    complete(ledger_server, "Hi", "judged", max_tokens=1)
    path = "/v1/ledger/judged/outcome"
    # At once: the row may not be written yet.
    answer = ledger_server.post(path, {"label": "good", "score": 0.75})
    assert answer.json() == {"request_id": "judged", "label": "good", "score": 0.75}
    row = row_of(ledger_server, "judged")
    assert (row["label"], row["score"]) == ("good", 0.75)
    for body, param in (({}, "label"), ({"label": "x" * 65}, "label"), ({"score": 2}, "score"),
                        ({"score": "1"}, "score"), ({"lable": "x"}, "lable"), ([], None),
                        ({"label": "a\nb"}, "label")):
        answer = ledger_server.post(path, body)
        assert answer.status_code == 400, body
        assert answer.json()["error"]["param"] == param
    assert ledger_server.post("/v1/ledger/nobody/outcome", {"score": 1}).status_code == 404
    assert ledger_server.get(path).status_code == 405


def test_sqlite_reads_while_it_serves(ledger_server):
    file = ledger_server.data / "ledger.db"
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        for i in range(3):
            complete(ledger_server, "Hi", f"beside-{i}", max_tokens=1)
            row_of(ledger_server, f"beside-{i}")
            count = database.execute("SELECT count(*) FROM request WHERE request_id = ?",
                                     (f"beside-{i}",)).fetchone()
            assert count == (1,)
    shown = subprocess.run(["sqlite3", "-readonly", file, "SELECT sum(computed_tokens) FROM request"],
                           capture_output=True, text=True, timeout=20)
    assert int(shown.stdout) > 0, shown.stderr


def test_nothing_of_a_text_is_in_it(ledger_server):
    secret = "xylophonic zebrafish"
    complete(ledger_server, secret + " " + PROMPT, "secret", user="somebody",
             cache_salt="peppercorn")
    row_of(ledger_server, "secret")
    files = b"".join(path.read_bytes() for path in ledger_server.data.glob("ledger.db*"))
    for word in (b"xylophonic", b"zebrafish", b"somebody", b"peppercorn", b"Once upon"):
        assert word not in files


def test_why_blocks_are_missed(ledger_server):
    salted = complete(ledger_server, PROMPT * 2, "salt-a", cache_salt="a")
    complete(ledger_server, PROMPT * 2, "salt-b", cache_salt="b")
    missed = row_of(ledger_server, "salt-b")["missed"]
    assert missed["by_reason"] == {"other_salt": missed["blocks"]}, salted.text
    complete(ledger_server, PROMPT * 2, "echo", echo=True, logprobs=1, max_tokens=0)
    missed = row_of(ledger_server, "echo")["missed"]
    assert missed["by_reason"] == {"not_asked": missed["blocks"]}
    for i in range(5):  # more than 32 MiB hold
        complete(ledger_server, [100 + i] * 700, f"fill-{i}", max_tokens=1)
    complete(ledger_server, [100] * 700, "evicted", max_tokens=1)
    row = row_of(ledger_server, "evicted")
    assert row["missed"]["by_reason"].keys() == {"evicted_own"}, row
    assert 0 < row["missed"]["evicted_ago_ms"] < 120000
    by_metric = ledger_server.metric("quire_prefix_miss_total", reason="evicted_own")
    assert by_metric >= row["missed"]["blocks"]


def test_tenants_see_their_own(tmp_path):
    with Tenants(tmp_path, "--data", str(tmp_path / "data")) as tenants:
        for who in ("acme", "beta"):
            answer = tenants.server.post(
                "/v1/completions", {"prompt": PROMPT, "max_tokens": 2},
                headers={**tenants.headers(who), "X-Request-Id": f"of-{who}"})
            assert answer.status_code == 200
        own = row_of(tenants.server, "of-beta", tenants.headers("beta"))
        assert own["missed"]["by_reason"] == {"never_seen": own["missed"]["blocks"]}
        assert rows(tenants.server, tenants.headers("acme"), request_id="of-beta") == []
        assert {row["tenant"] for row in rows(tenants.server, tenants.headers("root"))} >= {
            "acme", "beta"}
        assert tenants.get("acme", "/v1/ledger?tenant=beta").status_code == 400
        assert tenants.get("acme", "/v1/ledger?tenant=acme").status_code == 200
        assert tenants.get(None, "/v1/ledger").status_code == 401
        judged = tenants.server.post("/v1/ledger/of-beta/outcome", {"score": 1},
                                     headers=tenants.headers("acme"))
        assert judged.status_code == 404
        quota = [tenants.complete("small", PROMPT) for _ in range(3)]
        assert quota[-1].status_code == 429
        refused = rows(tenants.server, tenants.headers("small"), outcome="refused")
        end = time.monotonic() + 5
        while not refused and time.monotonic() < end:
            refused = rows(tenants.server, tenants.headers("small"), outcome="refused")
        assert refused[0]["verdict"] == "quota_exceeded" and refused[0]["status"] == 429
        from test_tenants import tenant
        tenant(tenants.file, "purge", "acme")
        tenants.reload()
        end = time.monotonic() + 10
        while rows(tenants.server, tenants.headers("root"), tenant="acme"):
            assert time.monotonic() < end, "rows of a purged tenant stay"
            time.sleep(0.05)
        assert rows(tenants.server, tenants.headers("beta")) != []
        answer = tenants.server.post("/v1/completions", {"prompt": PROMPT, "max_tokens": 2},
                                     headers={**tenants.headers("acme"), "X-Request-Id": "after"})
        row = row_of(tenants.server, "after", tenants.headers("acme"))
        assert row["missed"]["by_reason"] == {"purged": row["missed"]["blocks"]}


def test_a_disk_that_cannot_be_written_costs_rows_alone(tmp_path, own_server):
    (tmp_path / "ledger.db").mkdir()
    server = own_server("--data", str(tmp_path))
    for i in range(3):
        assert complete(server, "Hi", f"lost-{i}", max_tokens=1).status_code == 200
    answer = server.get("/v1/ledger")
    assert answer.status_code == 503
    end = time.monotonic() + 15
    while server.metric("quire_ledger_lost_rows_total") < 3:
        assert time.monotonic() < end
        time.sleep(0.1)
    (tmp_path / "ledger.db").rmdir()
    assert complete(server, "Hi", "kept", max_tokens=1).status_code == 200
    end = time.monotonic() + 10
    while server.get("/v1/ledger").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert row_of(server, "kept")["outcome"] in ("finished", "length")
    assert server.get("/v1/ledger").json()["lost"] == 3


def test_a_server_without_a_ledger_says_so(own_server):
    server = own_server("--ledger-disk", "0")
    assert complete(server, "Hi", "x", max_tokens=1).status_code == 200
    answer = server.get("/v1/ledger")
    assert answer.status_code == 400 and "--ledger-disk 0" in answer.text


def test_a_kill_loses_no_row_that_was_told(tmp_path):
    flags = ("--data", str(tmp_path), "--master-key-file", str(tmp_path / "master.key"))
    with ServerProcess(*flags) as server:
        for i in range(3):
            complete(server, "Hi", f"kept-{i}", max_tokens=1)
        row_of(server, "kept-2")
        server.process.kill()
        server.process.wait()
    with ServerProcess(*flags) as server:
        assert [row["request_id"] for row in rows(server)] == ["kept-2", "kept-1", "kept-0"]


def test_a_tenants_rows_tell_nothing_of_others(tmp_path):
    """Ids count the caller's own requests: those of others between them leave no gap."""
    with Tenants(tmp_path, "--data", str(tmp_path / "data")) as tenants:
        for i in range(3):
            for who in ("acme", "beta", "beta"):
                tenants.complete(who, f"{i}", max_tokens=1)
        tenants.server.post("/v1/completions", {"prompt": "x", "max_tokens": 1},
                            headers={**tenants.headers("acme"), "X-Request-Id": "last"})
        row_of(tenants.server, "last", tenants.headers("acme"))
        page = tenants.get("acme", "/v1/ledger?limit=2").json()
        ids = [row["id"] for row in page["rows"]]
        ids += [row["id"] for row in rows(tenants.server, tenants.headers("acme"),
                                          before=page["next"])]
        assert ids == [4, 3, 2, 1]
        table = csv.DictReader(io.StringIO(tenants.get("acme", "/v1/ledger?format=csv").text))
        assert [row["id"] for row in table] == ["4", "3", "2", "1"]
        everybody = rows(tenants.server, tenants.headers("root"))
        assert [row["id"] for row in everybody] == list(range(10, 0, -1))


def test_tenants_have_their_series_before_they_need_them(tmp_path):
    """An alert looks for an increase: the first refusal is one only from a 0 that was there."""
    with Tenants(tmp_path, "--data", str(tmp_path / "data")) as tenants:
        text = tenants.get("root", "/metrics").text
        for series in ('quire_rejections_total{reason="quota_exceeded",tenant="small"} 0',
                       'quire_requests_total{outcome="failed",tenant="acme"} 0',
                       'quire_answers_total{outcome="rejected",tenant="acme"} 0',
                       'quire_ledger_lost_rows_total{reason="queue_full",tenant="beta"} 0',
                       'quire_prefix_miss_total{reason="evicted_own",tenant="beta"} 0'):
            assert series in text, series
        assert 'tenant="beta"' not in tenants.get("acme", "/metrics").text
        assert tenants.get("acme", "/v1/plan").status_code == 403
        assert tenants.get("acme", "/v1/plan").json()["error"]["code"] == "admin_only"
        assert tenants.get("root", "/v1/plan").status_code == 200
        for who, status in (("acme", 403), ("root", 200)):
            look = tenants.server.post("/v1/attention", {"text": "Hello there"},
                                       headers=tenants.headers(who))
            assert look.status_code == status, look.text
