#!/usr/bin/env python3
"""Measures how soon after an answer's end its row is in the ledger, as /v1/ledger shows it.

    bench/ledger_delay.py MODEL.gguf [--quire build/release/quire] [--requests 300]

Asks with one client and with eight at a time, streamed and not; after each answer its row is asked
for until it is there. Prints the median, the 99th percentile and the most, in milliseconds, counted
from the moment the client had the whole answer. What a question to the ledger itself takes is in
them.
"""
import argparse
import concurrent.futures
import http.client
import json
import random
import statistics
import tempfile
import time
import types

from restart import Server

GIVE_UP_SECONDS = 30


def ask(connection, method, path, body=None):
    headers = {"Content-Type": "application/json"} if body else {}
    if body:
        headers["X-Request-Id"] = body.pop("name")
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {data[:200]}")
    return data


def delay_ms(port, name, stream, tokens, rng):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    prompt = [rng.randrange(1000, 20000) for _ in range(32)]
    ask(connection, "POST", "/v1/completions", {
        "name": name, "prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "stream": stream})
    end = time.monotonic()
    while time.monotonic() - end < GIVE_UP_SECONDS:
        page = json.loads(ask(connection, "GET", f"/v1/ledger?request_id={name}"))
        if page["rows"]:
            connection.close()
            return (time.monotonic() - end) * 1000
        time.sleep(0.002)
    raise SystemExit(f"{name} has no row after {GIVE_UP_SECONDS} s")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(port, clients, requests, tokens):
    rng = random.Random(clients)
    jobs = [(port, f"delay-{clients}-{i}", i % 2 == 0, tokens, random.Random(rng.random()))
            for i in range(requests)]
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(lambda job: delay_ms(*job), jobs))
    print(f"{clients} at a time: median {statistics.median(found):.0f} ms, p99 "
          f"{percentile(found, 0.99):.0f} ms, most {max(found):.0f} ms ({len(found)} answers)",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--requests", type=int, default=300, help="of each number of clients")
    parser.add_argument("--tokens", type=int, default=16, help="of an answer")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        server = Server(types.SimpleNamespace(quire=flags.quire, model=flags.model), home,
                        "--disk", "0")
        for clients in (1, 8):
            measure(server.port, clients, flags.requests, flags.tokens)
        server.stop()


if __name__ == "__main__":
    main()
