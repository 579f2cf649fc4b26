#!/usr/bin/env python3
"""Measures how long agents wait when their tools come back, against a server that keeps no memory for them.

    bench/agents.py --model MODEL.gguf

Eight scripted agents call a tool 30 times each; a tool takes 0.1 to 20 s, times --pace, and its
result is appended to the conversation. The KV memory holds a part of them (--share) and strangers'
chats (--chats) come and go between. The same script, with the same seed, is played to two servers:

    plain    --eviction lru --tool-keep 0
    learned  as it comes

Prints the time to the first token after a tool and what had to be computed again of what the turn
before had left behind, for both, and the ratio.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLOCK_TOKENS = 16
SERVERS = {"plain": ["--eviction", "lru", "--tool-keep", "0"], "learned": []}
ALL = ["--disk", "0"]  # memory alone is compared
TOOL = {"type": "function", "function": {
    "name": "look_up", "description": "Looks a word up.",
    "parameters": {"type": "object", "properties": {"word": {"enum": ["sea", "sky", "sun"]}},
                   "required": ["word"], "additionalProperties": False}}}
WORDS = "sea sky sun rain wind snow tree leaf root bird fish bear wolf lake hill road".split()


def words(rng, count):
    return " ".join(f"{rng.choice(WORDS)} {rng.randrange(1000)}" for _ in range(count))


class Server:
    """A server of its own on a free port."""

    def __init__(self, model, kv_memory, flags):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        binary = os.environ.get("QUIRE_BINARY", str(ROOT / "build" / "release" / "quire"))
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [binary, "serve", model, "--port", str(port), "--kv-memory", str(kv_memory), *ALL, *flags],
            stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self):
        for _ in range(1200):
            if self.process.poll() is not None:
                self.log.seek(0)
                raise RuntimeError(self.log.read().decode(errors="replace"))
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5)
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError("the server does not get ready")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def get(self, path):
        return urllib.request.urlopen(self.url + path, timeout=60).read().decode()

    def ask(self, body):
        request = urllib.request.Request(self.url + "/v1/chat/completions",
                                         json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=900))

    def classes(self):
        """{(class, source): tokens}"""
        found = re.findall(r'quire_prompt_class_tokens_total\{(.*)\} (\S+)', self.get("/metrics"))
        counts = {}
        for labels, value in found:
            label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            key = (label["class"], label["source"])
            counts[key] = counts.get(key, 0) + float(value)
        return counts


class Agent:
    def __init__(self, number, flags):
        self.number = number
        self.flags = flags
        self.rng = random.Random(flags.seed * 1000 + number)
        self.ttft_ms = []
        self.lost = 0  # tokens in full blocks that the turn before had left behind
        self.left = 0
        self.prompt = 0

    def run(self, server):
        flags = self.flags
        messages = [{"role": "system", "content": f"You are agent {self.number}."},
                    {"role": "user", "content": words(self.rng, flags.first_words)}]
        time.sleep(self.rng.uniform(0, flags.longest) * flags.pace)
        for turn in range(flags.turns):
            answer = server.ask({"messages": messages, "tools": [TOOL], "temperature": 0,
                                 "tool_choice": "required", "parallel_tool_calls": False,
                                 "max_tokens": 100, "prompt_cache_key": f"agent-{self.number}"})
            self.note(turn, answer)
            message = answer["choices"][0]["message"]
            call = message["tool_calls"][0]
            messages += [{"role": "assistant", "content": None, "tool_calls": [call]},
                         {"role": "tool", "tool_call_id": call["id"],
                          "content": words(self.rng, flags.result_words)}]
            time.sleep(self.rng.uniform(flags.shortest, flags.longest) * flags.pace)
        return self

    def note(self, turn, answer):
        usage = answer["usage"]
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        if turn > 0:
            self.ttft_ms.append(answer["quire"]["ttft_ms"])
            self.lost += max(0, self.left - cached)
        # What an answer said is written anew in the next prompt: only the prompt counts as left.
        self.left = (usage["prompt_tokens"] - BLOCK_TOKENS) // BLOCK_TOKENS * BLOCK_TOKENS
        self.prompt = usage["prompt_tokens"]


def chat(server, rng, flags):
    try:
        server.ask({"messages": [{"role": "user", "content": words(rng, flags.chat_words)}],
                    "max_tokens": 8, "temperature": 0})
    except urllib.error.HTTPError:
        pass  # an overload is for the chats to bear


def strangers(server, flags, over):
    """Chats that nobody goes on with, until `over`."""
    rng = random.Random(flags.seed)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        while flags.chats > 0 and not over.wait(rng.expovariate(flags.chats)):
            pool.submit(chat, server, rng, flags)


def play(name, kv_memory, flags):
    over = threading.Event()
    start = time.monotonic()
    with Server(flags.model, kv_memory, SERVERS[name]) as server:
        beside = threading.Thread(target=strangers, args=(server, flags, over))
        beside.start()
        with concurrent.futures.ThreadPoolExecutor(flags.agents) as pool:
            agents = list(pool.map(lambda i: Agent(i, flags).run(server), range(flags.agents)))
        over.set()
        beside.join()
        classes = server.classes()
        block = json.loads(server.get("/v1/cache"))["block_bytes"]
    times = sorted(t for agent in agents for t in agent.ttft_ms)
    cached, computed = classes[("tool_return", "cached")], classes[("tool_return", "computed")]
    result = {"p50_ms": statistics.median(times), "p95_ms": times[len(times) * 95 // 100],
              "hit_ratio": cached / (cached + computed), "lost": sum(a.lost for a in agents),
              "agents_bytes": sum(a.prompt for a in agents) // BLOCK_TOKENS * block,
              "seconds": time.monotonic() - start}
    print(f"{name:8} first token after a tool: p50 {result['p50_ms']:7.0f} ms, p95 "
          f"{result['p95_ms']:7.0f} ms; hits of class tool_return {result['hit_ratio']:.3f}, "
          f"computed again {result['lost']} tokens; {result['seconds']:.0f} s; all agents at the "
          f"end {result['agents_bytes'] >> 20} MiB of {kv_memory >> 20} MiB", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--kv-memory", type=int, default=320, help="MiB")
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--first-words", type=int, default=250, help="of the first prompt, in pairs")
    parser.add_argument("--result-words", type=int, default=20, help="of a tool's result, in pairs")
    parser.add_argument("--chat-words", type=int, default=250, help="of a stranger's chat, in pairs")
    parser.add_argument("--chats", type=float, default=0.5, help="chats a second")
    parser.add_argument("--shortest", type=float, default=0.1, help="seconds a tool takes")
    parser.add_argument("--longest", type=float, default=20)
    parser.add_argument("--pace", type=float, default=1, help="of the tools: less is faster")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SERVERS, help="one server alone")
    parser.add_argument("--json", help="writes the figures to this file")
    flags = parser.parse_args()
    names = [flags.only] if flags.only else list(SERVERS)
    results = {name: play(name, flags.kv_memory << 20, flags) for name in names}
    if len(results) == 2:
        ratio = results["plain"]["p50_ms"] / results["learned"]["p50_ms"]
        print(f"ratio of the medians {ratio:.1f}")
        results["ratio"] = ratio
    if flags.json:
        pathlib.Path(flags.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
