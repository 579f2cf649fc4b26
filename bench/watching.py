#!/usr/bin/env python3
"""What it costs to be watched: the decode rate with everything on, beside that with everything off.

    bench/watching.py MODEL.gguf [--quire build/release/quire] [--pairs 120]

Two servers of the same binary take turns, one answer each (A B, B A, ...), the other one is
stopped meanwhile:

    watched  writes its ledger, exports a trace of every request to a collector, streams /v1/live to
             a client, and is asked by `quire top` and, once a second, for /metrics
    bare     --ledger-disk 0, and nobody looks

Whoever watches runs on the same cores as the server, so that their own work is in the figure; what
`quire top` draws goes nowhere. Prints the median of the pairs' ratios of decode rate with its
quartiles, and the ratio of the means, in which an answer that met a scrape counts in full.
"""
import argparse
import http.client
import http.server
import os
import pty
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import types

from restart import Server


class Collector(http.server.BaseHTTPRequestHandler):
    spans = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Collector.spans += body.count(b'"spanId"')
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def follow_live(port, seen):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=None)
    connection.request("GET", "/v1/live")
    answer = connection.getresponse()
    while piece := answer.read1(65536):
        seen["live"] += len(piece)


def scrape(port, awake, stop, seen):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=None)
    while not stop.wait(1):
        awake.wait()
        connection.request("GET", "/metrics")
        seen["metrics"] += len(connection.getresponse().read())


def drain(fd):
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass


def start_top(quire, port):
    """`quire top` on a terminal that nobody looks at."""
    screen, end = pty.openpty()
    process = subprocess.Popen([quire, "top", "--server", f"http://127.0.0.1:{port}"], stdin=end,
                               stdout=end, stderr=end, env=dict(os.environ, TERM="xterm-256color"))
    os.close(end)
    threading.Thread(target=drain, args=(screen,), daemon=True).start()
    return process


class Turn:
    """A server and whoever watches it; they run only while it is theirs."""

    def __init__(self, server, top=None, awake=None):
        self.server = server
        self.processes = [server.process] + ([top] if top else [])
        self.awake = awake
        self.stop()

    def stop(self):
        if self.awake:
            self.awake.clear()
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def go(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
        if self.awake:
            self.awake.set()

    def ms_per_token(self, prompt, tokens):
        self.go()
        answer = self.server.complete(prompt, tokens, ignore_eos=True)
        self.stop()
        assert answer["usage"]["completion_tokens"] == tokens
        return answer["quire"]["decode_ms_per_token"]


def measure(flags, watched, bare):
    rng = random.Random(1)
    pairs = []
    for i in range(-4, flags.pairs):  # the first ones touch pages that nobody has touched
        prompt = [rng.randrange(1000, 20000) for _ in range(32)]
        both = {}
        for turn in (watched, bare) if i % 2 else (bare, watched):
            both[turn] = turn.ms_per_token(prompt, flags.tokens)
        if i >= 0:
            pairs.append((both[watched], both[bare]))
    return pairs


def report(pairs, tokens):
    ratios = sorted(bare / watched for watched, bare in pairs)
    low, middle, high = statistics.quantiles(ratios, n=4)
    watched, bare = (statistics.median(1000 / pair[i] for pair in pairs) for i in (0, 1))
    means = sum(pair[1] for pair in pairs) / sum(pair[0] for pair in pairs)
    print(f"{len(pairs)} pairs of {tokens} tokens: {watched:.1f} tokens/s watched, {bare:.1f} bare; "
          f"ratio {middle:.4f} (quartiles {low:.4f} to {high:.4f}), of the means {means:.4f}")
    print(f"being watched costs {100 * (1 - middle):.2f} % of the decode rate")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    flags = parser.parse_args()
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    what = types.SimpleNamespace(quire=flags.quire, model=flags.model)
    seen = {"live": 0, "metrics": 0}
    awake, stop = threading.Event(), threading.Event()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as a, \
            tempfile.TemporaryDirectory(dir="/var/tmp") as b:
        watched = Server(what, a, "--disk", "0", "--kv-memory", "256MiB", "--trace-to",
                         f"http://127.0.0.1:{collector.server_address[1]}")
        bare = Server(what, b, "--disk", "0", "--kv-memory", "256MiB", "--ledger-disk", "0")
        top = start_top(flags.quire, watched.port)
        for target, args in ((follow_live, (watched.port, seen)),
                             (scrape, (watched.port, awake, stop, seen))):
            threading.Thread(target=target, args=args, daemon=True).start()
        time.sleep(2)
        try:
            report(measure(flags, Turn(watched, top, awake), Turn(bare)), flags.tokens)
        finally:
            for process in (top, watched.process, bare.process):
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait()
    print(f"seen meanwhile: {seen['live']} bytes of /v1/live, {seen['metrics']} of /metrics, "
          f"{Collector.spans} spans")


if __name__ == "__main__":
    main()
