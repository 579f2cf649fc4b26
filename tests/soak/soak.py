#!/usr/bin/env python3
"""Lives with a server for a while: 64 clients that ask, leave in the middle, and talk nonsense.

    tests/soak/soak.py [--seconds 600] [--clients 64] [--drips N] [--seed N]

Three tenants share a KV memory that is much too small for them, and that is full before they begin.
While it runs, every answer must be whole or a refusal that says why, and every scrape of the metrics
must add up. Afterwards all blocks are free or idle, the resident memory of the last fifth of the
time is within 5 % and 16 MiB of that of the second fifth, the server ends with 0, and sampled
requests give, computed alone by another server, the logits that they gave in the crowd. What one
tenant had read is never found by another. Small requests that follow, thousands of them, leave
nothing that adds up. A run in which nobody was served, left, refused or evicted proves nothing, and
fails.

QUIRE_BINARY, QUIRE_MODEL  as tests/e2e. Ends with 1 and says what was wrong, or with 0.
"""
import argparse
import asyncio
import collections
import json
import pathlib
import random
import re
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "bench")]
import traffic  # noqa: E402
from server_process import ServerProcess, find_model  # noqa: E402

KV_MEMORY = "24MiB"  # some 1,400 tokens of the default model, for 64 clients
MOST_TOKENS = 400    # of a prompt
SAMPLES = (8, 60)    # compared after a run: one for each ten seconds of it, within these
RSS_GROWTH = 1.05
RSS_GROWTH_KIB = 16 * 1024
DRIPS_PER_SECOND = 20     # small requests after the crowd, for each second of it
MOST_DRIPS = 12000
DRIP_KIB = 0.1            # more than this left by each is a leak
DRIP_NOISE_KIB = 3 * 512
VERDICTS = (400, 401, 404, 405, 408, 413, 415, 422, 429, 431)
COMPLETIONS = "/v1/completions"

NONSENSE = [
    b"", b"{", b"[]", b"null", b'{"prompt": }', b'{"prompt": "a", "max_tokens": "x"}',
    b'{"prompt": "a", "max_tokens": -1}', b'{"prompt": [99999999]}', b'{"prompt": "\xff\xfe"}',
    b'{"prompt": "a", "temperature": 1e999}', b"[" * 5000, b'{"a":' * 500, bytes(range(256)),
    b'{"prompt": "a", "n": 1000}', b'{"prompt": "a", "stop": 5}', b'{"prompt": {"a": 1}}',
    b'{"model": "no-such-model", "prompt": "a"}', b'{"prompt": "a", "logit_bias": {"x": 1}}',
]


class Soak:
    def __init__(self, server, keys, rng):
        self.server, self.keys, self.rng, self.end = server, keys, rng, 0
        self.wrong = []
        self.outcomes = collections.Counter()
        self.samples = []
        self.rss = []  # (time, KiB)
        self.prefixes = [self.tokens(rng.randrange(50, 300)) for _ in range(12)]

    def tokens(self, count):
        return [self.rng.randrange(1000, 20000) for _ in range(count)]

    def key(self):
        return self.keys[self.rng.choice(["one", "two", "three"])]

    def prompt(self):
        """Half of them begin as others do."""
        head = self.rng.choice(self.prefixes) if self.rng.random() < 0.5 else []
        head = head[:self.rng.randrange(0, len(head) + 1)]
        return head + self.tokens(self.rng.randrange(1, MOST_TOKENS - len(head)))

    def body(self):
        rng = self.rng
        body = {"prompt": self.prompt(), "max_tokens": rng.randrange(1, 30), "ignore_eos": True,
                "temperature": rng.choice([0, 0, 0.7, 1.5]), "seed": rng.randrange(1000),
                "stream": rng.random() < 0.5, "return_logit_hash": True}
        if rng.random() < 0.1:
            body["n"] = rng.randrange(2, 4)
        if rng.random() < 0.1:
            body["kv_policy"] = rng.choice([{"no_store": True}, {"ttl_seconds": 5},
                                            {"pin": True, "ttl_seconds": 2}])
        if rng.random() < 0.2:
            body["cache_salt"] = str(rng.randrange(4))
        return body

    def judge(self, what, answer):
        """Whether the answer is whole; notes what is neither that nor a verdict."""
        whole = answer.status == 200 and answer.done and not answer.error
        if not whole and answer.status not in VERDICTS:
            self.wrong.append(f"{what}: {answer.status} {answer.error} {answer.body}"[:400])
        self.outcomes[f"{what} {answer.status}"] += 1
        return whole

    async def ask(self, path, body, **more):
        return await traffic.ask(self.server.port, path, body, **({"key": self.key()} | more))

    async def complete(self):
        body = self.body()
        answer = await self.ask(COMPLETIONS, body)
        if self.judge("completion", answer) and "n" not in body:
            self.samples.append((body, answer.body["quire"]["logit_hash"]))

    async def leave(self):
        """Goes away at some moment."""
        client = asyncio.create_task(self.ask(COMPLETIONS, self.body() | {"max_tokens": 500}))
        await asyncio.sleep(self.rng.random() ** 2)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        self.outcomes["left"] += 1

    async def chat(self):
        words = " ".join(self.rng.choice(["rain", "river", "stone", "<|im_end|>", "Füße"])
                         for _ in range(self.rng.randrange(1, 60)))
        self.judge("chat", await self.ask("/v1/chat/completions", {
            "messages": [{"role": "user", "content": words}], "max_tokens": 20,
            "stream": self.rng.random() < 0.5}))

    async def too_much(self):
        """More than the context, or more than all of the memory."""
        tokens = self.rng.choice([7000, 9000])
        answer = await self.ask(COMPLETIONS, {"prompt": self.tokens(tokens), "max_tokens": 1})
        if answer.status not in (400, 413):
            self.wrong.append(f"{tokens} tokens: {answer.status}")
        self.outcomes[f"too much {answer.status}"] += 1

    async def share(self):
        """A text that one tenant has read is new to another, and under another salt."""
        body = {"prompt": self.tokens(80), "max_tokens": 1}
        first, other = self.rng.sample(["one", "two", "three"], 2)
        for who, more in ((first, {}), (other, {}), (first, {"cache_salt": "another"})):
            answer = await self.ask(COMPLETIONS, body | more, key=self.keys[who])
            if self.judge("shared text", answer) and answer.cached > 0:
                self.wrong.append(f"{who} finds {answer.cached} tokens that it never read {more}")

    async def nonsense(self):
        """Bytes that are no request, or half of one; then the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        data = self.rng.choice(NONSENSE)
        head = (f"POST {self.rng.choice([COMPLETIONS, '/v1/chat/completions', '/none'])} HTTP/1.1"
                f"\r\nHost: localhost\r\nAuthorization: Bearer {self.key()}\r\n"
                f"Content-Length: {len(data)}\r\n\r\n").encode()
        try:
            sent = head + data
            if self.rng.random() < 0.3:
                writer.write(sent[:self.rng.randrange(len(sent))])
                await asyncio.sleep(0.1 * self.rng.random())
                self.outcomes["half a request"] += 1
                return
            writer.write(sent)
            status, _ = await asyncio.wait_for(traffic.read_head(reader), 60)
            if status not in VERDICTS:
                self.wrong.append(f"{data[:60]}: {status}")
            self.outcomes[f"nonsense {status}"] += 1
        finally:
            writer.transport.abort()

    async def stranger(self):
        answer = await self.ask(COMPLETIONS, {"prompt": "a"}, key="sk-nobody")
        if answer.status != 401:
            self.wrong.append(f"a stranger: {answer.status}")

    async def client(self):
        actions = [(self.complete, 50), (self.leave, 20), (self.chat, 8), (self.nonsense, 15),
                   (self.too_much, 3), (self.stranger, 2), (self.share, 2)]
        await asyncio.sleep(2 * self.rng.random())
        while time.monotonic() < self.end:
            action = self.rng.choices([a for a, _ in actions], [w for _, w in actions])[0]
            try:
                await action()
            except Exception as broken:  # noqa: BLE001: whatever it is, it is reported
                self.wrong.append(f"{action.__name__}: {type(broken).__name__} {broken}")
            if len(self.samples) > 2 * SAMPLES[1]:
                self.samples = self.rng.sample(self.samples, SAMPLES[1])
            await asyncio.sleep(0.3 * self.rng.random() ** 3)

    async def fill(self):
        """Touches every block, so that what grows afterwards is something else."""
        asks = [self.ask(COMPLETIONS, {"prompt": self.tokens(600), "max_tokens": 1},
                         key=self.keys["root"]) for _ in range(3)]
        for answer in await asyncio.gather(*asks):
            self.judge("filling", answer)

    async def blocks(self):
        page = await traffic.ask(self.server.port, "/metrics", key=self.keys["root"])
        return {state: int(float(count)) for state, count in re.findall(
            r'^quire_kv_blocks\{state="(\w+)"\} (\S+)$', page.body["text"], re.M)}

    async def watch(self):
        """Scrapes once a second."""
        capacity = sum((await self.blocks()).values())
        while time.monotonic() < self.end:
            now = await self.blocks()
            if sum(now.values()) != capacity:
                self.wrong.append(f"blocks do not add up to {capacity}: {now}")
            self.rss.append((time.monotonic(), self.resident()))
            await asyncio.sleep(1)

    def resident(self):
        """KiB."""
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    async def drip(self, count):
        """Small requests one after the other: what each of them leaves adds up."""
        async def some(share):
            for i in range(share):
                completion = (COMPLETIONS, {"prompt": [1000 + i], "max_tokens": 1})
                refusal = (COMPLETIONS, {"prompt": "a", "max_tokens": -1})
                tokens = ("/tokenize", {"content": "a"})
                kinds = (completion, refusal, completion, tokens, completion)
                self.judge("drip", await self.ask(*kinds[i % 5]))

        await asyncio.gather(*(some(count // 40) for _ in range(8)))  # a fifth of them, to settle
        before = self.resident()
        await asyncio.gather(*(some(count // 10) for _ in range(8)))
        grown = self.resident() - before
        if grown > DRIP_KIB * 0.8 * count + DRIP_NOISE_KIB:
            self.wrong.append(f"{0.8 * count:.0f} small requests left {grown} KiB")
        return f"{grown} KiB more after {0.8 * count:.0f} small requests"

    async def run(self, clients, seconds):
        await self.fill()
        self.end = time.monotonic() + seconds
        await asyncio.gather(self.watch(), *(self.client() for _ in range(clients)))
        end = time.monotonic() + 10
        while (now := await self.blocks())["live"] + now["pinned"] > 0:
            if time.monotonic() > end:
                self.wrong.append(f"blocks are held by nobody: {now}")
                break
            await asyncio.sleep(0.1)

    def check_memory(self, seconds):
        begin = self.end - seconds
        early = [kib for at, kib in self.rss if 0.2 <= (at - begin) / seconds < 0.4]
        late = [kib for at, kib in self.rss if (at - begin) / seconds >= 0.8]
        early, late = statistics.median(early), statistics.median(late)
        if late > RSS_GROWTH * early + RSS_GROWTH_KIB:
            self.wrong.append(f"memory grew from {early} to {late} KiB")
        return f"RSS {early / 1024:.0f} MiB early, {late / 1024:.0f} MiB late"

    async def check_meaning(self, clients):
        """What must have happened in any run that is worth its name."""
        page = (await traffic.ask(self.server.port, "/metrics", key=self.keys["root"])).body["text"]
        evicted = sum(float(count) for count in
                      re.findall(r"^quire_kv_evictions_total(?:\{.*\})? (\S+)$", page, re.M))
        happened = {"evictions": evicted, "completions": self.outcomes["completion 200"],
                    "clients who left": self.outcomes["left"],
                    "refusals": sum(count for what, count in self.outcomes.items()
                                    if what.startswith("nonsense"))}
        for what, count in happened.items():
            if count < clients / 8:
                self.wrong.append(f"only {count:.0f} {what}")


async def compare_alone(samples):
    """Every sampled request once more, alone, on a server that never saw any of it."""
    wrong = []
    with ServerProcess("--max-sequences", "1", "--step-tokens", "48") as alone:
        for i, (body, logit_hash) in enumerate(samples):
            body = {key: body[key] for key in
                    ("prompt", "max_tokens", "ignore_eos", "temperature", "seed")}
            answer = await traffic.ask(alone.port, COMPLETIONS, body | {
                "return_logit_hash": True, "cache_salt": str(i)})
            found = answer.body.get("quire", {}).get("logit_hash")
            if found != logit_hash:
                wrong.append(f"logits: {logit_hash} in the crowd, {found} alone: "
                             f"{json.dumps(body)[:200]}")
    return wrong


def add_tenants(folder):
    """tests/e2e/test_tenants.py's way of making keys."""
    from test_tenants import add
    file = pathlib.Path(folder) / "tenants.toml"
    keys = {"one": add(file, "one", "--kv-guaranteed", "8MiB"),
            "two": add(file, "two", "--weight", "2", "--max-concurrent", "8"),
            "three": add(file, "three", "--kv-limit", "16MiB"),
            "root": add(file, "root", "--admin")}
    return file, keys


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--drips", type=int, help="small requests after the crowd")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    flags = parser.parse_args()
    print(f"{flags.clients} clients for {flags.seconds:.0f} s, seed {flags.seed}", flush=True)
    rng = random.Random(flags.seed)
    with tempfile.TemporaryDirectory() as folder:
        file, keys = add_tenants(folder)
        with ServerProcess("--tenants", str(file), "--kv-memory", KV_MEMORY, "--queue-limit", "96",
                           "--max-sequences", "24", model=find_model()) as server:
            soak = Soak(server, keys, rng)
            asyncio.run(soak.run(flags.clients, flags.seconds))
            memory = soak.check_memory(flags.seconds)
            drips = flags.drips or min(int(flags.seconds * DRIPS_PER_SECOND), MOST_DRIPS)
            memory += ", " + asyncio.run(soak.drip(drips))
            asyncio.run(soak.check_meaning(flags.clients))
            server.process.terminate()
            if (code := server.process.wait(timeout=30)) != 0:
                soak.wrong.append(f"it ended with {code}: {server.log()[-2000:]}")
    wanted = min(max(int(flags.seconds / 10), SAMPLES[0]), SAMPLES[1])
    samples = rng.sample(soak.samples, min(wanted, len(soak.samples)))
    soak.wrong += asyncio.run(compare_alone(samples))
    for outcome, count in sorted(soak.outcomes.items()):
        print(f"{count:7} {outcome}")
    print(f"{memory}; {len(samples)} requests compared with themselves alone")
    for line in soak.wrong[:20]:
        print("WRONG", line)
    sys.exit(1 if soak.wrong else 0)


if __name__ == "__main__":
    main()
