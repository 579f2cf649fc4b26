#!/usr/bin/env python3
"""Measures a running Quire as its clients feel it, over HTTP.

    bench/serving.py --server http://127.0.0.1:8080

Prints the time to first token of a long prompt, cold and repeated, and the tokens per second that
1, 4 and 16 clients get together. Prompts are random tokens, never seen before.
"""
import argparse
import concurrent.futures
import json
import random
import statistics
import time
import urllib.request


def complete(url, prompt, max_tokens):
    body = {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True,
            "return_logit_hash": True}
    request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=900))


def prompt_of(rng, tokens):
    return [rng.randrange(1000, 20000) for _ in range(tokens)]


def first_token(url, rng, tokens, rounds):
    cold, warm = [], []
    for _ in range(rounds):
        prompt = prompt_of(rng, tokens)
        first, second = complete(url, prompt, 1), complete(url, prompt, 1)
        assert first["quire"]["logit_hash"] == second["quire"]["logit_hash"], "law 2"
        cold.append(first["quire"]["ttft_ms"])
        warm.append(second["quire"]["ttft_ms"])
    print(f"first token, {tokens} tokens: cold {statistics.median(cold):.0f} ms, repeated "
          f"{statistics.median(warm):.1f} ms ({statistics.median(cold) / statistics.median(warm):.0f}x)")


def clients(url, rng, count, prompt_tokens, answer_tokens):
    prompts = [prompt_of(rng, prompt_tokens) for _ in range(count)]
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda p: complete(url, p, answer_tokens), prompts))
    seconds = time.monotonic() - start
    made = sum(a["usage"]["completion_tokens"] for a in answers)
    rate = statistics.median(1000 / a["quire"]["decode_ms_per_token"] for a in answers)
    print(f"{count:3} clients, {prompt_tokens} in, {answer_tokens} out: {made / seconds:7.1f} tokens/s "
          f"together with reading, {rate * count:7.1f} while decoding")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--long", type=int, default=4000, help="tokens of the long prompt")
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    rng = random.Random(time.time_ns())
    first_token(flags.server, rng, flags.long, flags.rounds)
    for count in (1, 4, 16):
        clients(flags.server, rng, count, 128, 128)


if __name__ == "__main__":
    main()
