#!/usr/bin/env python3
"""Compares Quire with other engines on this machine: same GGUF file, same threads, in turn.

    bench/compare.py MODEL.gguf --peer PATH/TO/llama-bench --peer-batched PATH/TO/llama-batched-bench
    bench/compare.py MODEL.gguf --openvino PATH/TO/python --rows prefill-512,decode-128
    bench/compare.py MODEL.gguf --peer ... --markdown

Each row is measured A B A B: Quire, each peer, Quire again ... until --rounds rounds are done or
--row-seconds have passed (but once at least). Prints medians with their spread (least-greatest) and,
for each peer, the median of the rounds' ratios. A peer that does not finish in time is not asked
again: its row says so, and the ratio is a lower bound. Only figures of one run are comparable, so
keep the machine otherwise idle.
"""
import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import time

import peers

ROOT = pathlib.Path(__file__).resolve().parent.parent

ROWS = {one.name: one for one in (
    peers.Case("prefill-512", "prefill", 512),
    peers.Case("prefill-2048", "prefill", 2048),
    peers.Case("prefill-8192", "prefill", 8192),
    peers.Case("decode-128", "decode", 128),
    peers.Case("decode-deep", "decode", 32, depth=4096),
    peers.Case("clients-16", "decode", 32, depth=512, clients=16),
    peers.Case("shared-8", "decode", 16, depth=2000, clients=8, shared_prefix=2000),
    peers.Case("load", "load"),
    peers.Case("memory", "memory"),
)}

SAYS = {
    "prefill-512": "read 512 tokens, tokens/s",
    "prefill-2048": "read 2048 tokens, tokens/s",
    "prefill-8192": "read 8192 tokens, tokens/s",
    "decode-128": "generate 128 tokens, tokens/s",
    "decode-deep": "generate at depth 4096, tokens/s",
    "clients-16": "16 clients at depth 512, tokens/s in all",
    "shared-8": "8 clients on a shared prefix of 2000, tokens/s in all",
    "load": "start to first token, s",
    "memory": "peak resident memory, MiB",
}
LESS_IS_BETTER = ("load", "memory")


@dataclasses.dataclass
class Figures:
    """What one engine showed in one row."""
    samples: list = dataclasses.field(default_factory=list)
    note: str = ""         # why there are none
    bound: float = 0.0     # if it ran out of time: it is no better than this

    @property
    def median(self):
        return statistics.median(self.samples) if self.samples else None


def take(engine, case, figures, limit_seconds):
    """One sample more; False if there is no point in asking again."""
    try:
        value = engine.sample(case, limit_seconds)
    except peers.TimeLimit as late:
        figures.note = str(late)
        if case.kind == "prefill":
            figures.bound = case.tokens / limit_seconds
        return False
    except (peers.Failed, ValueError, KeyError, IndexError) as error:
        figures.note = f"failed: {error}"
        return False
    if value is None:
        figures.note = "not offered"
        return False
    figures.samples.append(value)
    return True


def measure_row(case, engines, flags):
    """A B A B ...; returns {engine name: Figures} with Quire first, and Quire's last JSON."""
    found = {engine.name: Figures() for engine in engines}
    asked = list(engines)
    if case.kind == "load":
        for engine in engines:  # the second start is what counts
            take(engine, case, Figures(), flags.limit_seconds)
    end = time.monotonic() + flags.row_seconds
    for _ in range(flags.rounds):
        asked = [engine for engine in asked
                 if take(engine, case, found[engine.name], flags.limit_seconds)]
        if engines[0] not in asked or time.monotonic() > end:
            break
    return found


def ratios(case, ours, theirs):
    """How many times better we were, round by round."""
    pairs = list(zip(ours.samples, theirs.samples))
    if case.name in LESS_IS_BETTER:
        return [b / a for a, b in pairs]
    return [a / b for a, b in pairs]


def row_json(case, found, quire):
    row = {"row": case.name, "says": SAYS[case.name], "case": dataclasses.asdict(case),
           "engines": {}}
    ours = found[quire.name]
    for name, figures in found.items():
        if figures.note == "not offered":
            continue
        entry = {"median": figures.median, "samples": figures.samples}
        if figures.note:
            entry["note"] = figures.note
        if figures.bound:
            entry["at_most"] = figures.bound
        if name != quire.name:
            better = ratios(case, ours, figures)
            if better:
                entry["ratio"] = statistics.median(better)
                entry["ratio_least"], entry["ratio_greatest"] = min(better), max(better)
            elif figures.bound and ours.median:
                entry["ratio_at_least"] = ours.median / figures.bound
        row["engines"][name] = entry
    if quire.last is not None and case.kind in ("prefill", "decode"):
        one = quire.last["cases"][0]
        row["of_dot_peak"] = one["of_dot_peak"]
        row["of_read_bandwidth"] = one["of_read_bandwidth"]
        row["of_limit"] = one["of_limit"]
        row["phases"] = one.get("phases")
        row["cores_busy_with_other_work"] = quire.last["cores_busy_with_other_work"]
    if quire.last is not None and case.kind == "memory":
        row["memory"] = quire.last["memory"]
    return row


def number(case, value):
    if case.kind == "memory":
        return f"{value / 2**20:.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def spread(case, entry):
    if not entry["samples"]:
        return entry.get("note", "-")
    least, greatest = min(entry["samples"]), max(entry["samples"])
    return (f"{number(case, entry['median'])} "
            f"({number(case, least)}-{number(case, greatest)})")


def ratio_text(entry):
    if "ratio" in entry:
        return f"{entry['ratio']:.2f} ({entry['ratio_least']:.2f}-{entry['ratio_greatest']:.2f})"
    if "ratio_at_least" in entry:
        return f"over {entry['ratio_at_least']:.2f}"
    return ""


def lines_of(row):
    """(engine, figures, ratio) of one row, Quire first."""
    case = ROWS[row["row"]]
    for name, entry in row["engines"].items():
        yield name, spread(case, entry), ratio_text(entry)


def print_text(row):
    print(row["says"])
    for name, figures, better in lines_of(row):
        print(f"  {name:22} {figures:34} {'ratio ' + better if better else ''}".rstrip())
    sys.stdout.flush()


def markdown(result):
    head = f"{result['model']}, {result['threads']} threads"
    text = [f"| {head} | engine | median (least-greatest) | Quire is better by |",
            "|---|---|---|---|"]
    for row in result["rows"]:
        says = row["says"]
        for name, figures, better in lines_of(row):
            text.append(f"| {says} | {name} | {figures} | {better} |")
            says = ""
    return "\n".join(text)


def engines_of(flags):
    quire = peers.Quire(flags.quire, flags.model, flags.threads, flags.kv_format)
    engines = [quire]
    if flags.peer:
        engines += [peers.LlamaBench(flags.peer, flags.model, flags.threads, kind)
                    for kind in flags.peer_kv.split(",")]
    if flags.peer_batched:
        engines += [peers.LlamaBatched(flags.peer_batched, flags.model, flags.threads, unified)
                    for unified in (False, True)]
    if flags.openvino:
        engines.append(peers.OpenVino(flags.openvino, flags.model, flags.threads))
    if flags.peer_server:
        engines.append(peers.Server("Quire's server", lambda port: [
            flags.quire, "serve", flags.model, "--threads", flags.threads, "--port", port,
            "--log-level", "warn"]))
        engines.append(peers.Server("llama-server", lambda port: [
            flags.peer_server, "-m", flags.model, "-t", flags.threads, "--port", port]))
    return engines


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--peer", help="llama.cpp's llama-bench")
    parser.add_argument("--peer-kv", default="f16,q8_0", help="its KV types, as f16,q8_0")
    parser.add_argument("--peer-batched", help="llama.cpp's llama-batched-bench")
    parser.add_argument("--peer-server", help="llama.cpp's llama-server, for the row load")
    parser.add_argument("--openvino", help="a Python that has the package openvino-genai")
    parser.add_argument("--quire", default=str(ROOT / "build/release/quire"))
    parser.add_argument("--kv-format", default="auto", help="Quire's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--row-seconds", type=float, default=60, help="no new round after these")
    parser.add_argument("--limit-seconds", type=float, default=90, help="for one sample")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    flags = parser.parse_args(arguments)
    flags.rows = [row for row in flags.rows.split(",") if row]
    for row in flags.rows:
        if row not in ROWS:
            parser.error(f"there is no row '{row}'; there are {', '.join(ROWS)}")
    if not pathlib.Path(flags.model).is_file():
        parser.error(f"there is no file {flags.model}")
    if not (flags.peer or flags.peer_batched or flags.openvino or flags.peer_server):
        parser.error("name a peer: --peer, --peer-batched, --openvino or --peer-server")
    return flags


def main():
    flags = parse(sys.argv[1:])
    engines = engines_of(flags)
    result = {"model": pathlib.Path(flags.model).name, "threads": flags.threads, "rows": []}
    try:
        for name in flags.rows:
            found = measure_row(ROWS[name], engines, flags)
            row = row_json(ROWS[name], found, engines[0])
            result["rows"].append(row)
            if not (flags.json or flags.markdown):
                print_text(row)
            ours = found[engines[0].name]
            if not ours.samples:
                sys.exit(f"Quire: {ours.note}")
    finally:
        for engine in engines:
            engine.close()
    if engines[0].last is not None:
        for key in ("versions", "machine", "peaks", "kv_format"):
            result[key] = engines[0].last[key]
    if flags.json:
        print(json.dumps(result, indent=2))
    if flags.markdown:
        print(markdown(result))


if __name__ == "__main__":
    main()
