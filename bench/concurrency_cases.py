"""What bench/concurrency.py measures: many clients at once, on one server.

A case is a coroutine that gets a Setting and returns Figures. Prompts are random tokens, seen by
no case before. Answers are one plain word again and again, so that each token is a piece of text.
"""
import asyncio
import dataclasses
import math
import random
import statistics
import time

import traffic
from traffic import Gone

FIRST_TOKEN, LAST_TOKEN = 1000, 20000  # ordinary ones in every vocabulary


@dataclasses.dataclass
class Figure:
    name: str
    value: float | None
    unit: str = "ms"
    bar: float | None = None       # no more than this (or no less, if `least`)
    least: bool = False
    compared: bool = False         # whether a ratio to the peer says something

    @property
    def reached(self):
        if self.bar is None or self.value is None:
            return None
        return self.value >= self.bar if self.least else self.value <= self.bar


@dataclasses.dataclass
class Setting:
    rng: random.Random
    context: int          # of the model
    target_itl_ms: float
    limit_seconds: float  # for one answer of a peer
    start: object         # start(**options) -> servers.Server
    peer: bool = False

    def prompt(self, tokens):
        return [self.rng.randrange(FIRST_TOKEN, LAST_TOKEN) for _ in range(tokens)]

    async def word(self, server):
        """Fields of a request whose answer is one word again and again."""
        answer = await traffic.ask(server.port, "/tokenize", {"content": " the"}, key=key_of(server))
        return {"logit_bias": {str(answer.body["tokens"][-1]): 100},
                "limit_seconds": self.limit_seconds}


def key_of(server):
    return getattr(server, "key", None)


def milliseconds(seconds):
    return [1000 * s for s in seconds if s is not None]


def mean(values):
    return statistics.fmean(values) if values else None


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, math.ceil(share * len(values)) - 1)] if values else None


def whole(answers):
    """How many came to their end."""
    return sum(a.status == 200 and a.done and not a.error for a in answers)


async def at_once(setting, *, cached):
    """8 clients at once on a prefix of 2000 tokens, own tails of 20, 16 tokens out."""
    async with setting.start() as server:
        word = await setting.word(server)
        prefix = setting.prompt(2000)
        if cached:
            await server.complete(prefix, 1, **word)
        begun = time.monotonic()
        answers = await asyncio.gather(*(
            server.complete(prefix + setting.prompt(20), 16, **word) for _ in range(8)))
        seconds = time.monotonic() - begun
    computed = sum(a.computed for a in answers)
    least = 8 * (20 + 16) + (0 if cached else 2000)
    return [Figure("mean TTFT", mean(milliseconds(a.ttft for a in answers)), compared=True,
                   bar=730 if cached else 4000),
            Figure("all answered after", 1000 * seconds, compared=True),
            Figure("prompt tokens computed", computed, "tokens", bar=least),
            Figure("answers that came whole", whole(answers), "of 8", bar=8, least=True)]


async def cached_prefix(setting):
    return await at_once(setting, cached=True)


async def new_prefix(setting):
    return await at_once(setting, cached=False)


class Watcher:
    """Looks at a stream while it comes."""

    def __init__(self):
        self.answer = None
        self.leave = False
        self.pieces = asyncio.Condition()

    def __call__(self, answer):
        self.answer = answer
        if self.leave:
            raise Gone

    async def wait_for(self, pieces, seconds=300):
        """Until so many pieces came."""
        end = time.monotonic() + seconds
        while self.answer is None or len(self.answer.times) < pieces:
            if time.monotonic() > end:
                raise RuntimeError("the stream does not flow")
            await asyncio.sleep(0.005)


async def stream_beside_prefill(setting, rounds=3, tokens=6000):
    """A stream in progress while a prompt of 6000 tokens arrives."""
    alone, beside, before, medians, longest = [], [], [], [], []
    async with setting.start() as server:
        word = await setting.word(server)
        for _ in range(1 if setting.peer else rounds):
            first = await server.complete(setting.prompt(tokens), 1, **word)
            alone.append(first.ttft or setting.limit_seconds)
            watcher = Watcher()
            stream = asyncio.create_task(
                server.complete(setting.prompt(64), 1900, watch=watcher, **word))
            await watcher.wait_for(100)
            asked = time.monotonic()
            newcomer = await server.complete(setting.prompt(tokens), 1, **word)
            beside.append(newcomer.ttft or setting.limit_seconds)
            await asyncio.sleep(0.2)
            watcher.leave = True
            answer = await stream
            ends = answer.times[1:]
            before.append(statistics.median(
                gap for gap, end in zip(answer.gaps, ends) if end <= asked))
            medians.append(statistics.median(answer.gaps))
            longest.append(max(gap for gap, end in zip(answer.gaps, ends) if end > asked))
    middle = statistics.median
    return [Figure("longest gap", 1000 * middle(longest), compared=True,
                   bar=2 * setting.target_itl_ms),
            Figure("longest gap / median gap", middle(l / m for l, m in zip(longest, medians)), "x",
                   bar=3),
            Figure("longest gap / median gap before", middle(l / m for l, m in zip(longest, before)),
                   "x"),
            Figure("median gap", 1000 * middle(medians)),
            Figure("median gap before", 1000 * middle(before)),
            Figure("newcomer's TTFT", 1000 * middle(beside), compared=True),
            Figure("newcomer's TTFT alone", 1000 * middle(alone)),
            Figure("newcomer's TTFT / alone", middle(b / a for b, a in zip(beside, alone)), "x",
                   bar=1.3)]


async def short_behind_long(setting, pause_seconds=0.5):
    """Short requests (32 tokens) while a prompt as long as the context is being read."""
    async with setting.start() as server:
        word = await setting.word(server)
        alone = [(await server.complete(setting.prompt(32), 1, **word)).ttft for _ in range(20)]
        usual = statistics.median(alone)
        tokens = min(setting.context, 32768) - 64
        long = asyncio.create_task(server.complete(setting.prompt(tokens), 1, **word))
        await asyncio.sleep(1)
        waits, deadline = [], time.monotonic() + setting.limit_seconds
        while not long.done() and time.monotonic() < deadline:
            answer = await server.complete(setting.prompt(32), 1, **word)
            if not long.done():  # else it was not behind it to the end
                waits.append((answer.ttft or setting.limit_seconds) - usual)
            await asyncio.sleep(pause_seconds * 2 * setting.rng.random())
        if setting.peer and not waits:  # it waited until the end
            waits.append(answer.ttft - usual)
        seconds = (await long).ttft if not setting.peer else None
        long.cancel()
    return [Figure("added wait, p99", 1000 * percentile(waits, 0.99), compared=True,
                   bar=50 + setting.target_itl_ms),
            Figure("added wait, median", 1000 * statistics.median(waits), compared=True),
            Figure("short requests", len(waits), ""),
            Figure("TTFT alone", 1000 * usual),
            Figure("long prompt", tokens, "tokens"),
            Figure("its TTFT", None if seconds is None else 1000 * seconds)]


async def full_arena(setting, clients=50):
    """50 clients at once, whose prompts need four times the KV memory that there is."""
    lengths = [setting.rng.randrange(150, 700) for _ in range(clients)]
    lengths[7] = 6000  # can never be held
    capacity = sum(lengths) // 4 // 16 * 16
    async with setting.start(kv_tokens=capacity) as server:
        word = await setting.word(server)
        answers = await asyncio.gather(*(
            server.complete(setting.prompt(n), 32, **word) for n in lengths))
        after = await server.complete(setting.prompt(100), 4, **word)
    verdicts = [a for a in answers if a.status in (413, 429) or a.status == 400]
    full = [a for a in answers if a.status == 200 and a.done and a.generated == 32 and not a.error]
    lost = clients - len(full) - len(verdicts)
    return [Figure("answered whole", len(full), f"of {clients}", compared=True),
            Figure("refused by a verdict", len(verdicts), ""),
            Figure("lost", lost, "", bar=0),
            Figure("5xx", sum(a.status >= 500 for a in answers), "", bar=0),
            Figure("answers afterwards", whole([after]), "of 1", bar=1, least=True),
            Figure("KV memory", capacity, "tokens"),
            Figure("all over after", 1000 * (max(a.ended for a in answers) -
                                             min(a.sent for a in answers)))]


async def queue_truth(setting, clients=40):
    """What a full queue tells: who comes back when told, and who waits as long as told."""
    flags = ["--max-sequences", 4, "--queue-limit", 12]
    back, early = [], []
    async with setting.start(flags_more=flags) as server:
        word = await setting.word(server)

        async def client(place):
            await asyncio.sleep(0.02 * place)
            prompt = setting.prompt(setting.rng.randrange(100, 400))
            for attempt in range(20):
                answer = await server.complete(prompt, 32, **word)
                if answer.status != 429:
                    break
                await asyncio.sleep(int(answer.headers["retry-after"]))
            back.append(attempt)
            told = answer.headers.get("x-quire-estimated-wait-ms")
            if answer.status == 200 and attempt == 0 and told is not None:
                early.append(answer.body["quire"]["queue_ms"] - float(told))
            return answer

        answers = await asyncio.gather(*(client(i) for i in range(clients)))
    returned = [n for n in back if n > 0]
    return [Figure("answered", whole(answers), f"of {clients}", bar=clients, least=True),
            Figure("came back after Retry-After", len(returned), ""),
            Figure("times they came back, mean", mean(returned), ""),
            Figure("waited longer than told, median", statistics.median(early)),
            Figure("waited longer than told, p95", percentile(early, 0.95)),
            Figure("waited longer than told, p5", percentile(early, 0.05))]
