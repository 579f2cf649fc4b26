#!/usr/bin/env python3
"""An endless stream session: tokens a second and memory from its beginning to its end.

    bench/stream.py --model MODEL.gguf [--tokens 1000000] [--window 1024] [--piece 128]

Feeds pieces of random tokens into one session, each when the one before was read, and prints for
each tenth of the run how fast they were read and the resident memory of the server at its end.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int, default=1000000)
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--piece", type=int, default=128)
    parser.add_argument("--sink", type=int, default=16)
    parser.add_argument("--kv-memory", default="64MiB")
    flags = parser.parse_args()
    rng = random.Random(1)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        server = Server(types.SimpleNamespace(quire=flags.quire, model=flags.model), home,
                        "--disk", "0", "--kv-memory", flags.kv_memory)
        server.post("/v1/sessions", {"id": "feed", "seed": 1, "stream": {
            "sink_tokens": flags.sink, "window_tokens": flags.window}})
        tenths, memory, fed = [], [], 0
        for tenth in range(10):
            begun, until = time.monotonic(), flags.tokens * (tenth + 1) // 10
            start = fed
            while fed < until:
                piece = [rng.randrange(260, 2000) for _ in range(flags.piece)]
                told = server.post("/v1/sessions/feed/append", {"tokens": piece})
                fed += flags.piece
                idle(server)
            tenths.append((fed - start) / (time.monotonic() - begun))
            memory.append(resident_mib(server.process))
            print(f"{fed:9} tokens: {tenths[-1]:8.0f} a second, {memory[-1]:7.1f} MiB resident, "
                  f"begun anew {told['stream']['rebases']} times", flush=True)
        server.stop()
    middle = statistics.median(tenths[1:])
    rate = max(abs(one / middle - 1) for one in tenths[1:])
    spread = max(memory[1:]) / min(memory[1:]) - 1
    print(f"after the first tenth: tokens a second within {100 * rate:.1f} % of their median, "
          f"resident memory within {100 * spread:.1f} %")


if __name__ == "__main__":
    main()
