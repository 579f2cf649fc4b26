"""quire plan: what it forecasts, explains and refuses."""
import json
import re
import urllib.error
import urllib.request

import pytest
from conftest import ROOT
from test_commands import refused

LLAMA = {"name": "Llama 3.1 8B", "layers": 32, "width": 4096, "ffn_width": 14336, "query_heads": 32,
         "kv_heads": 8, "vocabulary": 128256, "context": 131072, "weights": "Q4_K"}
TRACE = ROOT / "tests" / "golden" / "traces" / "mooncake_200.jsonl"
MIB = 1 << 20


@pytest.fixture
def llama(tmp_path):
    """Writes the description of a model that is not here, with fields of one's own."""
    def write(text=None, **fields):
        path = tmp_path / "llama.json"
        path.write_text(json.dumps(LLAMA | fields) if text is None else text)
        return path
    return write


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The folder of what was measured: by the first test that needs it, for all of them."""
    return tmp_path_factory.mktemp("plan") / "data"


def plan(quire, *arguments, timeout=120, **more):
    result = quire("plan", *arguments, "--json", timeout=timeout, **more)
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""  # no terminal, no bar
    return json.loads(result.stdout)


def test_a_model_that_is_not_here(quire, llama):
    found = plan(quire, llama(), "--memory", "16GiB", "--disk", "0", "--no-measure",
                 "--context", "8192,131072,200000", "--sessions", "1,8,1000")
    assert found["machine"] is None and found["break_even"] == []
    assert found["formats"][0] == {"format": "f16", "bytes_per_token": 131072,
                                   "bytes_per_block": 2 * MIB,
                                   "tokens": found["formats"][0]["tokens"]}
    memory = found["memory"]
    assert 15.99 * 1024 * MIB < memory["forecast_bytes"] <= 16 * 1024 * MIB
    assert memory["fixed_bytes"] == sum(part["bytes"] for part in memory["fixed"])
    verdicts = [[cell["verdict"] for cell in row["sessions"]] for row in found["contexts"]]
    assert verdicts == [["fits", "fits", "never"], ["never"] * 3, ["never"] * 3]
    deep = plan(quire, llama(), "--memory", "64GiB", "--disk", "400GiB", "--no-measure",
                "--context", "131072", "--sessions", "1,3,4,8,1000")
    verdicts = [cell["verdict"] for cell in deep["contexts"][0]["sessions"]]
    assert verdicts == ["fits", "fits", "fits", "needs disk", "never"]


def test_a_published_config_is_read(quire, llama):
    published = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
                 "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
                 "vocab_size": 128256, "max_position_embeddings": 131072, "rope_theta": 5e5}
    flags = ["--memory", "16GiB", "--no-measure", "--disk", "0"]
    own = plan(quire, llama(), *flags)
    other = plan(quire, llama(text=json.dumps(published)), *flags)
    assert own["memory"] == other["memory"] and own["contexts"] == other["contexts"]


def test_a_file_is_measured_once_and_explained(quire, model, measured):
    flags = ["--memory", "1GiB", "--disk", "1GiB", "--threads", 1, "--data", measured]
    found = plan(quire, model, *flags)
    kept = list(measured.glob("plan-*-1.json"))
    assert len(kept) == 1 and json.loads(kept[0].read_text())["format"] == 1
    written = kept[0].stat().st_mtime_ns
    assert found["machine"]["threads"] == 1 and found["machine"]["read_bytes_per_second"] > 1e8
    for row in found["contexts"]:
        assert row["first_token_seconds"] > 0 and row["decode_tokens_per_second"] > 0
        assert row["sessions"][0]["tokens_per_second"] == \
            pytest.approx(row["decode_tokens_per_second"])
    assert {one["place"] for one in found["break_even"]} >= {"RAM", "network 10 Gbit/s"}
    text = quire("plan", model, *flags, "--explain", timeout=120).stdout.decode()
    assert kept[0].stat().st_mtime_ns == written  # not measured again
    for words in ("30 layers x 3 KV heads x (2048 + 1088) bytes", "fits: in", "Gop/s",
                  "what would change", "MLA", "quire serve", "fetching KV"):
        assert words in text
    whole = kept[0].read_text()
    kept[0].write_text("{broken")
    blind = plan(quire, model, *flags, "--no-measure")
    assert blind["machine"] is None and blind["memory"] == found["memory"]
    kept[0].write_text(whole)


def test_tables_fit_a_terminal(quire, llama):
    result = quire("plan", llama(), "--memory", "16GiB", "--no-measure", "--disk", "8GiB")
    out = result.stdout.decode()
    assert result.returncode == 0, result.stderr
    assert max(map(len, out.splitlines())) <= 110
    assert re.search(r"^131072 +12.1 GiB ", out, re.M)
    assert "no times: nothing was measured yet" in out


def test_a_day_of_a_trace(quire, model, measured):
    flags = [model, "--memory", "1GiB", "--disk", 0, "--threads", 1, "--data", measured,
             "--what-if", TRACE, "--load", 0.5, "--requests", 60]
    found = plan(quire, *flags)["what_if"]
    assert found["requests"] == 60 and found["load"] == pytest.approx(0.5)
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {"as planned", "with f16", "with q8", "half the KV memory",
                         "twice the KV memory"}
    assert rows["twice the KV memory"]["kv_tokens"] == \
        pytest.approx(4 * rows["half the KV memory"]["kv_tokens"], rel=0.01)
    for row in rows.values():
        assert row["served"] + row["refused"] <= 60
    assert "what if" in quire("plan", *flags, timeout=120).stdout.decode()


@pytest.mark.parametrize("flags, words", [
    (["--memory", "0"], ["--memory", "'0'"]),
    (["--memory", "lots"], ["--memory", "'lots'"]),
    (["--memory", "-1GiB"], ["--memory"]),
    (["--context", "0"], ["--context", "'0'"]),
    (["--context", "4096,x,8"], ["--context", "'x'"]),
    (["--context", ",".join(["1024"] * 40)], ["context has 40 entries", "at most 32"]),
    (["--sessions", "4294967296"], ["--sessions", "4294967296"]),
    (["--sessions", "1.5"], ["--sessions", "'1.5'"]),
    (["--network", "nan"], ["--network", "'nan'"]),
    (["--kv-format", "q9"], ["--kv-format", "auto|f16|q8|k16v8"]),
    (["--disk", "some"], ["--disk", "'some'"]),
])
def test_wrong_flags_are_named(quire, llama, flags, words):
    refused(quire("plan", llama(), "--no-measure", *flags), 2, *words)


@pytest.mark.parametrize("text, words", [
    ("{", ["not JSON"]),
    ("", ["llama.json"]),
    ("[1, 2]", ["JSON object"]),
    (json.dumps(LLAMA | {"layers": 0}), ['"layers" is 0', "from 1 to"]),
    (json.dumps(LLAMA | {"layers": [[[]]]}), ['"layers" is a list']),
    (json.dumps(LLAMA | {"kv_heads": 5}), ['"kv_heads" is 5', "32 query heads"]),
    (json.dumps(LLAMA | {"weights": "Q9"}), ['"weights" is \'Q9\'', "Q4_K"]),
    (json.dumps(LLAMA | {"moe": True}), ['"moe"', "quire plan --help"]),
    (json.dumps({"layers": 3}), ['"width" is missing']),
    ("{\"layers\": " + "[" * 50000 + "]" * 50000 + "}", ["layers"]),
])
def test_wrong_descriptions_are_refused(quire, llama, text, words):
    result = quire("plan", llama(text=text), "--no-measure")
    assert result.returncode in (2, 3)
    refused(result, result.returncode, *words)


def test_what_cannot_be_read_is_named(quire, llama, tmp_path):
    refused(quire("plan", tmp_path / "none.gguf"), 3, "none.gguf")
    refused(quire("plan", llama(), "--no-measure", "--what-if", TRACE), 1, "--no-measure")


def test_the_server_plans_as_it_runs(server):
    def ask(query=""):
        with urllib.request.urlopen(server.url + "/v1/plan" + query, timeout=30) as answer:
            return json.load(answer)
    found = ask()
    assert found["model"]["layers"] == 30 and found["kv_format"] == "k16v8"
    assert found["memory"]["kv_blocks"] > 0
    other = ask("?memory=1GiB&context=1024,8192&sessions=1,1000000&kv_format=q8&disk=0&network=25")
    assert [row["context"] for row in other["contexts"]] == [1024, 8192]
    assert other["contexts"][1]["sessions"][1]["verdict"] == "never"
    assert ask("?kv_format=auto") == found
    for query, words in (("?memory=x", "memory"), ("?context=1,x", "context"),
                         ("?sessions=0", "sessions"), ("?kv_format=q9", "kv_format"),
                         ("?max_sequences=0", "max_sequences"), ("?contexts=1", "contexts"),
                         ("?memory=1GiB&memory=2GiB", "memory"), ("?memory=0", "memory")):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            ask(query)
        assert refusal.value.code == 400 and words in refusal.value.read().decode()
