#!/usr/bin/env python3
"""Many clients at once: Quire, and its peers beside it, in the same run.

    bench/concurrency.py MODEL.gguf [--cases cached,new,...] [--json FILE]
    bench/concurrency.py MODEL.gguf --peer-server PATH/TO/llama-server --limit-seconds 60
    bench/concurrency.py MODEL.gguf --cases cached,new --openvino PATH/TO/python

OpenVINO GenAI is no server: it is given the prompts in its process, which costs it nothing.

Each case starts its server anew. Figures have the bar that they are to reach, if there is one, and
say whether they do. --json adds to a file what was measured, so that cases can be run one by one;
--print shows such a file. The peer is asked what it can do: it knows no tenants. Where it takes
longer than --limit-seconds for an answer, its figure is that bound. Keep the machine idle: the
clients run on it too.
"""
import argparse
import asyncio
import json
import pathlib
import random
import re
import subprocess
import sys
import time

import concurrency_cases as cases
import concurrency_memory as memory
import peers
import servers

ROOT = pathlib.Path(__file__).resolve().parent.parent

# name: (what is measured, whether a peer without tenants and metrics can do it)
CASES = {
    "cached": (cases.cached_prefix, True),
    "new": (cases.new_prefix, True),
    "stream": (cases.stream_beside_prefill, True),
    "short": (cases.short_behind_long, True),
    "full": (cases.full_arena, True),
    "queue": (cases.queue_truth, False),
    "gone": (memory.clients_gone, True),
    "agents": (memory.agents, True),
    "flood": (memory.flood, False),
    "probe": (memory.timing_probe, False),
    "waste": (memory.kv_waste, False),
}


OPENVINO_CAN = ("cached", "new")
PEERS = ["llama-server", "OpenVINO GenAI"]
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def model_info(flags):
    """The model's context, and about the bytes of KV of a token, from `quire info`."""
    text = subprocess.run([flags.quire, "info", flags.model], capture_output=True, text=True,
                          check=True).stdout
    context = int(re.search(r"^context +(\d+)", text, re.M)[1])
    size, unit = re.search(r"([\d.]+) (\w+) \(\w+, the default\)", text).groups()
    return context, float(size) * UNITS[unit]


def starter(flags, peer, token_bytes):
    def start(kv_tokens=0, threads=2, flags_more=(), tenants=()):
        if peer:
            return servers.Llama(flags.peer_server, flags.model, kv_tokens or 32768)
        own = ["--target-itl", flags.target_itl, *flags_more]
        if kv_tokens:
            own += ["--kv-memory", int(kv_tokens * token_bytes)]
        return servers.Quire(flags.quire, flags.model, threads, own, tenants)

    return start


def run_case(name, flags, peer, context, token_bytes):
    setting = cases.Setting(random.Random(flags.seed or time.time_ns()), context, flags.target_itl,
                            flags.limit_seconds, starter(flags, peer, token_bytes), peer)
    return [vars(figure) for figure in asyncio.run(CASES[name][0](setting))]


def openvino_case(name, flags):
    """OpenVINO GenAI's figures of "cached" or "new"."""
    talk = peers.Conversation([flags.openvino, ROOT / "bench/openvino_peer.py", flags.model, 2])
    try:
        talk.ask({"kind": "prefill", "tokens": 64}, 600)
        seen = talk.ask({"kind": "at_once", "prefix": 2000, "tail": 20, "tokens": 16, "clients": 8,
                         "cached": name == "cached"}, flags.limit_seconds)["value"]
    finally:
        talk.close()
    return [vars(cases.Figure("mean TTFT", cases.mean(cases.milliseconds(seen["first"])),
                              compared=True)),
            vars(cases.Figure("all answered after", 1000 * seen["all"], compared=True))]


def shown(figure):
    value = figure["value"] if figure else None
    if value is None:
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f} {figure['unit']}".strip()
    return f"{value:.3g} {figure['unit']}".strip()


def bar_of(figure):
    if figure["bar"] is None:
        return ""
    missed = (figure["value"] < figure["bar"] if figure["least"] else
              figure["value"] > figure["bar"]) if figure["value"] is not None else True
    return f"{'>=' if figure['least'] else '<='} {figure['bar']:.4g}{'  MISSED' if missed else ''}"


def table(result):
    """Lines of a Markdown table: Quire's figures, bars, the peer's, their ratio."""
    known = [peer for peer in PEERS if any(peer in one for one in result["cases"].values())]
    known = known or PEERS[:1]
    heads = ["case", "figure", "Quire", "bar"] + [head for peer in known for head in (peer, "ratio")]
    lines = [f"{result['model']}, target {result['target_itl_ms']} ms", "",
             f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, engines in result["cases"].items():
        theirs = [{figure["name"]: figure for figure in engines.get(peer, [])} for peer in known]
        for figure in engines.get("Quire", theirs[0].values()):
            cells = [name, figure["name"], shown(figure), bar_of(figure)]
            for found in theirs:
                peer = found.get(figure["name"])
                both = peer and figure["compared"] and figure["value"] and peer["value"]
                cells += [shown(peer) if peer else "",
                          f"{peer['value'] / figure['value']:.3g}x" if both else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--cases", default=",".join(CASES), help="(default: all)")
    parser.add_argument("--quire", default=str(ROOT / "build/release/quire"))
    parser.add_argument("--peer-server", help="llama.cpp's llama-server")
    parser.add_argument("--openvino", help="a Python that has the package openvino-genai")
    parser.add_argument("--only-peer", action="store_true", help="leave Quire out")
    parser.add_argument("--target-itl", type=int, default=150, help="Quire's, in ms")
    parser.add_argument("--limit-seconds", type=float, default=600, help="for one answer")
    parser.add_argument("--seed", type=int, default=0, help="of prompts and pauses; 0: the time")
    parser.add_argument("--json", help="file to add the figures to")
    parser.add_argument("--print", action="store_true", help="measure nothing, show --json's file")
    flags = parser.parse_args(arguments)
    flags.cases = [name for name in flags.cases.split(",") if name]
    for name in flags.cases:
        if name not in CASES:
            parser.error(f"there is no case '{name}'; cases are {', '.join(CASES)}")
    if flags.print and not flags.json:
        parser.error("--print needs --json")
    return flags


def load(flags):
    file = pathlib.Path(flags.json or "")
    result = json.loads(file.read_text()) if flags.json and file.exists() else {}
    if result and result["model"] != pathlib.Path(flags.model).name:
        sys.exit(f"{file} is of another model, {result['model']}")
    return result or {"model": pathlib.Path(flags.model).name, "cases": {},
                      "target_itl_ms": flags.target_itl}


def main():
    flags = parse(sys.argv[1:])
    result = load(flags)
    if not flags.print:
        context, token_bytes = model_info(flags)
        engines = [] if flags.only_peer else [("Quire", False)]
        engines += [(PEERS[0], True)] if flags.peer_server else []
        engines += [(PEERS[1], True)] if flags.openvino else []
        for name in flags.cases:
            for engine, peer in engines:
                if peer and (not CASES[name][1] or engine == PEERS[1] and name not in OPENVINO_CAN):
                    continue
                begun = time.monotonic()
                if engine == PEERS[1]:
                    figures = openvino_case(name, flags)
                else:
                    figures = run_case(name, flags, peer, context, token_bytes)
                result["cases"].setdefault(name, {})[engine] = figures
                print(f"{name}, {engine}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
                if flags.json:
                    pathlib.Path(flags.json).write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
