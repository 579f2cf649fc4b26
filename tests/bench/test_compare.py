"""bench/compare.py with peers that are scripts: what it asks of them, and what it says."""
import json
import os
import pathlib
import stat
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPARE = ROOT / "bench" / "compare.py"

# Notes what it was asked; `quire bench` reads 1000 and generates 50 tokens a second.
QUIRE = """
import json, sys
open("asked", "a").write("quire " + " ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "run":
    sys.exit(0)
value = lambda flag: int(sys.argv[sys.argv.index(flag) + 1])
rate = 1000 if value("--prefill") else 50 * value("--clients")
print(json.dumps({"cases": [{"tokens_per_second": rate, "of_dot_peak": 0.5, "of_read_bandwidth": 0.9,
    "of_limit": 0.9}], "memory": {"peak_resident_bytes": 100 << 20, "file_bytes": 90 << 20,
    "kv_bytes": 5 << 20}, "cores_busy_with_other_work": 0, "versions": {}, "machine": {},
    "peaks": {}, "kv_format": "f16"}))
"""
LLAMA_BENCH = """
import json, sys, time
open("asked", "a").write("llama-bench " + " ".join(sys.argv[1:]) + "\\n")
value = lambda flag: int(sys.argv[sys.argv.index(flag) + 1]) if flag in sys.argv else 0
if value("-p") == 8192:
    time.sleep(60)
if value("-p") == 2048:
    sys.exit("no such luck")
print(json.dumps([{"avg_ts": 250 if value("-p") else 40}]))
"""
LLAMA_BATCHED = """
import json, sys
open("asked", "a").write("batched " + " ".join(sys.argv[1:]) + "\\n")
print("some log line")
print(json.dumps({"speed_tg": 200.0}))
"""


@pytest.fixture
def compare(tmp_path):
    def script(name, text):
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    script("quire", QUIRE), script("llama-bench", LLAMA_BENCH), script("batched", LLAMA_BATCHED)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")

    def run(*flags, code=0, quire="./quire", model="model.gguf"):
        done = subprocess.run([sys.executable, COMPARE, model, "--quire", quire,
                               *map(str, flags)], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def asked():
        """What engines were asked, after one short run of each to warm up."""
        lines = (tmp_path / "asked").read_text().splitlines()
        return [line for line in lines if "--prefill 32 " not in line and "-p 32 " not in line]

    run.asked = asked
    return run


def test_engines_take_turns(compare):
    out = compare("--peer", "./llama-bench", "--peer-kv", "f16", "--rounds", 3, "--rows",
                  "prefill-512", "--json")
    assert [line.split()[0] for line in compare.asked()] == ["quire", "llama-bench"] * 3
    row = json.loads(out)["rows"][0]
    assert row["engines"]["Quire"]["samples"] == [1000] * 3
    peer = row["engines"]["llama.cpp f16"]
    assert peer["median"] == 250 and peer["ratio"] == 4
    assert row["of_dot_peak"] == 0.5


def test_other_work_is_said(compare, tmp_path):
    noisy = (tmp_path / "quire").read_text().replace('other_work": 0', 'other_work": 0.7')
    (tmp_path / "quire").write_text(noisy)
    flags = ["--peer", "./llama-bench", "--rounds", 1, "--rows", "prefill-512"]
    assert "other processes kept 0.7 cores busy" in compare(*flags)
    assert json.loads(compare(*flags, "--json"))["rows"][0]["cores_busy_with_other_work"] == 0.7


def test_asks_each_engine_for_the_same(compare):
    out = compare("--peer", "./llama-bench", "--peer-batched", "./batched", "--rounds", 1,
                  "--threads", 1, "--rows", "depth-4096,clients-16,shared-8")
    asked = compare.asked()
    deep, clients, shared = [line for line in asked if line.startswith("quire")]
    assert "--decode 32 --depth 4096 --clients 1 --shared-prefix 0" in deep
    assert "--depth 512 --clients 16" in clients and "--threads 1" in clients
    assert "--depth 2000 --clients 8 --shared-prefix 2000" in shared
    f16, q8 = [line for line in asked if line.startswith("llama-bench")]
    assert "-ctk f16 -ctv f16" in f16 and "-p 0 -n 32 -d 4096" in f16 and "-t 1" in f16
    assert "-ctk q8_0 -ctv q8_0" in q8
    assert "llama.cpp f16" in out and "llama.cpp batched unified" in out
    apart, unified = [line for line in asked if line.startswith("batched")]
    assert "-npp 512 -ntg 32 -npl 16" in apart and "-kvu" not in apart
    assert "-npp 2000 -ntg 16 -npl 8" in unified and "-kvu" in unified


def test_less_is_better_for_memory(compare):
    row = json.loads(compare("--peer", "./llama-bench", "--peer-kv", "f16", "--rounds", 1, "--rows",
                             "memory", "--json"))["rows"][0]
    peer = row["engines"]["llama.cpp f16"]
    assert 0 < peer["median"] < 90 << 20  # a small script
    assert peer["ratio"] == pytest.approx(peer["median"] / (100 << 20))
    assert row["memory"]["file_bytes"] == 90 << 20


def test_load_is_timed_at_the_second_start(compare):
    out = compare("--peer", "./llama-bench", "--peer-kv", "f16", "--rounds", 2, "--rows", "load",
                  "--json")
    assert [line.split()[0] for line in compare.asked()] == ["quire", "llama-bench"] * 3
    assert len(json.loads(out)["rows"][0]["engines"]["Quire"]["samples"]) == 2


def test_a_slow_peer_is_a_lower_bound_and_not_asked_again(compare):
    out = compare("--peer", "./llama-bench", "--peer-kv", "f16", "--rounds", 3, "--rows",
                  "prefill-8192", "--limit-seconds", 1)
    assert [line.split()[0] for line in compare.asked()] == ["quire", "llama-bench", "quire",
                                                             "quire"]
    assert "over 1 s" in out and "ratio over 0.12" in out


def test_a_peer_that_fails_is_reported_and_the_rest_goes_on(compare):
    out = compare("--peer", "./llama-bench", "--peer-kv", "f16", "--rounds", 1, "--rows",
                  "prefill-2048,prefill-512", "--markdown")
    assert "no such luck" in out
    assert "| llama.cpp f16 | 250.0 (250.0-250.0) | 4.00 (4.00-4.00) |" in out


def test_rounds_end_when_the_time_of_a_row_is_up(compare):
    compare("--peer", "./llama-bench", "--rounds", 50, "--rows", "prefill-512", "--row-seconds", 0)
    assert len(compare.asked()) == 3  # Quire and two KV types, once


def test_wrong_use_is_told(compare):
    for row in ("fill-512", "prefill", "prefill-x", "prefill-0", "depth--4", "load-3"):
        assert f"'{row}'" in compare("--peer", "x", "--rows", row, code=2)
    assert "name a peer" in compare(code=2)
    err = compare("--peer", "./llama-bench", "--rows", "load", quire="./nothing", code=1)
    assert "./nothing cannot be started" in err and "Traceback" not in err


def test_the_real_binary_understands_what_it_is_asked(compare):
    binary = os.environ.get("QUIRE_BINARY", ROOT / "build" / "release" / "quire")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    places = [ROOT / "models", cache / "quire" / "models"]
    model = next(place / "smollm2-135m.gguf" for place in places
                 if (place / "smollm2-135m.gguf").exists())
    out = compare("--peer", "./llama-bench", "--peer-kv", "f16", "--rounds", 1, "--json", "--rows",
                  "prefill-64,depth-64,clients-2,shared-2,load,memory", quire=binary,
                  model=model)
    for row in json.loads(out)["rows"]:
        assert row["engines"]["Quire"]["median"] > 0, row
