"""quire replay: what it prints of a trace, and what it refuses."""
import json
import os
import pathlib

import pytest
from conftest import ROOT
from test_commands import refused

TRACES = ROOT / "tests" / "golden" / "traces"
MOONCAKE = TRACES / "mooncake_200.jsonl"
FULL = pathlib.Path(os.environ.get("QUIRE_TRACES", ROOT.parent / "shared" / "traces"))


def ratios(quire, *arguments):
    result = quire("replay", *arguments, "--no-serve", "--json", timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""  # no terminal, no bar
    found = json.loads(result.stdout)
    return {(one["policy"], one["capacity_tokens"]): one["token_hit_ratio"]
            for one in found["hit_ratios"]}, found["trace"]


def test_table_names_policies_and_the_gap_to_the_optimum(quire):
    result = quire("replay", MOONCAKE, "--capacity", "100k,1.5M", "--policy", "lru,auto,opt")
    out = result.stdout.decode()
    assert result.returncode == 0, result.stderr
    assert "mooncake trace: 200 requests" in out
    assert "100k" in out and "1.5M" in out and "share of the optimum" in out
    assert "TTFT p50" in out and "fairness" in out
    assert max(map(len, out.splitlines())) <= 100


def test_serving_in_virtual_time_has_percentiles_and_tenants(quire):
    result = quire("replay", MOONCAKE, "--capacity", "500k", "--policy", "lru,auto", "--tenants", 3,
                   "--prefill-rate", 50000, "--load", 0, "--json")
    served = json.loads(result.stdout)["served"]
    assert [one["policy"] for one in served] == ["lru", "auto"]
    for one in served:
        assert one["served"] + one["refused"] == 200 and one["refused"] == 0
        assert 0 < one["ttft_p50_ms"] <= one["ttft_p95_ms"] <= one["ttft_p99_ms"]
        assert len(one["tenants"]) == 3 and 1 / 3 <= one["fairness"] <= 1
        assert sum(tenant["requests"] for tenant in one["tenants"]) == 200


def test_a_faster_model_answers_sooner(quire):
    def median(rate):
        result = quire("replay", MOONCAKE, "--capacity", "500k", "--policy", "auto", "--load", 0,
                       "--prefill-rate", rate, "--json")
        return json.loads(result.stdout)["served"][0]["ttft_p50_ms"]
    assert median(20000) > 2 * median(100000)


def test_nothing_beats_the_optimum(quire):
    found, trace = ratios(quire, MOONCAKE)
    assert trace["format"] == "mooncake" and trace["requests"] == 200
    capacities = {capacity for _, capacity in found}
    assert len(capacities) == 6
    for (policy, capacity), ratio in found.items():
        assert 0 <= ratio <= found["opt", capacity] + 1e-9, policy


def naive_ratio(policy, requests, capacity):
    """A list that is searched from end to end: blocks go in from the tail to the head of a text."""
    reads = {}
    for i, request in enumerate(requests):
        for block in request["hash_ids"]:
            reads.setdefault(block, []).append(i)
    held = []  # the first is given up first
    hit = 0
    for i, request in enumerate(requests):
        blocks = request["hash_ids"]
        found = next((k for k, block in enumerate(blocks) if block not in held), len(blocks))
        hit += min(found * 512, request["input_length"])
        for block in reversed(blocks):
            if policy != "fifo" and block in held:
                held.remove(block)
            if block not in held:
                held.append(block)
        if policy == "opt":  # furthest next read first, of one text the tail
            held.sort(key=lambda block: next((at for at in reads[block] if at > i), len(requests)),
                      reverse=True)
        held = held[max(0, len(held) - capacity):]
    return hit / sum(request["input_length"] for request in requests)


def test_classic_policies_equal_naive_ones(quire):
    requests = [json.loads(line) for line in MOONCAKE.read_text().splitlines()]
    found, _ = ratios(quire, MOONCAKE, "--capacity", "5k,20k,100k", "--policy", "fifo,lru,opt")
    assert len(found) == 9
    for (policy, capacity), ratio in found.items():
        naive = naive_ratio(policy, requests, capacity // 512)
        assert ratio == pytest.approx(naive, abs=.0005), (policy, capacity)


def test_same_trace_same_figures(quire):
    assert ratios(quire, MOONCAKE)[0] == ratios(quire, MOONCAKE)[0]


@pytest.mark.parametrize("name, form", [("azure_200.csv", "azure"), ("agentic_8.ndjson", "agentic")])
def test_reads_other_formats(quire, name, form):
    for flags in ([], ["--format", form]):
        found, trace = ratios(quire, TRACES / name, "--capacity", "1M", "--policy", "lru", *flags)
        assert trace["format"] == form
        assert (found["lru", 1_000_000] > 0) == (form == "agentic")


@pytest.mark.parametrize("flags, words", [
    (["--capacity", "many"], ["--capacity", "'many'"]),
    (["--capacity", "100"], ["--capacity", "less than one block", "512"]),
    (["--capacity", "-5k"], ["--capacity", "'-5k'"]),
    (["--policy", "best"], ["--policy", "'best'"]),
    (["--format", "xml"], ["--format", "'xml'"]),
    (["--sessions", "0"], ["--sessions", "'0'"]),
    (["--prefill-rate", "0"], ["--prefill-rate", "'0'"]),
    (["--load", "nan"], ["--load", "'nan'"]),
])
def test_wrong_flags_are_refused(quire, flags, words):
    refused(quire("replay", MOONCAKE, *flags), 2, *words)


@pytest.mark.parametrize("text, words", [
    ("", ["no requests"]),
    ("hello\n", ["line 1", "no format"]),
    ('{"timestamp": 1, "input_length": 3, "output_length": 1, "hash_ids": [1]}\n{"oops"\n',
     ["line 2", "not a JSON object"]),
])
def test_bad_traces_are_refused_with_their_line(quire, tmp_path, text, words):
    path = tmp_path / "trace"
    path.write_text(text)
    refused(quire("replay", path), 1, str(path), *words)


def test_a_trace_that_is_not_there(quire, tmp_path):
    refused(quire("replay", tmp_path / "none"), 1, "none")


@pytest.mark.skipif(not FULL.exists(), reason=f"no published traces in {FULL}")
def test_reference_figures_of_the_whole_trace(quire):
    found, _ = ratios(quire, FULL / "mooncake_conversation_trace.jsonl", "--capacity",
                      "100k,1M,3M,10M", "--policy", "fifo,lru,auto,opt")
    reference = {"fifo": (.0388, .0530, .1274, .2611), "lru": (.0427, .0543, .1387, .2908),
                 "opt": (.0915, .2577, .3601, .3736)}
    for policy, figures in reference.items():
        for capacity, figure in zip((100_000, 1_000_000, 3_000_000, 10_000_000), figures):
            assert round(found[policy, capacity], 4) == figure, (policy, capacity)
            assert found["auto", capacity] >= found["lru", capacity] - .002
