#!/usr/bin/env python3
"""What it costs to hand a long session to another server on the same machine.

    bench/handoff.py --quire build/release/quire --model MODEL.gguf [--tokens 8000] [--rounds 5]

first token  from the request for the hand-off to the first token of the session at the receiver,
             as a client sees it who then follows the address
sent         blocks of KV that the receiver lacked, that it was sent, and their bytes
back         the same on the way back, where only what is new is lacking
bits         the answer's logit hash at the receiver is that of a fork which never moved

All figures are of one run on an otherwise idle machine.
"""
import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

BAR_SECONDS = 0.5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, flags, home, name, port, peer, peer_port):
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [flags.quire, "serve", flags.model, "--port", str(port), "--data", f"{home}/{name}",
             "--disk", "0", "--master-key-file", f"{home}/master.key", "--log-level", "error",
             "--threads", str(flags.threads), "--peer-name", name,
             "--peer", f"{peer}=http://127.0.0.1:{peer_port}",
             "--peer-secret-file", f"{home}/secret"])
        while True:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=60):
                    return
            except OSError:
                time.sleep(0.02)

    def call(self, path, body):
        request = urllib.request.Request(f"{self.url}/v1/sessions{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=3600) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()


ANSWER = {"max_tokens": 1, "ignore_eos": True, "temperature": 1.0, "return_logit_hash": True}


def hand_over(giver, taker, session, to):
    """Seconds to the first token at the taker, those until it had the session, and the report."""
    begin = time.monotonic()
    report = giver.call(f"/{session}/handoff", {"to": to})
    moved = time.monotonic() - begin
    told = taker.call(f"/{session}/generate", ANSWER)
    return time.monotonic() - begin, moved, report, told


def run(flags, home):
    with open(f"{home}/secret", "w", opener=lambda path, mode: os.open(path, mode, 0o600)) as file:
        file.write("0123456789abcdef" * 4)
    ports = free_port(), free_port()
    a, b = Server(flags, home, "a", ports[0], "b", ports[1]), None
    try:
        rng = random.Random(3)
        a.call("", {"id": "base", "seed": 3})
        a.call("/base/append", {"tokens": [rng.randrange(1000, 20000) for _ in range(flags.tokens)]})
        a.call("/base/generate", ANSWER)  # all of it is in memory then
        times, moves, equal = [], [], 0
        for i in range(flags.rounds):
            if b is not None:
                b.stop()
            b = Server(flags, home, "b", ports[1], "a", ports[0])  # it has no KV yet
            a.call("/base/fork", {"id": f"s{i}"})
            a.call("/base/fork", {"id": f"stays{i}"})
            seconds, moved, report, told = hand_over(a, b, f"s{i}", "b")
            stayed = a.call(f"/stays{i}/generate", ANSWER)
            equal += told["quire"]["logit_hash"] == stayed["quire"]["logit_hash"]
            times.append(seconds)
            moves.append(moved)
            kv = report["kv"]
            print(f"  {report['tokens']} tokens: first token after {1000 * seconds:.0f} ms (moved "
                  f"after {1000 * moved:.0f}); {kv['blocks']} blocks, {kv['held']} held, "
                  f"{kv['sent']} sent, {kv['bytes'] / 2**20:.1f} MiB")
        back = hand_over(b, a, f"s{flags.rounds - 1}", "a")
        kv = back[2]["kv"]
        median = statistics.median(times)
        print(f"first token at the receiver: median {1000 * median:.0f} ms of {flags.rounds} "
              f"(moved after {1000 * statistics.median(moves):.0f}): at most "
              f"{1000 * BAR_SECONDS:.0f} {'met' if median <= BAR_SECONDS else 'MISSED'}")
        print(f"and back: {1000 * back[0]:.0f} ms, {kv['held']} of {kv['blocks']} blocks held, "
              f"{kv['sent']} sent, {kv['bytes'] / 2**20:.1f} MiB")
        print(f"same bits as a fork that never moved: {equal} of {flags.rounds}")
        return equal == flags.rounds
    finally:
        a.stop()
        if b is not None:
            b.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) // 2),
                        help="of each of the two servers")
    flags = parser.parse_args()
    home = tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        raise SystemExit(0 if run(flags, home) else 1)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
