#!/usr/bin/env python3
"""Renews the figures of docs/performance.md.

    bench/report.py measure --peers /path/to/llama.cpp/bin --openvino /path/to/python
    bench/report.py measure --models smollm2-135m --rows prefill-512,decode-128 ...
    bench/report.py accuracy --models smollm2-135m
    bench/report.py write
    bench/report.py measure --page avx2 ...      docs/performance_avx2.md, another machine's figures

`measure` runs bench/compare.py for each model and row and keeps what came out in
docs/performance/figures.json, replacing what was there of the same model and row; `accuracy` does
so with bench/error_budget. `write` makes the tables of docs/performance.md between its markers and
the plots beside the figures from that file; both others end with it. A whole run takes about an hour.
Figures of another machine than the page's replace all that it had.
"""
import argparse
import datetime
import json
import pathlib
import shlex
import subprocess
import sys

import plot
import targets

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance" / "figures.json"
MODELS = ("smollm2-135m", "gemma3-270m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
TARGET_ROWS = ("prefill-512,prefill-2048,prefill-8192,decode-128,depth-4096,clients-16,shared-8,load,"
               "memory")
PLOT_ROWS = "prefill-128,prefill-1024,prefill-4096,depth-512,depth-1024,depth-2048,depth-8000"
OPENVINO_READS = ("smollm2-135m", "qwen2.5-coder-1.5b")  # it refuses files with Q5_0
TEXTS = ("docs/architecture.md", "docs/decisions.md", "src/engine/step_loop.cc")


def choose_page(name):
    """Each machine has a page: "" is the first one, "avx2" is docs/performance_avx2.md."""
    global PAGE, FIGURES
    if name:
        PAGE = ROOT / "docs" / f"performance_{name}.md"
        FIGURES = ROOT / "docs" / "performance" / name / "figures.json"
    if not PAGE.exists():
        sys.exit(f"{PAGE} is not there: copy docs/performance.md and clear what stands between its "
                 "markers")


def load():
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else {"models": {}}


def save(figures):
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


def model_path(name):
    local = ROOT / "models" / f"{name}.gguf"
    return local if local.exists() else pathlib.Path.home() / f".cache/quire/models/{name}.gguf"


def output_of(command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"{' '.join(map(str, command))}: exit {done.returncode}", file=sys.stderr)
        return None
    return done.stdout


def compare_command(flags, model, row):
    command = [*shlex.split(flags.wrap), sys.executable, ROOT / "bench" / "compare.py",
               model_path(model), "--rows", row, "--json", "--quire", flags.quire, "--threads",
               flags.threads, "--rounds", flags.rounds, "--row-seconds", flags.row_seconds,
               "--limit-seconds", flags.limit_seconds]
    side_by_side = row.startswith(("clients", "shared"))
    if flags.peers and side_by_side:
        command += ["--peer-batched", pathlib.Path(flags.peers) / "llama-batched-bench"]
    elif flags.peers:
        kinds = "f16,q8_0" if row.startswith(("prefill", "depth")) else "f16"
        command += ["--peer", pathlib.Path(flags.peers) / "llama-bench", "--peer-kv", kinds]
    if flags.openvino and model in OPENVINO_READS:
        command += ["--openvino", flags.openvino]
    return command


def measure(flags):
    for model in flags.models.split(","):
        if not model_path(model).exists():
            print(f"{model}: not there; tools/fetch_model {model} fetches it", file=sys.stderr)
            continue
        for row in flags.rows.split(","):
            out = output_of(compare_command(flags, model, row))
            if out is None:
                continue
            result = json.loads(out)
            other = result["rows"][0]["cores_busy_with_other_work"]
            if other > flags.other_cores:
                print(f"{model} {row}: not kept, other processes kept {other:.1f} cores busy",
                      file=sys.stderr)
                continue
            figures = load()  # anew: runs may be repeated piece by piece
            drop_other_machine(figures, result["machine"])
            mine = figures["models"].setdefault(model, {"rows": {}})
            mine["rows"][row] = result["rows"][0]
            for key in ("versions", "machine", "peaks", "kv_format"):
                if key in result:
                    figures[key] = result[key]
            figures["threads"] = result["threads"]
            figures["taken"] = datetime.date.today().isoformat()
            save(figures)
            print(f"{model} {row}: {result['rows'][0]['engines']['Quire']['median']:.4g}",
                  file=sys.stderr)


def drop_other_machine(figures, machine):
    """Rates of two machines cannot stand in one table; accuracy is the same on all."""
    if figures.get("machine", machine)["cpu"] == machine["cpu"]:
        return
    for model in figures["models"].values():
        model["rows"] = {}


def accuracy(flags):
    program = pathlib.Path(flags.quire).parent / "bench" / "error_budget"
    for model in flags.models.split(","):
        out = output_of([program, model_path(model), *(ROOT / text for text in TEXTS), "--json"])
        if out is None:
            continue
        figures = load()
        figures["models"].setdefault(model, {"rows": {}})["accuracy"] = json.loads(out)
        save(figures)


def is_amd(figures):
    return "AMD" in figures.get("machine", {}).get("cpu", "")


def targets_of(figures):
    return targets.of(figures.get("versions", {}).get("isa", ""))


def percent(share):
    return f"{share * 100:.0f} %"


def wanted(target, amd):
    """What the row must reach, in words."""
    if target.row == "load":
        return f"< {target.most:g} s"
    if target.row == "memory":
        return f"<= {target.most:g}x file + KV"
    words = [f">= {target.better:g}x"] if target.better else []
    words += [f">= {times:g}x {name}" for name, times in target.named]
    share = target.share_amd if amd else target.share_intel
    name = {"of_dot_peak": "of dot peak", "of_read_bandwidth": "of read bandwidth",
            "attention_of_peak": "of attention's peak"}.get(target.share)
    if name:
        words.append(f"{'or ' if target.either else ''}>= {percent(share)} {name}")
    return ", ".join(words)


def reached(target, row):
    if target.row == "load":
        return f"{row['engines']['Quire']['median']:.2f} s"
    if target.row == "memory":
        return f"{targets.memory_ratio(row):.2f}x"
    words = []
    if target.better and targets.best_ratio(row) is not None:
        words.append(f"{targets.best_ratio(row):.2f}x")
    for name, _ in target.named:
        found = targets.best_ratio(row, name)
        words.append(f"{name}: " + ("not measured" if found is None else f"{found:.2f}x"))
    if target.share and row.get(target.share) is not None:
        words.append(percent(row[target.share]))
    return ", ".join(words)


def target_table(figures):
    amd = is_amd(figures)
    text = ["| row | model | must reach | reached | holds |", "|---|---|---|---|---|"]
    for target in targets_of(figures):
        row = figures["models"].get(target.model, {}).get("rows", {}).get(target.row)
        if row is None:
            text.append(f"| {target.row} | {target.model} | {wanted(target, amd)} | not measured | |")
            continue
        verdict = {True: "yes", False: "**no**", None: "open"}[targets.holds(target, row, amd)]
        text.append(f"| {target.row} | {target.model} | {wanted(target, amd)} | "
                    f"{reached(target, row)} | {verdict} |")
    return "\n".join(text)


def spread(row, entry):
    if not entry.get("samples"):
        return entry.get("note", "")
    unit = 2 ** 20 if row["row"] == "memory" else 1
    numbers = [entry["median"], min(entry["samples"]), max(entry["samples"])]
    middle, least, most = (f"{one / unit:.4g}" for one in numbers)
    return f"{middle} ({least}-{most})"


def rate_tables(figures):
    text = []
    for model, found in figures["models"].items():
        text += [f"### {model}", "", "| | engine | median (least-greatest) | Quire is better by |",
                 "|---|---|---|---|"]
        for row in found["rows"].values():
            says = row["says"]
            for name, entry in row["engines"].items():
                ratio = targets.ratio_of(entry)
                bound = "over " if "ratio_at_least" in entry else ""
                better = "" if ratio is None else f"{bound}{ratio:.2f}x"
                text.append(f"| {says} | {name} | {spread(row, entry)} | {better} |")
                says = ""
        text.append("")
    return "\n".join(text).rstrip()


def machine(figures):
    def giga(name):
        peak = figures["peaks"][name]
        return f"{peak['one_core'] / 1e9:.0f} one core, {peak['all_cores'] / 1e9:.0f} all"

    versions, where = figures["versions"], figures["machine"]
    return "\n".join([
        f"Taken {figures['taken']}, {figures['threads']} threads, KV {figures['kv_format']}.", "",
        "| | |", "|---|---|",
        f"| CPU | {where['cpu']} |", f"| system | {where['system']} |",
        f"| Quire | {versions['quire']}, {versions['isa']}, numerics {versions['numerics']}, "
        f"compiler {versions['compiler']} |",
        f"| byte dot, Gop/s | {giga('dot_ops_per_second')} |",
        f"| float32 FMA, Gop/s | {giga('fma_ops_per_second')} |",
        f"| read, 2 MiB pages, GB/s | {giga('read_bytes_per_second_huge_pages')} |",
        f"| read, 4 KiB pages, GB/s | {giga('read_bytes_per_second_small_pages')} |",
    ])


def phases_table(figures):
    """Where the time of Quire's passes went, of the rows that have been measured with it."""
    text = []
    for model, found in figures["models"].items():
        for name, row in found["rows"].items():
            phases = row.get("phases")
            if not phases:
                continue
            if not text:
                text = ["| model | row | " + " | ".join(phases["share"]) + " | outside kernels |",
                        "|---|---|" + "---|" * (len(phases["share"]) + 1)]
            shares = " | ".join(percent(share) for share in phases["share"].values())
            text.append(f"| {model} | {name} | {shares} | {percent(phases['outside_kernels'])} |")
    return "\n".join(text) or "Not measured yet."


def accuracy_table(figures):
    text = ["| model | computed in | NLL | change | divergence from float32 | same likeliest token |",
            "|---|---|---|---|---|---|"]
    for model, found in figures["models"].items():
        ways = found.get("accuracy", [])
        for way in ways:
            change = way["nll"] / ways[0]["nll"] - 1
            text.append(f"| {model} | {way['name']} | {way['nll']:.5f} | {change * 100:+.3f} % | "
                        f"{way['divergence']:.5f} | {way['same_top'] * 100:.2f} % |")
    return "\n".join(text) if len(text) > 2 else "Not measured yet."


def curve(found, kind):
    """{engine: [(context, rate)]} of the rows that read, or that generate."""
    series = {}
    for row in found["rows"].values():
        case = row["case"]
        if case["kind"] != kind or case["clients"] > 1:
            continue
        at = case["tokens"] if kind == "prefill" else max(case["depth"], 64)  # half of 128
        for name, entry in row["engines"].items():
            if entry.get("median"):
                series.setdefault(name, []).append((at, entry["median"]))
    return series


def plots(figures):
    """Writes one SVG a model and returns the lines that show them."""
    text = []
    for model, found in figures["models"].items():
        reading, generating = curve(found, "prefill"), curve(found, "decode")
        if not reading or not generating:
            continue
        drawing = plot.draw([
            plot.Panel(f"{model}: reading, tokens/s", "tokens of the prompt", reading),
            plot.Panel("generating, tokens/s", "tokens of context", generating)])
        (FIGURES.parent / f"{model}.svg").write_text(drawing)
        text += [f"![{model}: tokens per second over length of context]"
                 f"(performance/{model}.svg)", ""]
    return "\n".join(text).rstrip() or "Not measured yet."


def fill(text, name, body):
    """Replaces what stands between <!-- name --> and <!-- end name -->."""
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"{PAGE} has no markers {start} ... {end}")
    return f"{before}{start}\n{body}\n{end}{after}"


def write(figures):
    text = PAGE.read_text()
    for name, body in (("machine", machine(figures)), ("targets", target_table(figures)),
                       ("plots", plots(figures)), ("rates", rate_tables(figures)),
                       ("phases", phases_table(figures)), ("accuracy", accuracy_table(figures))):
        if name == "accuracy" and f"<!-- {name} -->" not in text:
            continue  # does not depend on the machine: the first page has it
        text = fill(text, name, body)
    PAGE.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "accuracy", "write"))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rows", default=f"{TARGET_ROWS},{PLOT_ROWS}")
    parser.add_argument("--page", default="", help="the machine's page: 'avx2'; none: the first")
    parser.add_argument("--quire", default=str(ROOT / "build/release/quire"))
    parser.add_argument("--peers", help="folder of llama-bench and llama-batched-bench")
    parser.add_argument("--openvino", help="a Python that has the package openvino-genai")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--row-seconds", type=float, default=60)
    parser.add_argument("--limit-seconds", type=float, default=90)
    parser.add_argument("--other-cores", type=float, default=0.15,
                        help="rows beside more other work than this are not kept")
    parser.add_argument("--wrap", default="", help="a command to run each comparison by, as 'nice'")
    flags = parser.parse_args()
    choose_page(flags.page)
    if flags.what == "measure":
        if not (flags.peers or flags.openvino):
            parser.error("name a peer: --peers or --openvino")
        measure(flags)
    if flags.what == "accuracy":
        accuracy(flags)
    if FIGURES.exists():
        write(load())


if __name__ == "__main__":
    main()
