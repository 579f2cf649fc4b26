#!/usr/bin/env python3
"""Whether `quire plan` knew what a server then takes and does.

    bench/plan.py --quire build/release/quire [--rounds 5] MODEL.gguf...

In every round the machine is measured anew and planned with, then a server with just that KV memory
is asked: so a forecast and what became of it are seconds apart.

first token   of prompts nobody has seen (the receipt's ttft_ms), of one who comes when nobody has
               for as long as a forecast takes for granted
generated      tokens a second after such a prompt, alone and by some side by side
memory         the resident set once every block of KV was written and 64 were answered at once

Ratios are forecast by found; medians over rounds with the least and the greatest. All figures are
of one run on an otherwise idle machine.
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

TIMES_WITHIN, MEMORY_WITHIN = 0.15, 0.01
TOKENS = 48     # generated for a rate
SAMPLES = 3     # of a rate, at least: so that one bad second does not make it
AT_ONCE = 64    # as many as a server answers at the same time
PAUSE = 24.2    # seconds without a newcomer, after which steps are as long as they ever are


class Server:
    def __init__(self, flags, model, plan, home):
        memory = plan["memory"]
        self.command = [flags.quire, "serve", model, "--port", "0", "--threads", str(flags.threads),
                        "--kv-memory", str(memory["kv_bytes"]), "--disk", "0", "--data", home,
                        "--master-key-file", home + "/master.key"]
        self.rng = random.Random(plan["model"]["vocabulary"])
        self.vocabulary = plan["model"]["vocabulary"]
        self.last_came = time.monotonic()

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"ready at (http://\S+)", line):
                self.url = found[1]
                return self
        raise RuntimeError("the server does not serve")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.stderr.close()
        self.process.wait()

    def prompt(self, tokens):
        return [self.rng.randrange(300, int(0.95 * self.vocabulary)) for _ in range(tokens)]

    def pause(self):
        time.sleep(max(0, self.last_came + PAUSE - time.monotonic()))

    def ask(self, prompt, tokens):
        self.last_came = time.monotonic()
        body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        request = urllib.request.Request(self.url + "/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)["quire"]

    def ask_all(self, prompts, tokens):
        with concurrent.futures.ThreadPoolExecutor(len(prompts)) as pool:
            return list(pool.map(lambda prompt: self.ask(prompt, tokens), prompts))

    def free_blocks(self):
        with urllib.request.urlopen(self.url + "/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return float(re.search(r'^quire_kv_blocks\{state="free"\} (\S+)$', text, re.M)[1])

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def fill(self, context):
        while self.free_blocks() > 0:
            self.ask(self.prompt(min(2000, context - 16)), 1)
        self.ask_all([self.prompt(17) for _ in range(AT_ONCE)], 120)


def plan_of(flags, model, home, more=()):
    done = subprocess.run(
        [flags.quire, "plan", model, "--memory", flags.memory, "--threads", str(flags.threads),
         "--context", flags.contexts, "--sessions", f"1,{flags.clients}", "--disk", "0",
         "--data", home, "--json", *more], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(flags, server, context):
    """Seconds to the first token, tokens a second alone, and of all clients together."""
    first, alone = [], []
    for _ in range(flags.repeats):
        server.pause()
        prompt = server.prompt(context)
        told = [server.ask(prompt, TOKENS) for _ in range(SAMPLES)]  # found again after the first
        first.append(told[0]["ttft_ms"] / 1000)
        alone += [1000 / one["decode_ms_per_token"] for one in told]
    # One token more than whole blocks: all but that one is found again.
    prompts = [server.prompt(context // 16 * 16 + 1) for _ in range(flags.clients)]
    server.ask_all(prompts, 1)
    together = []
    for _ in range(max(SAMPLES, flags.repeats)):
        begin = time.monotonic()
        server.ask_all(prompts, TOKENS)
        together.append(flags.clients * TOKENS / (time.monotonic() - begin))
    return tuple(map(statistics.median, (first, alone, together)))


def forecasts(flags, plan):
    for row in plan["contexts"]:
        cells = {cell["sessions"]: cell for cell in row["sessions"]}
        yield row["context"], (row["first_token_seconds"], row["decode_tokens_per_second"],
                               cells[flags.clients]["tokens_per_second"])


def compare(flags, model, home):
    names = ("first token", "generated alone", f"generated by {flags.clients}")
    found = {}
    for number in range(1, flags.rounds + 1):
        plan = plan_of(flags, model, home, ["--measure"])
        with Server(flags, model, plan, home) as server:
            server.ask(server.prompt(300), 8)  # touches what nobody touched
            for context, forecast in forecasts(flags, plan):
                for name, ours, its in zip(names, forecast, measure(flags, server, context)):
                    found.setdefault((name, context), []).append((ours, its))
                    print(f"round {number}: {name} at {context}: forecast {ours:.4g}, found "
                          f"{its:.4g}", file=sys.stderr, flush=True)
    print(f"{os.path.basename(model)}, {flags.rounds} rounds")
    good = True
    for (name, context), pairs in found.items():
        ratios = [ours / its for ours, its in pairs]
        ratio = statistics.median(ratios)
        ours, its = (statistics.median(column) for column in zip(*pairs))
        met = abs(ratio - 1) <= TIMES_WITHIN
        good &= met
        unit, scale = ("ms", 1000) if name == "first token" else ("tokens/s", 1)
        print(f"  {name} at {context}: forecast {scale * ours:.1f}, found {scale * its:.1f} "
              f"{unit}, ratio {ratio:.3f} ({min(ratios):.3f}-{max(ratios):.3f}) "
              f"{'met' if met else 'MISSED'}")
    return good


def compare_memory(flags, model, home):
    plan = plan_of(flags, model, home)
    with Server(flags, model, plan, home) as server:
        server.fill(plan["model"]["context"])
        its = server.resident_bytes()
    ours = plan["memory"]["forecast_bytes"]
    met = abs(ours / its - 1) <= MEMORY_WITHIN
    print(f"  memory: forecast {ours / 2**20:.1f}, found {its / 2**20:.1f} MiB, "
          f"ratio {ours / its:.4f} {'met' if met else 'MISSED'}")
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5, help="of times; 0: memory alone")
    parser.add_argument("--no-memory", action="store_true", help="times alone")
    parser.add_argument("--contexts", default="512,2048")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3, help="of each figure in a round")
    parser.add_argument("--memory", default="1GiB", help="to plan with, of all of the server")
    flags = parser.parse_args()
    good = True
    for model in flags.models:
        with tempfile.TemporaryDirectory() as home:
            if flags.rounds > 0:
                good &= compare(flags, model, home)
            if not flags.no_memory:
                good &= compare_memory(flags, model, home)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
