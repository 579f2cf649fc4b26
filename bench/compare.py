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

SHARED_TOKENS = 2000
CLIENTS_DEPTH = 512

# kind of row: (what a number after the dash makes of it, what it says)
KINDS = {
    "prefill": (lambda name, n: peers.Case(name, "prefill", n), "read {} tokens, tokens/s"),
    "decode": (lambda name, n: peers.Case(name, "decode", n), "generate {} tokens, tokens/s"),
    "depth": (lambda name, n: peers.Case(name, "decode", 32, depth=n),
              "generate at depth {}, tokens/s"),
    "clients": (lambda name, n: peers.Case(name, "decode", 32, depth=CLIENTS_DEPTH, clients=n),
                f"{{}} clients at depth {CLIENTS_DEPTH}, tokens/s in all"),
    "shared": (lambda name, n: peers.Case(name, "decode", 16, depth=SHARED_TOKENS, clients=n,
                                          shared_prefix=SHARED_TOKENS),
               f"{{}} clients on a shared prefix of {SHARED_TOKENS}, tokens/s in all"),
    "load": (lambda name, n: peers.Case(name, "load"), "start to first token, s"),
    "memory": (lambda name, n: peers.Case(name, "memory"), "peak resident memory, MiB"),
}
DEFAULT_ROWS = ("prefill-512,prefill-2048,prefill-8192,decode-128,depth-4096,clients-16,shared-8,"
                "load,memory")
LESS_IS_BETTER = ("load", "memory")


def case_of(name):
    """The case of a row's name, "depth-4096"; ValueError if there is no such row."""
    kind, _, number = name.partition("-")
    if kind not in KINDS or (number == "") != (kind in LESS_IS_BETTER):
        raise ValueError(name)
    count = int(number or 0)
    if count < 0 or (kind not in LESS_IS_BETTER and count == 0):
        raise ValueError(name)
    return KINDS[kind][0](name, count)


def says_of(name):
    kind, _, number = name.partition("-")
    return KINDS[kind][1].format(number)


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


def warm_up(engines, flags):
    """A first run pays for reading the file, and for a machine that was doing something else."""
    for engine in engines:
        take(engine, case_of("prefill-32"), Figures(), flags.limit_seconds)


def measure_row(case, engines, flags):
    """A B A B ...; returns {engine name: Figures} with Quire first, and Quire's last JSON."""
    found = {engine.name: Figures() for engine in engines}
    asked = list(engines)
    if case.kind == "load":
        for engine in engines:  # the second start is what counts
            take(engine, case, Figures(), flags.limit_seconds)
    engines[0].other_cores = 0
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
    row = {"row": case.name, "says": says_of(case.name), "case": dataclasses.asdict(case),
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
        row["attention_of_peak"] = one.get("attention_of_peak")
        row["phases"] = one.get("phases")
    row["cores_busy_with_other_work"] = quire.other_cores
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
    case = case_of(row["row"])
    for name, entry in row["engines"].items():
        yield name, spread(case, entry), ratio_text(entry)


def print_text(row):
    print(row["says"])
    for name, figures, better in lines_of(row):
        print(f"  {name:26} {figures:30} {'ratio ' + better if better else ''}".rstrip())
    if row.get("cores_busy_with_other_work", 0) > 0.1:
        print(f"  (other processes kept {row['cores_busy_with_other_work']:.1f} cores busy)")
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


def check_names(engines):
    names = [engine.name for engine in engines]
    assert len(set(names)) == len(names), names


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
    check_names(engines)
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
    parser.add_argument("--rows", default=DEFAULT_ROWS, help=f"(default: {DEFAULT_ROWS})")
    parser.add_argument("--row-seconds", type=float, default=60, help="no new round after these")
    parser.add_argument("--limit-seconds", type=float, default=90, help="for one sample")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    flags = parser.parse_args(arguments)
    flags.rows = [row for row in flags.rows.split(",") if row]
    for row in flags.rows:
        try:
            case_of(row)
        except ValueError:
            kinds = ", ".join(kind if kind in LESS_IS_BETTER else f"{kind}-N" for kind in KINDS)
            parser.error(f"there is no row '{row}'; rows are {kinds}")
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
        warm_up(engines, flags)
        for name in flags.rows:
            found = measure_row(case_of(name), engines, flags)
            row = row_json(case_of(name), found, engines[0])
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
