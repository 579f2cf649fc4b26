#!/usr/bin/env python3
"""Measures how the dashboard scrolls through a ledger of many rows: the time of each frame.

    tools/python bench/ledger_scroll.py MODEL.gguf [--rows 10000] [--rounds 3]

Starts a server whose ledger.db has so many made-up rows, opens its page Requests in Chromium
(QUIRE_CHROMIUM, default /usr/bin/chromium; without a graphics card), and scrolls from the first row
to the last and back, some rows further in every frame. Prints the time between frames (median, 95th
percentile, most), the share of frames that came later than at 60 a second, and how long the page's
thread worked for a frame: a machine that draws with its processor, or shares it, is late without it.
Needs the Python packages of tests/e2e/requirements.txt.
"""
import argparse
import os
import random
import sqlite3
import statistics
import tempfile
import time
import types

from playwright.sync_api import sync_playwright

from restart import Server

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FRAME_MS = 1000 / 60

# Scrolls by `step` pixels a frame until nothing moves for half a second.
SCROLL = """step => new Promise(done => {
  const rows = document.querySelector('.rows'), all = document.querySelector('.rows-all');
  const frames = [];
  let before = performance.now(), still = 0, elements = 0;
  const tick = now => {
    frames.push(now - before);
    before = now;
    elements = Math.max(elements, all.childElementCount);
    const at = rows.scrollTop;
    rows.scrollTop = at + step;
    still = rows.scrollTop === at ? still + 1 : 0;
    if (still < 30) requestAnimationFrame(tick); else done({frames: frames.slice(1, -30), elements});
  };
  requestAnimationFrame(tick);
})"""


def fill(path, count):
    """Rows as requests leave them, with values of their own."""
    rng = random.Random(1)
    with sqlite3.connect(path, timeout=30) as ledger:
        columns = [(row[1], row[2]) for row in ledger.execute("PRAGMA table_info(request)")]
        names = [name for name, _ in columns if name != "id"]
        now = time.time_ns() // 1_000_000
        rows = []
        for i in range(count):
            row = {name: "" if kind == "TEXT" else 0 for name, kind in columns}
            row |= {"request_id": f"req-{i:06}", "tenant": "default", "started_ms": now - count + i,
                    "api": "chat/completions", "route": f"route-{i % 7}", "version": str(i % 5),
                    "outcome": rng.choice(["finished", "finished", "length", "cancelled"]),
                    "status": 200, "choices": 1, "number": i + 1, "label": None, "score": None}
            for name in ("prompt_tokens", "ram_tokens", "computed_tokens", "generated_tokens"):
                row[name] = rng.randrange(4000)
            for name in ("queue_ms", "prefill_ms", "decode_ms", "first_token_ms", "total_ms"):
                row[name] = rng.random() * 1000
            rows.append([row[name] for name in names])
        ledger.executemany(f"INSERT INTO request ({','.join(names)}) "
                           f"VALUES ({','.join('?' * len(names))})", rows)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(name, frames):
    late = sum(frame > 1.5 * FRAME_MS for frame in frames) / len(frames)
    print(f"{name}: {len(frames)} frames, median {statistics.median(frames):.1f} ms, p95 "
          f"{percentile(frames, 0.95):.1f} ms, most {max(frames):.1f} ms; {100 * late:.1f} % later "
          f"than at 60 a second", flush=True)


def scroll(page, step):
    """One way; how long the page's thread worked, in milliseconds a frame, beside the frames."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def spent():
        told = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return 1000 * told["TaskDuration"]

    before = spent()
    found = page.evaluate(SCROLL, step)
    found["work"] = (spent() - before) / max(1, len(found["frames"]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--quire", default="build/release/quire")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", type=int, default=400, help="pixels a frame")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home, sync_playwright() as playwright:
        server = Server(types.SimpleNamespace(quire=flags.quire, model=flags.model), home,
                        "--disk", "0", "--kv-memory", "64MiB")
        fill(home + "/ledger.db", flags.rows)
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("QUIRE_CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(f"http://127.0.0.1:{server.port}/#/requests")
        page.locator('.rows-all .row[aria-rowindex="2"]').wait_for()
        down, up = [], []
        for number in range(flags.rounds):
            found = scroll(page, flags.step)
            last = f'.rows-all .row[aria-rowindex="{flags.rows + 1}"]'
            assert page.locator(last).count() == 1, "the end was not reached"
            report("down, rows come from the server" if number == 0 else "down", found["frames"])
            back = scroll(page, -flags.step)
            if number > 0:
                down += found["frames"]
            up += back["frames"]
            print(f"  of a frame the page's thread worked {found['work']:.1f} ms down, "
                  f"{back['work']:.1f} up; at most {found['elements']} rows were elements")
        report("up", up)
        report("all that were there", down + up)
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
