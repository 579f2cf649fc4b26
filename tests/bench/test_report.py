"""bench/report.py and bench/targets.py: tables and plots from figures."""
import argparse
import json
import pathlib
import sys
import xml.dom.minidom

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import plot  # noqa: E402
import report  # noqa: E402
import targets  # noqa: E402


def row(name, kind="decode", ratios=(), tokens=128, depth=0, **more):
    engines = {"Quire": {"median": 100.0, "samples": [90.0, 100.0, 110.0]}}
    for peer, ratio in ratios:
        engines[peer] = {"median": 100 / ratio, "samples": [100 / ratio], "ratio": ratio}
    return {"row": name, "says": name, "engines": engines,
            "case": {"kind": kind, "tokens": tokens, "depth": depth, "clients": 1}, **more}


def target(model, name):
    return next(one for one in targets.TARGETS if (one.model, one.row) == (model, name))


def test_reading_needs_ratio_and_share():
    wanted = target(targets.SMALL, "prefill-512")  # 1.5x, 25 % on Intel and 35 % on AMD
    good = row("prefill-512", ratios=[("llama.cpp f16", 9), ("OpenVINO GenAI", 1.6)],
               of_dot_peak=0.3)
    assert targets.holds(wanted, good, amd=False) is True
    assert targets.holds(wanted, good, amd=True) is False
    beaten = row("prefill-512", ratios=[("llama.cpp f16", 9), ("OpenVINO GenAI", 1.4)],
                 of_dot_peak=0.9)
    assert targets.holds(wanted, beaten, amd=False) is False
    assert targets.holds(wanted, row("prefill-512", of_dot_peak=0.9), amd=False) is None


def test_generating_needs_either():
    wanted = target(targets.LARGE, "decode-128")  # 1.5x or 85 %
    peer = [("llama.cpp f16", 1.2)]
    assert targets.holds(wanted, row("decode-128", ratios=peer, of_read_bandwidth=0.9), True)
    assert targets.holds(wanted, row("decode-128", ratios=peer, of_read_bandwidth=0.8),
                         True) is False
    assert targets.holds(wanted, row("decode-128", ratios=[("x", 1.6)], of_read_bandwidth=0.1),
                         True)


def test_each_named_peer_has_its_own_bar():
    wanted = target(targets.SMALL, "prefill-8192")  # 4x f16, 6x q8_0, attention 40 %
    ratios = [("llama.cpp f16", 4.1), ("llama.cpp q8_0", 5.9)]
    assert targets.holds(wanted, row("prefill-8192", ratios=ratios, attention_of_peak=0.5),
                         True) is False
    late = row("prefill-8192", ratios=ratios, attention_of_peak=0.5)
    late["engines"]["llama.cpp q8_0"] = {"median": None, "samples": [], "ratio_at_least": 7}
    assert targets.holds(wanted, late, True) is True


def test_reading_has_one_bar_without_avx512():
    wanted = [one for one in targets.of("avx2") if one.row.startswith("prefill")]
    assert len(wanted) == 7 and len(targets.of("avx2")) == len(targets.of("avx512"))
    for one in wanted:
        at_bar = row(one.row, ratios=[("llama.cpp f16", 9), ("OpenVINO GenAI", 1.3)])
        below = row(one.row, ratios=[("llama.cpp f16", 9), ("OpenVINO GenAI", 1.29)])
        assert targets.holds(one, at_bar, amd=True) is True
        assert targets.holds(one, below, amd=True) is False


def test_memory_is_against_file_and_kv():
    memory = {"peak_resident_bytes": 115, "file_bytes": 90, "kv_bytes": 10}
    assert targets.holds(target(targets.SMALL, "memory"), row("memory", memory=memory), True)
    memory["peak_resident_bytes"] = 116
    assert not targets.holds(target(targets.SMALL, "memory"), row("memory", memory=memory), True)


@pytest.fixture
def figures():
    peak = {"one_core": 1e9, "all_cores": 2e9}
    return {
        "taken": "2026-01-01", "threads": 2, "kv_format": "f16",
        "machine": {"cpu": "AMD Something", "system": "Linux"},
        "versions": {"quire": "1", "isa": "avx512", "numerics": "1", "compiler": "g++"},
        "peaks": {name: peak for name in
                  ("dot_ops_per_second", "fma_ops_per_second", "read_bytes_per_second_huge_pages",
                   "read_bytes_per_second_small_pages")},
        "models": {targets.SMALL: {"rows": {
            "prefill-512": row("prefill-512", "prefill", [("peer <&>", 1.2)], 512,
                               of_dot_peak=0.2),
            "depth-4096": row("depth-4096", "decode", [("peer <&>", 3.5)], 32, 4096,
                              of_read_bandwidth=0.5,
                              phases={"share": {"qkv": 0.75, "wait": 0.25},
                                      "outside_kernels": 0.25})},
            "accuracy": [{"name": "float32", "nll": 2.0, "divergence": 0.0, "same_top": 1.0},
                         {"name": "int8, f16", "nll": 2.01, "divergence": 0.001,
                          "same_top": 0.99}]}}}


def test_page_is_written_between_its_markers(figures, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    names = ("machine", "targets", "plots", "rates", "phases", "accuracy")
    page.write_text("".join(f"keep {one}\n<!-- {one} -->\nstale text\n<!-- end {one} -->\n"
                            for one in names))
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "FIGURES", tmp_path / "figures.json")
    report.write(figures)
    text = page.read_text()
    assert "stale text" not in text and all(f"keep {one}" in text for one in names)
    assert "| prefill-512 | smollm2-135m | >= 1.5x, >= 35 % of dot peak | 1.20x, 20 % | **no** |" \
        in text
    assert "| depth-4096 | smollm2-135m | >= 3x, or >= 70 % of read bandwidth | 3.50x, 50 % | yes |" \
        in text
    assert "not measured" in text  # the other models
    assert "| smollm2-135m | depth-4096 | 75 % | 25 % | 25 % |" in text
    assert "| smollm2-135m | int8, f16 | 2.01000 | +0.500 % | 0.00100 | 99.00 % |" in text
    assert (tmp_path / "smollm2-135m.svg").exists()
    report.write(figures)
    assert page.read_text() == text


@pytest.mark.parametrize("other, kept", [(0.05, True), (0.6, False)])
def test_figures_beside_other_work_are_not_kept(figures, tmp_path, monkeypatch, other, kept):
    monkeypatch.setattr(report, "FIGURES", tmp_path / "performance" / "figures.json")
    monkeypatch.setattr(report, "model_path", lambda name: tmp_path)
    made = row("decode-128", ratios=[("llama.cpp f16", 2.0)], cores_busy_with_other_work=other)
    answer = {**{key: figures[key] for key in ("versions", "machine", "peaks", "kv_format")},
              "threads": 2, "rows": [made]}
    monkeypatch.setattr(report, "output_of", lambda command: json.dumps(answer))
    flags = argparse.Namespace(models="m", rows="decode-128", wrap="", quire="q", threads=2, rounds=1,
                               row_seconds=1, limit_seconds=1, peers="p", openvino="", other_cores=0.15)
    report.measure(flags)
    assert report.load()["models"] == ({"m": {"rows": {"decode-128": made}}} if kept else {})


@pytest.mark.parametrize("cpu, kept", [("AMD Something", True), ("AMD Something Else", False)])
def test_rates_of_another_machine_are_dropped(figures, cpu, kept):
    report.drop_other_machine(figures, {"cpu": cpu})
    small = figures["models"][targets.SMALL]
    assert bool(small["rows"]) is kept and small["accuracy"]


@pytest.mark.parametrize("name", ["", "avx2"])
def test_the_real_pages_have_all_markers(figures, tmp_path, monkeypatch, name):
    for constant in ("PAGE", "FIGURES"):
        monkeypatch.setattr(report, constant, getattr(report, constant))  # put back afterwards
    report.choose_page(name)
    page = tmp_path / "page.md"
    page.write_text(report.PAGE.read_text())
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "FIGURES", tmp_path / "figures.json")
    report.write(figures)


def test_plots_are_svg_for_light_and_dark():
    drawing = plot.draw([
        plot.Panel("a < b", "x", {"one": [(512, 3000.0), (8192, 900.0)], "two": [(512, 100.0)]}),
        plot.Panel("alone", "x", {"one": [(1, 1.0)]})])
    document = xml.dom.minidom.parseString(drawing)
    assert len(document.getElementsByTagName("circle")) == 4
    assert "prefers-color-scheme: dark" in drawing
    heights = {circle.getAttribute("cy") for circle in document.getElementsByTagName("circle")}
    assert all(0 < float(one) < 400 for one in heights)
    first, second = document.getElementsByTagName("circle")[:2]
    assert float(first.getAttribute("cy")) < float(second.getAttribute("cy"))  # more is higher
