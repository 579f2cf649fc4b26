#!/usr/bin/env python3
"""An endless stream session: tokens a second and memory from its beginning to its end.

    bench/stream.py --model MODEL.gguf [--tokens 1000000] [--window 1024] [--piece 128]

Feeds pieces of random tokens into one session, each when the one before was read, and prints for
each tenth of the run how fast they were read and the resident memory of the server at its end.
Then the old stream and one that has just begun are fed in turns: whether a stream slows down with
its age shows in their ratio, whatever else the machine did for an hour.
"""
import argparse
import json
import pathlib
import random
import statistics
import tempfile
import time
import types

from restart import Server


def resident_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines()
                if line.startswith("VmRSS")) / 1024


def idle(server):
    """Waits until what was appended is being read, and then until nothing is any more."""
    def live():
        return json.loads(server.get("/v1/cache"))["tiers"]["ram"]["live_blocks"] > 0
    end = time.monotonic() + 0.1  # an append is answered before it is read
    while not live() and time.monotonic() < end:
        time.sleep(0.001)
    while live():
        time.sleep(0.002)


def start(flags, home):
    """A server with an empty stream session."""
    server = Server(types.SimpleNamespace(quire=flags.quire, model=flags.model), home,
                    "--disk", "0", "--kv-memory", flags.kv_memory)
    server.post("/v1/sessions", {"id": "feed", "seed": 1, "stream": {
        "sink_tokens": flags.sink, "window_tokens": flags.window}})
    return server


def feed(flags, server, rng, tokens):
    """Tokens a second, and how often the session has begun anew."""
    begun, fed = time.monotonic(), 0
    while fed < tokens:
        piece = [rng.randrange(260, 2000) for _ in range(flags.piece)]
        told = server.post("/v1/sessions/feed/append", {"tokens": piece})
        fed += flags.piece
        idle(server)
    return fed / (time.monotonic() - begun), told["stream"]["rebases"]


def compare(flags, old, home, rng):
    """The old stream beside one that has just filled its window, in turns: a machine that is busy
    for a while slows down both."""
    fresh = start(flags, home)
    feed(flags, fresh, rng, 2 * flags.window)
    ratios = []
    for pair in range(flags.pairs):
        rate = {}
        for server in (old, fresh) if pair % 2 else (fresh, old):
            rate[server], _ = feed(flags, server, rng, flags.window)
        ratios.append(rate[old] / rate[fresh])
    fresh.stop()
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"tokens a second beside a stream that begins now: median {middle:.3f} of {flags.pairs} "
          f"pairs (quartiles {low:.3f}, {high:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int, default=1000000)
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--piece", type=int, default=128)
    parser.add_argument("--sink", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=20, help="of the old stream and a new one")
    parser.add_argument("--kv-memory", default="64MiB")
    flags = parser.parse_args()
    rng = random.Random(1)
    with (tempfile.TemporaryDirectory(dir="/var/tmp") as home,
          tempfile.TemporaryDirectory(dir="/var/tmp") as other):
        server = start(flags, home)
        tenths, memory = [], []
        for tenth in range(1, 11):
            rate, rebases = feed(flags, server, rng, flags.tokens // 10)
            tenths.append(rate)
            memory.append(resident_mib(server.process))
            print(f"{flags.tokens * tenth // 10:9} tokens: {rate:8.0f} a second, {memory[-1]:7.1f} MiB "
                  f"resident, begun anew {rebases} times", flush=True)
        middle = statistics.median(tenths[1:])
        spread = max(abs(one / middle - 1) for one in tenths[1:])
        print(f"after the first tenth: tokens a second within {100 * spread:.1f} % of their median, "
              f"resident memory within {100 * (max(memory[1:]) / min(memory[1:]) - 1):.1f} %")
        compare(flags, server, other, rng)
        server.stop()


if __name__ == "__main__":
    main()
