"""Cases of bench/concurrency.py about who holds memory, who sees it, and who gives it back."""
import asyncio
import math
import statistics
import time

import traffic
from servers import sum_of
from concurrency_cases import Figure, Watcher, mean, milliseconds, percentile, whole


async def until_ended(setting, server, before, begin, most_seconds=60):
    """Seconds since `begin` until the engine let go of one request more than `before`."""
    while time.monotonic() - begin < most_seconds:
        if setting.peer:
            if await server.busy_slots() <= before:
                return time.monotonic() - begin
        elif await server.ended_early() > before:
            return time.monotonic() - begin
        await asyncio.sleep(0.004)
    return most_seconds


async def leave(setting, server, word, phase, stream):
    """Seconds from leaving in a phase until nothing of the request is left."""
    body = {"prompt": setting.prompt(4000 if phase == "prefilling" else 64),
            "max_tokens": 1000, "temperature": 0, "ignore_eos": True, "stream": stream, **word}
    body.pop("limit_seconds")
    before = 0 if setting.peer else await server.ended_early()
    client = asyncio.create_task(traffic.ask(server.port, "/v1/completions", body))
    await asyncio.sleep(0.3)
    begin = time.monotonic()
    client.cancel()
    return await until_ended(setting, server, before, begin)


async def clients_gone(setting):
    """Clients that leave while queued, prefilling, decoding; alone and beside 6 streams."""
    taken = {}
    for load in (0,) if setting.peer else (0, 6):
        async with setting.start(flags_more=["--max-sequences", 8]) as server:
            word = await setting.word(server)
            watchers = [Watcher() for _ in range(load)]
            streams = [asyncio.create_task(server.complete(
                setting.prompt(200), 7000, watch=watcher, **word)) for watcher in watchers]
            for watcher in watchers:
                await watcher.wait_for(3)
            for phase in ("prefilling", "decoding"):
                for stream in (True, False):
                    rounds = 1 if setting.peer else 4
                    taken[phase, stream, load] = [
                        await leave(setting, server, word, phase, stream) for _ in range(rounds)]
            for watcher in watchers:
                watcher.leave = True
            await asyncio.gather(*streams)
            if setting.peer:
                continue
            await asyncio.sleep(0.3)
            live = await server.metric("quire_kv_blocks", state="live")
    worst = {key: max(values) for key, values in taken.items()}
    figures = [Figure(f"gone while {phase}, {'stream' if stream else 'whole'}"
                      f"{', beside %d streams' % load if load else ''}, longest",
                      1000 * seconds, bar=200, compared=not load)
               for (phase, stream, load), seconds in worst.items()]
    if not setting.peer:
        figures.append(await gone_while_queued(setting))
        figures.append(Figure("live blocks after it", live, "", bar=0))
    return figures


async def gone_while_queued(setting):
    async with setting.start(flags_more=["--max-sequences", 1]) as server:
        word = await setting.word(server)
        watcher = Watcher()
        stream = asyncio.create_task(server.complete(
            setting.prompt(64), 4000, watch=watcher, **word))
        await watcher.wait_for(3)
        taken = [await leave(setting, server, word, "queued", stream) for stream in (True, False)]
        watcher.leave = True
        await stream
    return Figure("gone while queued, longest", 1000 * max(taken), bar=200)


async def agents(setting, count=12, turns=6):
    """12 agents in turn: 1000 tokens shared, 1500 of their own, 200 more each turn."""
    async with setting.start(kv_tokens=60000) as server:
        word = await setting.word(server)
        shared = setting.prompt(1000)
        texts = [shared + setting.prompt(1500) for _ in range(count)]
        answers, begun = [], time.monotonic()
        for _ in range(turns):
            for i in range(count):
                if setting.peer and time.monotonic() - begun > setting.limit_seconds:
                    continue
                answers.append(await server.complete(texts[i], 8, **word))
                answers[-1].prompt_tokens = len(texts[i])
                texts[i] = texts[i] + setting.prompt(200)
    computed = sum(a.computed for a in answers)
    asked = sum(a.prompt_tokens for a in answers)
    distinct = 1000 + count * (1500 + 200 * (turns - 1))
    done = len(answers) == count * turns
    return [Figure("prompt tokens computed", computed if done else None, "tokens", compared=True,
                   bar=distinct + 16 * len(answers)),
            Figure("computed of those asked", 100 * computed / asked, "%", compared=True),
            Figure("requests", len(answers), f"of {count * turns}"),
            Figure("mean TTFT", mean(milliseconds(a.ttft for a in answers)), compared=True),
            Figure("answers that came whole", whole(answers), f"of {len(answers)}",
                   bar=len(answers), least=True)]


async def victim_times(setting, server, word, count, **more):
    answers = []
    for _ in range(count):
        answers.append(await server.complete(setting.prompt(300), 8, **more, **word))
        await asyncio.sleep(0.05)
    return [a.ttft for a in answers if a.ttft is not None], whole(answers)


async def flood(setting, flooders=24, count=25):
    """A tenant with 24 requests at a time, always; another with one."""
    async with setting.start(threads=1) as server:
        word = await setting.word(server)
        half, _ = await victim_times(setting, server, word, count)
    tenants = [["victim", "--kv-guaranteed", "200MiB"], ["flooder"]]
    async with setting.start(tenants=tenants, kv_tokens=20000) as server:
        word = await setting.word(server)
        key = server.keys["victim"]
        kept = setting.prompt(1000)
        await server.complete(kept, 1, key=key, **word)
        over = False

        async def flooding():
            while not over:
                await server.complete(setting.prompt(512), 64, key=server.keys["flooder"], **word)

        crowd = [asyncio.create_task(flooding()) for _ in range(flooders)]
        await asyncio.sleep(2)
        times, came = await victim_times(setting, server, word, count, key=key)
        again = await server.complete(kept + setting.prompt(16), 1, key=key, **word)
        evicted = await server.metric("quire_kv_evictions_total")
        over = True
        for one in crowd:
            one.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    p95 = percentile(times, 0.95)
    return [Figure("victim's p95 TTFT", 1000 * p95),
            Figure("victim's p95 TTFT with one thread, alone", 1000 * percentile(half, 0.95)),
            Figure("p95 TTFT / alone with half the machine", p95 / percentile(half, 0.95), "x",
                   bar=1.5),
            Figure("victim's median TTFT", 1000 * statistics.median(times)),
            Figure("victim's answers", came, f"of {count}", bar=count, least=True),
            Figure("its guaranteed 1000 tokens, found afterwards", again.cached, "tokens", bar=992,
                   least=True),
            Figure("blocks evicted meanwhile", evicted, "")]


def kolmogorov_smirnov(a, b):
    """The chance that samples of one distribution differ as much (asymptotic)."""
    a, b = sorted(a), sorted(b)
    distance = i = j = 0
    for x in sorted(a + b):
        while i < len(a) and a[i] <= x:
            i += 1
        while j < len(b) and b[j] <= x:
            j += 1
        distance = max(distance, abs(i / len(a) - j / len(b)))
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    t = (root + 0.12 + 0.11 / root) * distance
    if t < 0.2:
        return 1.0
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * t * t) for k in range(1, 101))
    return min(max(p, 0.0), 1.0)


async def timing_probe(setting, arm=250, tokens=96):
    """A tenant that times prompts which another one has asked before, and such as nobody has."""
    arms = {"own": [], "foreign": [], "new": []}
    async with setting.start(tenants=[["owner"], ["prober"]]) as server:
        owner, prober = server.keys["owner"], server.keys["prober"]
        word = await setting.word(server)
        for _ in range(20):  # everything is warm
            await server.complete(setting.prompt(tokens), 1, key=prober, **word)
        secrets = [setting.prompt(tokens) for _ in range(arm)]
        for secret in secrets:
            await server.complete(secret, 1, key=owner, **word)
        probes = [(secret, "foreign", prober) for secret in secrets]
        probes += [(setting.prompt(tokens), "new", prober) for _ in range(arm)]
        setting.rng.shuffle(probes)
        for prompt, kind, key in probes:
            arms[kind].append((await server.complete(prompt, 1, key=key, **word)).ttft)
        for secret in secrets:  # the control: inside one scope it must show
            arms["own"].append((await server.complete(secret, 1, key=owner, **word)).ttft)
    return [Figure("p of foreign against new", kolmogorov_smirnov(arms["foreign"], arms["new"]), "",
                   bar=0.01, least=True),
            Figure("p of own against new", kolmogorov_smirnov(arms["own"], arms["new"]), "",
                   bar=1e-8),
            *(Figure(f"median, {kind}", 1000 * statistics.median(times))
              for kind, times in arms.items())]


async def kv_waste(setting, count=64):
    """KV memory that is allocated and not used, of 64 sequences of all lengths.

    All of it is the server's own count, of one moment: what the clients got is behind it or ahead."""
    allocated, unused, ahead = [], [], []
    async with setting.start(kv_tokens=60000, flags_more=["--max-sequences", count]) as server:
        word = await setting.word(server)
        watchers = [Watcher() for _ in range(count)]
        streams = [asyncio.create_task(server.complete(
            setting.prompt(setting.rng.randrange(20, 300)), 2000, watch=watcher, **word))
            for watcher in watchers]
        for watcher in watchers:
            await watcher.wait_for(3, setting.limit_seconds)
        while len(allocated) < 10:
            await asyncio.sleep(0.2)
            scrape = await server.scrape()
            allocated.append(16 * sum_of(scrape, "quire_kv_blocks", state="live"))
            unused.append(allocated[-1] - sum_of(scrape, "quire_kv_tokens", state="used"))
            ahead.append(sum_of(scrape, "quire_kv_tokens", state="reserved"))
        lost = sum(stream.done() for stream in streams)
        for watcher in watchers:
            watcher.leave = True
        await asyncio.gather(*streams)
    most = 0.01 * mean(allocated) + 8 * count
    return [Figure("allocated", mean(allocated), "tokens"),
            Figure("of it not used", mean(unused), "tokens", bar=most),
            Figure("of that, the next step's", mean(ahead), "tokens"),
            Figure("not used, per sequence", mean(unused) / count, "tokens", bar=most / count),
            Figure("streams that ended before", lost, "", bar=0)]
