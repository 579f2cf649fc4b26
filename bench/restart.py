#!/usr/bin/env python3
"""What a restart costs a conversation, and what writing KV to disk costs a decode.

    bench/restart.py --quire build/release/quire --model MODEL.gguf [--tokens 7000] [--pairs 100]
    bench/restart.py --model MODEL.gguf --only restart --peer-server PATH/TO/llama-server

restart  time to the first token of the next question behind a long prompt: found in memory, and found
         by a server that was started after a SIGKILL, with what the system's page cache has kept
         and with nothing in it, as after the loss of power; beside it the time that plain direct
         reads of the same bytes take in this run
decode   tokens a second of a server that keeps KV on disk and of one that does not, in interleaved
         pairs: the median of their ratios. Each answer comes behind a new prompt, whose KV is being
         written while it is generated

All figures are of one run on an otherwise idle machine.
"""
import argparse
import json
import mmap
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request


class Server:
    def __init__(self, flags, home, *more):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [flags.quire, "serve", flags.model, "--port", str(self.port), "--data", home,
             "--master-key-file", home + "/master.key", "--log-level", "error", *more])
        while True:
            try:
                if self.get("/health"):
                    return
            except OSError:
                time.sleep(0.01)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=600) as answer:
            return answer.read().decode()

    def complete(self, prompt, max_tokens, **fields):
        body = {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0, **fields}
        return self.post("/v1/completions", body)

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=3600) as answer:
            return json.load(answer)

    def written(self):
        return sum(float(line.split()[-1]) for line in self.get("/metrics").splitlines()
                   if line.startswith("quire_tier_write_bytes_total{"))

    def settle(self):
        before = -1
        while before != (before := self.written()):
            time.sleep(0.5)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()


class PeerServer:
    """llama-server with one slot that holds the whole prompt."""

    def __init__(self, flags, home):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [flags.peer_server, "-m", flags.model, "--port", str(self.port), "-np", "1",
             "-c", str(flags.tokens + 256), "-t", str(os.cpu_count()), "--slot-save-path", home],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10):
                    return
            except OSError:
                assert self.process.poll() is None, "the peer does not start"
                time.sleep(0.02)

    post = Server.post

    def first_token(self, prompt):
        begun = time.monotonic()
        self.post("/completion", {"prompt": prompt, "n_predict": 1, "temperature": 0,
                                  "cache_prompt": True})
        return 1000 * (time.monotonic() - begun)

    def slot(self, action):
        begun = time.monotonic()
        self.post(f"/slots/0?action={action}", {"filename": "slot.bin"})
        return 1000 * (time.monotonic() - begun)

    def kill(self):
        self.process.kill()
        self.process.wait()


def forget(path):
    """Nothing of the file is in memory any more, as after the loss of power."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peer_restart(flags, home, prompt, question):
    """Medians in ms: after a restart, and with the slot restored from memory and from the disk."""
    server = PeerServer(flags, home)
    after = [server.first_token(prompt)]  # a server that was just started
    server.slot("save")
    server.kill()
    restored = {"memory": [], "disk": []}
    for _ in range(flags.rounds):
        for source, times in restored.items():
            server = PeerServer(flags, home)
            if source == "disk":
                forget(f"{home}/slot.bin")
            times.append(server.slot("restore") + server.first_token(prompt + question))
            server.kill()
    server = PeerServer(flags, home)
    after.append(server.first_token(prompt + question))
    server.kill()
    return [statistics.median(times) for times in (after, *restored.values())]


def direct_read_rate(folder):
    """Bytes and seconds of reading all segments past the page cache."""
    size = 4 << 20
    buffer = mmap.mmap(-1, size)
    total, start = 0, time.monotonic()
    for path in sorted(pathlib.Path(folder).glob("kv/*.kvseg")):
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
        while (count := os.readv(file, [buffer])) == size:
            total += count
        os.close(file)
    return total, time.monotonic() - start


def restart(flags, home):
    rng = random.Random(1)
    prompt = [rng.randrange(1000, 20000) for _ in range(flags.tokens)]
    question = [rng.randrange(1000, 20000) for _ in range(flags.question)]
    # Kept by nobody, so that the next one asks anew.
    ask = {"return_logit_hash": True, "kv_policy": {"no_store": True}}
    server = Server(flags, home, "--disk", "4GiB")
    cold = server.complete(prompt + question, 1, **ask)["quire"]
    server.complete(prompt, 1)
    ram = [server.complete(prompt + question, 1, **ask)["quire"] for _ in range(5)]
    server.settle()
    server.stop(signal.SIGKILL)
    total, seconds = direct_read_rate(home)
    warm, starts = {"memory": [], "disk": []}, {"memory": [], "disk": []}
    for source in ["memory"] * flags.rounds + ["disk"] * flags.rounds:  # as the server left it first
        for path in pathlib.Path(home).glob("kv/*.kvseg") if source == "disk" else ():
            forget(path)
        server = Server(flags, home, "--disk", "4GiB")
        warm[source].append(server.complete(prompt + question, 1, **ask)["quire"])
        starts[source].append(time.monotonic() - server.started)
        assert warm[source][-1]["logit_hash"] == cold["logit_hash"]
        server.stop(signal.SIGKILL)
    ms = {source: statistics.median(one["ttft_ms"] for one in found) for source, found in warm.items()}
    ram_ms = statistics.median(one["ttft_ms"] for one in ram)
    bar = ram_ms + 1.3 * 1000 * seconds
    print(f"{flags.tokens} tokens and a question of {flags.question}, {total / 2**20:.0f} MiB of "
          f"KV, from disk {warm['disk'][0]['cached_tokens']['disk']}")
    print(f"first token: computed {cold['ttft_ms']:.0f} ms, in memory {ram_ms:.1f} ms, after SIGKILL "
          f"and restart {ms['disk']:.0f} ms from the disk (reading {1000 * seconds:.0f} ms directly), "
          f"{ms['memory']:.0f} ms with the page cache as it was")
    print(f"in memory + 1.3 x direct reads = {bar:.0f} ms: "
          f"{'met' if max(ms.values()) <= bar else 'MISSED'}")
    print("from the start of the process " + ", ".join(
        f"{statistics.median(times):.2f} s ({source})" for source, times in starts.items()))
    if flags.peer_server:
        after, *restored = peer_restart(flags, home, prompt, question)
        print(f"the peer: after its restart {after:.0f} ms ({after / ms['disk']:.0f}x), with its slot "
              "restored " + ", ".join(
                  f"{its:.0f} ms ({its / ms[source]:.2f}x) with its file in the page cache"
                  if source == "memory" else f"{its:.0f} ms ({its / ms[source]:.2f}x) from the disk"
                  for source, its in zip(("memory", "disk"), restored)))


def decode(flags, home):
    """Where the system puts a process in memory decides more than what is measured, for as long as
    it runs: so both are started again and again, in turns."""
    rng = random.Random(2)
    ratios, written = [], 0
    for start in range(flags.starts):
        names = sorted(("on", "off"), reverse=start % 2 == 0)
        servers = {name: Server(flags, f"{home}/{name}", "--disk", "4GiB" if name == "on" else "0")
                   for name in names}
        for pair in range(-(-flags.pairs // flags.starts) + 1):
            rate = {}
            for name in sorted(servers, reverse=pair % 2 == 0):
                prompt = [rng.randrange(1000, 20000) for _ in range(flags.behind)]
                told = servers[name].complete(prompt, 33, ignore_eos=True)["quire"]
                rate[name] = 1 / told["decode_ms_per_token"]
            if pair > 0:
                ratios.append(rate["on"] / rate["off"])
        written += servers["on"].written()
        for server in servers.values():
            server.stop()
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"decode with the disk beside without, {flags.behind} tokens before it: median "
          f"{middle:.3f} of {len(ratios)} pairs (quartiles {low:.3f}, {high:.3f}), "
          f"{flags.starts} starts, {written / 2**20:.0f} MiB written")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int, default=7000)
    parser.add_argument("--question", type=int, default=24,
                        help="tokens that are new when it is asked again; 0: the same prompt again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--starts", type=int, default=20, help="of both servers, for the pairs")
    parser.add_argument("--behind", type=int, default=1000,
                        help="tokens of each prompt of 'decode'")
    parser.add_argument("--peer-server", help="llama.cpp's llama-server")
    parser.add_argument("--only", choices=["restart", "decode"])
    flags = parser.parse_args()
    home = tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        for case in (restart, decode):
            if flags.only in (None, case.__name__):
                place = f"{home}/{case.__name__}"
                os.makedirs(place)
                for name in ("on", "off"):
                    os.makedirs(f"{place}/{name}", exist_ok=True)
                case(flags, place)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
