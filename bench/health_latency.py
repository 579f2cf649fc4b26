#!/usr/bin/env python3
"""Measures whether computing keeps a server from answering: the latency of /health under load.

    bench/health_latency.py MODEL.gguf [--quire build/release/quire]... [--seconds 8] [--rounds 2]

Starts a server with all cores and asks for /health every few milliseconds: alone, while four answers
are generated, while a long prompt is read, and while both go on. With several --quire, as builds that
differ in what is compared, they take turns (A B A B). Prints percentiles over all rounds in ms.
The client runs on the same machine, so its own waits for a core are in the figures.
"""
import argparse
import http.client
import json
import random
import re
import subprocess
import threading
import time

CASES = ("idle", "decode", "prefill", "both")


class Server:
    def __init__(self, binary, model):
        self.process = subprocess.Popen([binary, "serve", model, "--port", "0"], text=True,
                                        stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if found := re.search(r"ready at http://([\d.]+):(\d+)", line):
                self.address = (found.group(1), int(found.group(2)))
                break
        else:
            raise SystemExit(f"{binary} did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def connection(self):
        return http.client.HTTPConnection(*self.address, timeout=120)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def keep_asking(server, prompt_tokens, max_tokens, stop):
    """One client with new prompts until told to stop; a running answer is cut off."""
    rng = random.Random(time.time_ns())
    while not stop.is_set():
        body = {"prompt": [rng.randrange(1000, 20000) for _ in range(prompt_tokens)],
                "max_tokens": max_tokens, "ignore_eos": True, "stream": True}
        connection = server.connection()
        connection.request("POST", "/v1/completions", json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        while not stop.is_set() and answer.read1(65536):
            pass
        connection.close()


def latencies_ms(server, seconds, pause):
    connection = server.connection()
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        found.append((time.monotonic() - begin) * 1000)
        time.sleep(pause)
    connection.close()
    return found


def measure(server, case, flags):
    stop = threading.Event()
    work = []
    if case in ("decode", "both"):
        work += [(16, flags.context - 64)] * 4
    if case in ("prefill", "both"):
        work += [(flags.context - 64, 1)]
    clients = [threading.Thread(target=keep_asking, args=(server, *one, stop)) for one in work]
    for client in clients:
        client.start()
    time.sleep(0.5)
    found = latencies_ms(server, flags.seconds, flags.pause_ms / 1000)
    stop.set()
    for client in clients:
        client.join()
    return found


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--quire", action="append", help="may be repeated")
    parser.add_argument("--seconds", type=float, default=8, help="of each case and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pause-ms", type=float, default=5, help="between two questions")
    parser.add_argument("--context", type=int, default=8192, help="of the model, in tokens")
    parser.add_argument("--cases", default=",".join(CASES))
    flags = parser.parse_args()
    binaries = flags.quire or ["build/release/quire"]
    found = {}
    for _ in range(flags.rounds):
        for binary in binaries:
            server = Server(binary, flags.model)
            for case in flags.cases.split(","):
                found.setdefault((case, binary), []).extend(measure(server, case, flags))
            server.stop()
    for (case, binary), values in found.items():
        shares = "  ".join(f"p{share * 100:g} {percentile(values, share):7.2f}"
                           for share in (0.5, 0.9, 0.99))
        print(f"{case:8} {binary:30} {shares}  most {max(values):7.2f} ms  ({len(values)} asked)")


if __name__ == "__main__":
    main()
