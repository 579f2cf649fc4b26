#!/usr/bin/env python3
"""What a fork of a long session costs: time, bytes of KV, and what a hundred of them hold.

    bench/fork.py --model MODEL.gguf [--tokens 32000] [--forks 100]

Reads a prompt into a session, forks it many times, and lets each fork go on with a tail of its own.
Beside each fork the time of one durable commit of SQLite in the same folder is taken, since a fork
is acknowledged only when it is durable.
"""
import argparse
import json
import os
import random
import re
import shutil
import sqlite3
import statistics
import tempfile
import time

from restart import Server
from stream import idle, resident_mib

BLOCK_TOKENS = 16


def used_blocks(server):
    found = dict(re.findall(r'^quire_kv_blocks\{state="(\w+)"\} (\S+)$', server.get("/metrics"), re.M))
    return sum(float(found[state]) for state in ("live", "idle", "pinned"))


def read_through(server, blocks):
    """Waits until so many blocks are in memory and nothing is being computed any more."""
    while used_blocks(server) < blocks:
        time.sleep(0.1)
    idle(server)


def commit_ms(database):
    begun = time.monotonic()
    database.execute("INSERT INTO row VALUES (randomblob(200))")
    database.commit()
    return 1000 * (time.monotonic() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int, default=32000)
    parser.add_argument("--forks", type=int, default=100)
    parser.add_argument("--tail", type=int, default=20)
    parser.add_argument("--kv-memory", default="2GiB")
    flags = parser.parse_args()
    rng = random.Random(1)
    home = tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/var/tmp"))
    server = Server(flags, home, "--disk", "0", "--kv-memory", flags.kv_memory)
    try:
        server.post("/v1/sessions", {"id": "root", "seed": 1})
        prompt = [rng.randrange(1000, 20000) for _ in range(flags.tokens)]
        begun = time.monotonic()
        server.post("/v1/sessions/root/append", {"tokens": prompt})
        read_through(server, flags.tokens // BLOCK_TOKENS)
        print(f"{flags.tokens} tokens read in {time.monotonic() - begun:.0f} s", flush=True)
        before, resident = used_blocks(server), resident_mib(server.process)

        database = sqlite3.connect(home + "/beside.db")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE row (data BLOB)")
        forks, commits = [], []
        for number in range(flags.forks):
            commits.append(commit_ms(database))
            begun = time.monotonic()
            server.post("/v1/sessions/root/fork", {"id": f"fork{number}"})
            forks.append(1000 * (time.monotonic() - begun))
        copied = used_blocks(server) - before
        print(f"fork: {statistics.median(forks):.2f} ms over HTTP (a durable commit beside it "
              f"{statistics.median(commits):.2f} ms), {copied:.0f} blocks of KV more after "
              f"{flags.forks} forks")

        for number in range(flags.forks):
            tail = [rng.randrange(1000, 20000) for _ in range(flags.tail)]
            server.post(f"/v1/sessions/fork{number}/append", {"tokens": tail})
        tails = flags.forks * ((flags.tail + flags.tokens % BLOCK_TOKENS) // BLOCK_TOKENS)
        read_through(server, before + tails)
        after = used_blocks(server)
        computed = [server.post(f"/v1/sessions/fork{number}/generate", {"max_tokens": 1})["quire"]
                    ["computed_tokens"] for number in range(flags.forks)]
        print(f"with tails of {flags.tail} tokens: {after / before:.3f} times the blocks of one "
              f"({(after - tails) / before:.3f} without the tails' own, bar 1.1), resident "
              f"{resident:.0f} to {resident_mib(server.process):.0f} MiB; the next question of each "
              f"computes {max(computed)} tokens at most")
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
