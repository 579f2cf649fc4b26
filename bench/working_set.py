#!/usr/bin/env python3
"""Agents whose KV is ten times what memory holds: how much of their prompts is found in RAM or on disk.

    bench/working_set.py --model MODEL.gguf --trace agentic_sessions_355.ndjson [--sessions 20]

Replays sessions of an agentic trace with a real model, all lengths divided by 16: each block id of
the trace stands for 4 tokens that are always the same for it. Sessions whose longest request is over
the model's context are left out and counted. `--kv-memory` is set to a tenth of the bytes that the
distinct tokens of the sessions need, and the disk holds the rest. Requests come in the order of the
trace's clock, all sessions side by side, each when the one before was answered.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import tempfile
import time

from restart import Server

DIVISOR = 16
BLOCK = 64 // DIVISOR  # tokens that one block id of the trace stands for


def expanded(suffix):
    """Block ids of a trace's suffix: ints, and [a, b] for all from a to b."""
    ids = []
    for one in suffix:
        ids += range(one[0], one[1] + 1) if isinstance(one, list) else [one]
    return ids


def requests_of(entries, found):
    """(seconds, block ids) of all requests of a session, those of its sub-agents too."""
    before = []
    for entry in entries:
        if isinstance(entry, dict):
            requests_of(entry["sub"], found)
            continue
        before = before[:entry[7]] + expanded(entry[8])
        found.append((entry[0], before))
    return found


def read_sessions(path, context):
    """{id: requests} of all sessions that the context holds, and how many it does not hold."""
    sessions, left_out = {}, 0
    for line in pathlib.Path(path).read_text().splitlines():
        told = json.loads(line)
        requests = requests_of(told["requests"], [])
        if max(len(ids) for _, ids in requests) * BLOCK + 1 > context:
            left_out += 1
        else:
            sessions[told["id"]] = requests
    return sessions, left_out


def tokens_of(session, ids):
    """BLOCK tokens for each id, the same whenever it comes."""
    tokens = []
    for one in ids:
        draw = random.Random(f"{session} {one}")
        tokens += [draw.randrange(1000, 20000) for _ in range(BLOCK)]
    return tokens


def replay(flags, sessions, home):
    distinct = BLOCK * sum(len({one for _, ids in requests for one in ids})
                           for requests in sessions.values())
    memory = max(flags.least_memory << 20, distinct * flags.bytes_per_token // 10)
    server = Server(flags, home, "--disk", flags.disk, "--kv-memory", str(memory))
    order = sorted((seconds, name, number) for name, requests in sessions.items()
                   for number, (seconds, _) in enumerate(requests))
    total = dict.fromkeys(("prompt", "ram", "disk", "computed"), 0)
    best, seen = 0, {name: set() for name in sessions}
    begun = told = time.monotonic()
    for done, (_, name, number) in enumerate(order, 1):
        ids = sessions[name][number][1]
        best += BLOCK * next((at for at, one in enumerate(ids) if one not in seen[name]), len(ids))
        seen[name].update(ids)
        receipt = server.complete(tokens_of(name, ids), 1)["quire"]
        total["prompt"] += len(ids) * BLOCK
        total["computed"] += receipt["computed_tokens"]
        for tier in ("ram", "disk"):
            total[tier] += receipt["cached_tokens"][tier]
        if time.monotonic() - told > 30 or done == len(order):
            told = time.monotonic()
            print(f"{done}/{len(order)} requests, {told - begun:.0f} s: " +
                  ", ".join(f"{key} {value}" for key, value in total.items()), flush=True)
    written = server.written()
    server.stop()
    found = (total["ram"] + total["disk"]) / total["prompt"]
    print(f"{len(sessions)} sessions, {distinct} distinct tokens, --kv-memory {memory >> 20} MiB, "
          f"{written / 2**20:.0f} MiB written to disk")
    print(f"found: {100 * found:.2f} % of prompt tokens ({100 * total['ram'] / total['prompt']:.2f} "
          f"in RAM, {100 * total['disk'] / total['prompt']:.2f} on disk); "
          f"a memory without end finds {100 * best / total['prompt']:.2f} %")
    print(f"bar 94 %: {'met' if found >= 0.94 else 'MISSED'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--model", required=True)
    parser.add_argument("--trace", required=True)
    parser.add_argument("--context", type=int, default=8192, help="the model's")
    parser.add_argument("--sessions", type=int, default=20, help="drawn from those that fit; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bytes-per-token", type=int, default=17640,
                        help="of KV, as `quire info` prints")
    parser.add_argument("--least-memory", type=int, default=160,
                        help="MiB: one request at the full context must fit")
    parser.add_argument("--disk", default="16GiB")
    flags = parser.parse_args()
    sessions, left_out = read_sessions(flags.trace, flags.context)
    print(f"{left_out} sessions are over the context of {flags.context} tokens and are left out, "
          f"{len(sessions)} fit", flush=True)
    if flags.sessions:
        drawn = random.Random(flags.seed).sample(sorted(sessions), min(flags.sessions, len(sessions)))
        sessions = {name: sessions[name] for name in drawn}
    home = tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        replay(flags, sessions, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
