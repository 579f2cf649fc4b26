"""quire ledger: answers from the file of a server, beside it or without one."""
import csv
import io
import json
import time
import urllib.request


def post(url, body, **headers):
    request = urllib.request.Request(url, json.dumps(body).encode(), {
        "Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_ledger_answers_questions(quire, serving, tmp_path):
    data = tmp_path / "data"
    server = serving("--data", data, "--disk", "0")
    for i, (route, version) in enumerate([("tale", "1"), ("tale", "2"), ("list", "1")]):
        post(server.url + "/v1/completions",
             {"prompt": "Once upon a time " * 12, "max_tokens": 4,
              "metadata": {"route": route, "version": version}}, **{"X-Request-Id": f"r{i}"})
    post(server.url + "/v1/ledger/r0/outcome", {"score": 0.9})
    post(server.url + "/v1/ledger/r1/outcome", {"label": "bad"})
    end = time.monotonic() + 10
    while b"r2" not in quire("ledger", "ls", "--data", data).stdout:
        assert time.monotonic() < end
    listed = quire("ledger", "ls", "--data", data, "--csv", "--route", "tale")
    table = list(csv.DictReader(io.StringIO(listed.stdout.decode())))
    assert [row["request_id"] for row in table] == ["r1", "r0"]
    server.stop()
    cost = quire("ledger", "cost", "--data", data).stdout.decode().splitlines()
    assert cost[0].startswith("ROUTE") and {line.split()[0] for line in cost[1:]} == {"tale", "list"}
    by_version = quire("ledger", "cost", "--data", data, "--by", "version").stdout.decode()
    rows = {line.split()[0]: line.split() for line in by_version.splitlines()[1:]}
    assert rows["1"][-3] == "1" and rows["1"][-2] != "-"
    assert rows["2"][-3:] == ["0", "-", "-"]
    misses = quire("ledger", "misses", "--data", data, "--since", "1h").stdout.decode()
    assert "never_seen" in misses and "3 requests" in misses
    assert "no requests" in quire("ledger", "misses", "--data", data, "--until", "1h").stdout.decode()


def test_ledger_refuses_what_it_cannot_read(quire, tmp_path):
    missing = quire("ledger", "ls", "--data", tmp_path)
    assert missing.returncode == 1 and b"cannot read" in missing.stderr
    (tmp_path / "ledger.db").write_bytes(b"no database" * 100)
    assert quire("ledger", "cost", "--data", tmp_path).returncode != 0
    for bad in (["--since", "yesterday"], ["--since", "5w"], ["--since", "-1h"]):
        assert quire("ledger", "ls", "--data", tmp_path, *bad).returncode == 2
    assert quire("ledger", "cost", "--by", "colour", "--data", tmp_path).returncode == 2
    assert quire("ledger").returncode == 2


def test_ledger_flags_are_checked(quire, model):
    for bad in (["--ledger-disk", "5KiB"], ["--ledger-days", "-1"], ["--ledger-disk", "much"]):
        assert quire("serve", model, *bad).returncode == 2
