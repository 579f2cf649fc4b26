#!/usr/bin/env python3
"""What the rule by which the disk tier gives up records finds again, on a trace of requests.

    bench/disk_eviction.py TRACE.jsonl [--ram 250000] [--disk 1000000 2000000 4000000]

A cache in memory (least recently used first, leaves only by way of the order of use) over a disk of
16 segments that are written in order. What is computed is written; what is lost from both is
computed again. Prompt tokens found, as a share of all, by rule:

    fifo     the oldest segment goes, with all that it holds
    read     what of it was read from the disk since it was written moves on, up to half a segment
    used     likewise, and a hit in memory counts as well
    lru      the block that was used least recently, in memory or on disk, goes; no segments
    optimum  the block whose next use is furthest away goes; no segments

TRACE: one JSON per line with `hash_ids`, of 512 tokens each, as Mooncake's traces have them.
"""
import argparse
import heapq
import json
from collections import OrderedDict

BLOCK_TOKENS = 512
SEGMENTS = 16


class Memory:
    def __init__(self, blocks):
        self.room = blocks
        self.blocks = OrderedDict()

    def touch(self, block):
        self.blocks.pop(block, None)
        self.blocks[block] = True
        if len(self.blocks) > self.room:
            self.blocks.popitem(last=False)


class Segments:
    """Records are single blocks; `counts` are the uses that let one move on."""

    def __init__(self, blocks, counts):
        self.most = max(1, blocks // SEGMENTS)
        self.counts = counts
        self.segments = [[]]
        self.used = {}

    def __contains__(self, block):
        return block in self.used

    def write(self, block):
        if block in self.used:
            return
        self.used[block] = False
        self.put(block)

    def put(self, block):
        if len(self.segments[-1]) >= self.most:
            self.segments.append([])
        self.segments[-1].append(block)
        if len(self.segments) > SEGMENTS:
            self.drop()

    def drop(self):
        oldest = self.segments.pop(0)
        moving = [block for block in reversed(oldest) if self.used[block]][:self.most // 2]
        for block in oldest:
            if block in moving:
                self.used[block] = False
            else:
                del self.used[block]
        for block in reversed(moving):
            self.put(block)

    def note(self, block, where, _):
        if where in self.counts and block in self.used:
            self.used[block] = True


class Ranked:
    """The block with the smallest key goes: of its last use, or minus its next one."""

    def __init__(self, blocks, optimal):
        self.room = blocks
        self.optimal = optimal
        self.keys = {}
        self.heap = []

    def __contains__(self, block):
        return block in self.keys

    def write(self, block):
        self.keys.setdefault(block, 0)

    def note(self, block, _, times):
        if block not in self.keys:
            return
        now, following = times
        self.keys[block] = -following if self.optimal else now
        heapq.heappush(self.heap, (self.keys[block], block))
        while len(self.keys) > self.room:
            key, oldest = heapq.heappop(self.heap)
            if self.keys.get(oldest) == key:
                del self.keys[oldest]


def replay(requests, following, ram_blocks, disk):
    memory = Memory(ram_blocks)
    found = total = 0
    for now, ids in enumerate(requests):
        total += len(ids)
        leading = True
        where = []
        for block in ids:
            place = "ram" if block in memory.blocks else "disk" if block in disk else None
            leading = leading and place is not None
            found += leading
            where.append(place if leading else None)
        for i in range(len(ids) - 1, -1, -1):
            memory.touch(ids[i])
            disk.write(ids[i])
            disk.note(ids[i], where[i], (now, following[now][i]))
    return found / total


def next_uses(requests):
    seen = {}
    following = []
    for now in range(len(requests) - 1, -1, -1):
        following.append([seen.get(block, 1 << 40) for block in requests[now]])
        seen.update((block, now) for block in requests[now])
    return following[::-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace")
    parser.add_argument("--ram", type=int, default=250_000, help="tokens")
    parser.add_argument("--disk", type=int, nargs="+", default=[1_000_000, 2_000_000, 4_000_000],
                        help="tokens")
    options = parser.parse_args()
    with open(options.trace, encoding="utf-8") as lines:
        requests = [json.loads(line)["hash_ids"] for line in lines]
    following = next_uses(requests)
    rules = {"fifo": lambda n: Segments(n, ()), "read": lambda n: Segments(n, ("disk",)),
             "used": lambda n: Segments(n, ("ram", "disk")), "lru": lambda n: Ranked(n, False),
             "optimum": lambda n: Ranked(n, True)}
    print(f"{'disk':>10}", *(f"{name:>8}" for name in rules))
    for tokens in options.disk:
        ratios = [replay(requests, following, options.ram // BLOCK_TOKENS,
                         make(tokens // BLOCK_TOKENS)) for make in rules.values()]
        print(f"{tokens:>10}", *(f"{ratio:8.4f}" for ratio in ratios))


if __name__ == "__main__":
    main()
