"""quire bench: what it prints, and what it refuses."""
import json
import re

import pytest
from test_commands import refused

QUICK = ["--repetitions", 2, "--prefill", "24,48", "--decode", 3, "--threads", 1]


def test_json_has_what_it_promises(quire, model):
    result = quire("bench", model, *QUICK, "--depth", "0,64", "--clients", "1,3", "--json")
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""  # no terminal, no bar
    found = json.loads(result.stdout)
    assert found["prefill_tokens_per_second"] > 0 and found["decode_tokens_per_second"] > 0
    assert len(found["prefill_tokens_per_second_samples"]) == 2
    assert len(found["decode_tokens_per_second_samples"]) == 2
    kinds = [(one["kind"], one["tokens"], one["depth"], one["clients"]) for one in found["cases"]]
    assert kinds == [("prefill", 24, 0, 1), ("prefill", 48, 0, 1), ("decode", 3, 0, 1),
                     ("decode", 3, 64, 1), ("decode", 3, 0, 3), ("decode", 3, 64, 3)]
    reading = found["peaks"]["read_bytes_per_second_huge_pages"]
    assert reading["one_core"] > 1e8 and len(reading["all_cores_samples"]) == 2
    assert found["peaks"]["dot_ops_per_second"]["one_core"] > 1e9
    for one in found["cases"]:
        assert 0 < one["of_dot_peak"] < 1.5 and 0 < one["of_limit"] < 1.5, one
        assert len(one["samples"]) == 2
        assert sum(one["phases"]["share"].values()) == pytest.approx(1, abs=0.02)
        assert one["phases"]["share"]["attention"] > 0 and one["attention_of_peak"] > 0
        assert one["phases"]["barriers_per_pass"] >= 0
    weights = found["memory"]["weight_bytes"]
    assert 80e6 < weights < found["memory"]["peak_resident_bytes"] < 4 * weights
    assert found["versions"]["isa"] and found["versions"]["numerics"]
    assert found["threads"] == 1 and found["kv_format"] == "k16v8" and found["repetitions"] == 2


def test_kv_formats_differ_in_what_is_read(quire, model):
    flags = ["--repetitions", 1, "--prefill", 0, "--decode", 2, "--depth", 512, "--json"]
    halves, bytes_ = (json.loads(quire("bench", model, *flags, "--kv-format", name).stdout)
                      for name in ("f16", "q8"))
    assert halves["kv_format"] == "f16" and bytes_["kv_format"] == "q8"
    assert 0.5 < bytes_["cases"][0]["kv_bytes"] / halves["cases"][0]["kv_bytes"] < 0.6


def test_table_for_people(quire, model):
    result = quire("bench", model, *QUICK, "--depth", 32, "--clients", 2, "--shared-prefix", 16)
    out = result.stdout.decode()
    assert result.returncode == 0, result.stderr
    assert re.search(r"byte dot.* Gop/s$", out, re.M)
    assert re.search(r"read, 2 MiB pages .* GB/s$", out, re.M)
    assert re.search(r"^  prefill 48 +\d+\.\d +\d+\.\d-\d+\.\d +\d+ % ", out, re.M)
    assert re.search(r"^  decode 3 at depth 32, 2 clients, 16 shared +\d+\.\d", out, re.M)
    assert re.search(r"reads 9\d\.?\d* MiB of weights and [\d.]+ [KM]iB of KV", out)
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("flags, words", [
    (["--prefill", "512,,x"], ["--prefill", "'x'"]),
    (["--prefill", "-1"], ["--prefill", "'-1'"]),
    (["--prefill", "8193"], ["--prefill 8193", "8192 tokens"]),
    (["--decode", "abc"], ["--decode", "'abc'"]),
    (["--depth", "8190", "--decode", "3"], ["--depth 8190", "3 tokens", "8192"]),
    (["--depth", "4294967296"], ["--depth", "'4294967296'"]),
    (["--clients", "0"], ["--clients", "'0'"]),
    (["--shared-prefix", "32", "--depth", "16"], ["--shared-prefix 32", "--depth 16"]),
    (["--repetitions", "0"], ["--repetitions", "'0'"]),
    (["--prefill", "0", "--decode", "0"], ["nothing to measure"]),
    (["--kv-format", "q9"], ["--kv-format", "auto|f16|q8|k16v8"]),
    (["--threads", "x"], ["--threads", "'x'"]),
])
def test_wrong_flags_are_named(quire, model, flags, words):
    refused(quire("bench", model, *flags), 2, *words)


def test_files_that_are_no_models(quire, tmp_path):
    (tmp_path / "text.gguf").write_text("hello")
    refused(quire("bench", "text.gguf"), 3, "not a GGUF file")
    refused(quire("bench", "nope.gguf"), 3, "No such file")


def test_pinned_threads_are_told(quire, model):
    flags = ["--repetitions", 1, "--prefill", 0, "--decode", 2, "--json"]
    for more, told in ([], False), (["--pin-threads"], True):
        result = quire("bench", model, *flags, *more)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["pin_threads"] is told


def test_only_what_was_asked_for(quire, model):
    result = quire("bench", model, "--repetitions", 1, "--prefill", 0, "--decode", 2, "--json")
    found = json.loads(result.stdout)
    assert found["prefill_tokens_per_second"] is None
    assert [one["kind"] for one in found["cases"]] == ["decode"]
