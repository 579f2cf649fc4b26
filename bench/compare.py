#!/usr/bin/env python3
"""Compares Quire with llama.cpp on this machine: same GGUF file, same threads, in turn (A B A B).

    bench/compare.py MODEL.gguf --peer PATH/TO/llama-bench [--threads 2] [--rounds 5]

Quire is measured through its own server, from the receipts of its answers; the peer through its own
benchmark program. Prompts are random tokens, never seen before. Prints medians with their spread
(least and greatest) and ratios of medians. Only figures of one run are comparable.
"""
import argparse
import json
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Quire:
    def __init__(self, binary, model, threads, extra=()):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            [binary, "serve", model, "--threads", str(threads), "--log-level", "warn",
             "--port", self.url.rsplit(":", 1)[1], *extra])
        for _ in range(1200):
            try:
                if urllib.request.urlopen(self.url + "/health", timeout=1).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("quire did not become ready")

    def complete(self, prompt, max_tokens):
        body = {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True}
        request = urllib.request.Request(self.url + "/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=600))["quire"]

    def prefill(self, rng, tokens):
        facts = self.complete([rng.randrange(1000, 20000) for _ in range(tokens)], 1)
        assert facts["computed_tokens"] == tokens, facts
        return tokens / facts["prefill_ms"] * 1000

    def decode(self, rng, tokens):
        facts = self.complete([rng.randrange(1000, 20000) for _ in range(16)], tokens + 1)
        return 1000 / facts["decode_ms_per_token"]

    def peak_rss(self):
        for line in open(f"/proc/{self.process.pid}/status", encoding="ascii"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def peer_rate(binary, model, threads, what):
    prompt, decode = what
    out = subprocess.run([binary, "-m", model, "-t", str(threads), "-p", str(prompt), "-n",
                          str(decode), "-r", "1", "-o", "json"], check=True, capture_output=True)
    return json.loads(out.stdout)[0]["avg_ts"]


def spread(values):
    return f"{statistics.median(values):9.1f} ({min(values):.1f}-{max(values):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--peer", required=True, help="llama-bench")
    parser.add_argument("--quire", default=str(ROOT / "build/release/quire"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prefill", type=int, nargs="*", default=[512, 2048])
    parser.add_argument("--decode", type=int, default=128)
    flags = parser.parse_args()
    rng = random.Random(1)
    rows = [(f"prefill {n}", "prefill", n) for n in flags.prefill]
    rows.append((f"decode {flags.decode}", "decode", flags.decode))
    quire = Quire(flags.quire, flags.model, flags.threads)
    try:
        print(f"{pathlib.Path(flags.model).name}, {flags.threads} threads, tokens per second, "
              f"median of {flags.rounds} (least-greatest)")
        for name, kind, size in rows:
            ours, theirs = [], []
            for _ in range(flags.rounds):
                ours.append(quire.prefill(rng, size) if kind == "prefill"
                            else quire.decode(rng, size))
                theirs.append(peer_rate(flags.peer, flags.model, flags.threads,
                                        (size, 0) if kind == "prefill" else (0, size)))
            ratio = statistics.median(ours) / statistics.median(theirs)
            print(f"{name:14} quire {spread(ours):28} peer {spread(theirs):28} ratio {ratio:.2f}")
        print(f"quire peak RSS {quire.peak_rss() / 2**20:.0f} MiB, file "
              f"{pathlib.Path(flags.model).stat().st_size / 2**20:.0f} MiB")
    finally:
        quire.stop()


if __name__ == "__main__":
    main()
