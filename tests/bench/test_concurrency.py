"""bench/concurrency.py: its clients against servers that are scripts, its sums, and what it says."""
import asyncio
import json
import pathlib
import random
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import concurrency  # noqa: E402
import concurrency_cases as cases  # noqa: E402
import concurrency_memory as memory  # noqa: E402
import servers  # noqa: E402
import traffic  # noqa: E402


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text)


def event(text):
    return b'data: {"choices": [{"text": "%s"}]}\n\n' % text


LAST = b'data: {"choices": [], "usage": {"completion_tokens": 3}, "quire": {"computed_tokens": 7}}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = [HEAD, chunk(event(b"a")), chunk(event(b"b")[:9]), chunk(event(b"b")[9:]),
          chunk(event(b"") + event(b"c")), chunk(LAST), chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n"]


def ask(pieces, **more):
    """What a client makes of a server that sends these pieces; and what that got."""
    got = []

    async def serve(reader, writer):
        got.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.002)
        writer.close()

    async def both():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await traffic.complete(port, [1, 2], 3, **more)

    return asyncio.run(both()), got[0]


def test_a_stream_is_read_piece_by_piece():
    answer, asked = ask(STREAM, key="sk-1")
    assert b"POST /v1/completions" in asked and b"Bearer sk-1" in asked
    assert answer.status == 200 and answer.done and not answer.error
    assert len(answer.times) == 3 and len(answer.gaps) == 2, "pieces without text do not count"
    assert answer.generated == 3 and answer.computed == 7 and answer.ttft > 0


@pytest.mark.parametrize("sent", [[], [b"HTTP"], STREAM[:3], [HEAD, b"zz\r\n"]])
def test_what_breaks_off_is_not_whole(sent):
    answer, _ = ask(sent)
    assert answer.error and not answer.done


def test_refusals_and_errors_are_told():
    body = b'{"error": {"message": "later"}}'
    answer, _ = ask([b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: %d\r\n\r\n"
                     % len(body), body])
    assert answer.status == 429 and answer.headers["retry-after"] == "3"
    answer, _ = ask([HEAD, chunk(b'data: {"error": {"message": "broken"}}\n\n'), b"0\r\n\r\n"])
    assert answer.error == "broken"


def test_a_client_may_leave():
    def watch(answer):
        if len(answer.times) == 2:
            raise traffic.Gone

    answer, _ = ask(STREAM, watch=watch)
    assert answer.error == "left" and len(answer.times) == 2


def test_the_test_of_distributions():
    rng = random.Random(1)
    same = [[rng.gauss(10, 1) for _ in range(250)] for _ in range(2)]
    assert memory.kolmogorov_smirnov(*same) > 0.01
    assert memory.kolmogorov_smirnov(same[0], [x - 3 for x in same[1]]) < 1e-8
    # A distance of 0.3: 2 exp(-2 * 50 * 0.3^2) without the correction for small samples.
    assert memory.kolmogorov_smirnov(range(100), range(30, 130)) == pytest.approx(2.5e-4, rel=0.35)


def test_series_of_a_scrape_are_summed():
    scrape = ('# HELP a_b x\na_b{state="live",tenant="x"} 3\na_b{state="live",tenant="y"} 4\n'
              'a_b{state="idle"} 10\na_bc 100\nplain 2.5\n')
    assert servers.sum_of(scrape, "a_b", state="live") == 7
    assert servers.sum_of(scrape, "a_b") == 17
    assert servers.sum_of(scrape, "plain") == 2.5 and servers.sum_of(scrape, "none") == 0


def test_percentiles():
    assert cases.percentile(list(range(1, 101)), 0.95) == 95
    assert cases.percentile([5], 0.99) == 5


def test_the_table_tells_bars_and_ratios(tmp_path):
    ours = [cases.Figure("mean TTFT", 200, compared=True, bar=730),
            cases.Figure("answers", 7, "of 8", bar=8, least=True)]
    theirs = [cases.Figure("mean TTFT", 50000, compared=True, bar=730)]
    in_process = [cases.Figure("mean TTFT", 1000, compared=True)]
    file = tmp_path / "figures.json"
    engines = {"Quire": [vars(f) for f in ours], "llama-server": [vars(f) for f in theirs]}

    def shown():
        file.write_text(json.dumps({"model": "m.gguf", "target_itl_ms": 100,
                                    "cases": {"cached": engines}}))
        done = subprocess.run([sys.executable, ROOT / "bench/concurrency.py", "m.gguf", "--print",
                               "--json", file], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "| cached | mean TTFT | 200 ms | <= 730 | 50000 ms | 250x |\n" in shown()
    assert "| cached | answers | 7 of 8 | >= 8  MISSED |  |  |\n" in shown()
    engines["OpenVINO GenAI"] = [vars(f) for f in in_process]
    assert "| cached | mean TTFT | 200 ms | <= 730 | 50000 ms | 250x | 1000 ms | 5x |\n" in shown()
    assert set(concurrency.CASES) >= {"cached", "new", "stream", "short", "full", "gone"}


def test_wrong_cases_are_refused():
    done = subprocess.run([sys.executable, ROOT / "bench/concurrency.py", "m.gguf", "--cases",
                           "none"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "there is no case 'none'" in done.stderr
