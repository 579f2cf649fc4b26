"""The page Requests: a long ledger, of which only what is in sight is there."""
import re

import pytest
from playwright.sync_api import expect


def ledger_row(number):
    """A row as GET /v1/ledger has it."""
    return {"id": number, "request_id": f"req-{number:06}", "tenant": "default",
            "started_ms": 1_796_000_000_000 + number * 700, "api": "chat", "model": "smollm2-135m",
            "numerics": "1/k16v8/full", "route": "<b>search</b>", "version": "v3", "retry_of": "",
            "outcome": "cancelled" if number % 7 == 0 else "finished",
            "verdict": "client_left" if number % 7 == 0 else "", "status": 200, "stream": True,
            "choices": 1, "preemptions": 0,
            "tokens": {"prompt": 1000, "ram": 600, "disk": 200, "remote": 0, "computed": 200,
                       "generated": number},
            "ms": {"queue": 3.5, "onboard": 12, "prefill": 180, "decode": 900, "first_token": 195,
                   "total": 1100, "forecast_wait": 3},
            "kv": {"peak_blocks": 70, "used_bytes": 20_000_000, "forecast_bytes": 24_000_000,
                   "byte_seconds": 22_000_000},
            "missed": {"blocks": 12, "by_reason": {"never_seen": 4, "evicted_outside": 8},
                       "evicted_ago_ms": 93_000},
            "label": "good", "score": 0.5}


class MadeUp:
    """A ledger of so many rows, each with what `more` says: the page asks for them as it would for real ones."""

    def __init__(self, tab, total, **more):
        self.total, self.more, self.gone = total, more, set()
        tab.page.route("**/v1/ledger*", self.answer)

    def answer(self, route):
        asked = dict(re.findall(r"(\w+)=(\d+)", route.request.url))
        newest = int(asked.get("before", self.total + 1)) - 1
        numbers = [i for i in range(newest, max(0, newest - int(asked["limit"])), -1) if i not in self.gone]
        last = numbers[-1] if numbers else 1
        rows = [ledger_row(i) | self.more for i in numbers]
        route.fulfill(json={"rows": rows, "next": last if last > 1 else None, "lost": 0})


def test_ten_thousand_requests_scroll(server, visit):
    total = 10_000
    tab = visit(server.url)
    MadeUp(tab, total)
    page = tab.open("requests")
    rows = page.locator(".rows")
    expect(page.locator(".rows-all .row").first).to_contain_text("<b>search</b> @ v3")
    # To the end, a screen at a time, with no frame left out.
    frames = page.evaluate("""() => new Promise(done => {
        const rows = document.querySelector('.rows'), times = [];
        let before = performance.now(), still = 0, elements = 0;
        const step = now => {
            times.push(now - before); before = now;
            elements = Math.max(elements, rows.querySelectorAll('.rows-all .row').length);
            const at = rows.scrollTop;
            rows.scrollTop = at + 700;
            still = rows.scrollTop === at ? still + 1 : 0;
            if (still < 60) requestAnimationFrame(step); else done({times: times.sort((a, b) => a - b), elements});
        };
        requestAnimationFrame(step);
    })""")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(total + 1))
    expect(page.locator(f'.rows-all .row[aria-rowindex="{total + 1}"]')).to_be_visible()
    assert frames["elements"] < 80, "only rows in sight are elements"
    print("median frame", frames["times"][len(frames["times"]) // 2], "ms of", len(frames["times"]))
    rows.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    details = page.locator(".details")
    expect(details).to_contain_text("Request req-009999")
    expect(details).to_contain_text("8 blocks: evicted under pressure from outside, the last of them 1 min 33 s before")
    assert tab.audit() == []
    tab.picture("requests-many")


@pytest.mark.parametrize("width", [1360, 1000, 400])
def test_every_column_can_be_seen(server, visit, width):
    """However narrow: what does not fit is scrolled to."""
    tab = visit(server.url, viewport={"width": width, "height": 800})
    MadeUp(tab, 300, api="sessions/generate")
    page = tab.open("requests")
    row = page.locator('.rows-all .row[aria-rowindex="2"]')
    expect(row).to_contain_text("sessions/generate")
    page.locator(".virtual").evaluate("virtual => { virtual.scrollLeft = 10_000; }")
    outside = page.evaluate("""() => {
        const edge = document.querySelector('.virtual').getBoundingClientRect().right + 1;
        return [...document.querySelectorAll('.virtual .row:not([hidden]) > span:last-child')]
            .filter(cell => cell.getBoundingClientRect().right > edge).length;
    }""")
    assert outside == 0, "the last column ends where the list does"
    api = row.get_by_role("gridcell").nth(2)
    assert api.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), "an API has its whole name"
    assert "cut" not in api.get_attribute("class")


def test_only_what_is_too_long_is_cut(server, visit):
    tab = visit(server.url)
    MadeUp(tab, 300, route="an-assistant-for-those-who-write-manuals-of-pumps")
    page = tab.open("requests")
    row = page.locator('.rows-all .row[aria-rowindex="2"]')
    expect(row.locator(".cut")).to_have_text(["an-assistant-for-those-who-write-manuals-of-pumps @ v3"])
    over = row.evaluate("row => [...row.children].filter(cell => !cell.matches('.cut') && cell.scrollWidth > cell.clientWidth).length")
    assert over == 0, "no text runs into the next column"
    page.set_viewport_size({"width": 2400, "height": 800})
    page.evaluate("document.querySelector('main').style.maxWidth = 'none'")
    expect(row.locator(".cut")).to_have_count(0)


def test_rows_are_read_beside_the_page(server, visit):
    """By a worker, that ends with the page; and a request that was purged meanwhile is told to be gone."""
    tab = visit(server.url)
    made = MadeUp(tab, 300)
    page = tab.open("requests")
    row = page.locator('.rows-all .row[aria-rowindex="3"]')
    row.click()
    expect(page.locator(".details")).to_contain_text("Request req-000299")
    expect(page.locator("#announcer")).to_contain_text("req-000299")
    assert len(page.workers) == 1
    made.gone.add(298)
    page.locator('.rows-all .row[aria-rowindex="4"]').click()
    expect(page.locator(".details")).to_have_text("This request is in the ledger no more.")
    page.get_by_role("link", name="Now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Now")
    assert page.workers == []


def test_a_ledger_that_fails_says_so_and_comes_back(server, visit):
    tab = visit(server.url)
    tab.expected += ["503"]
    page = tab.page
    page.route("**/v1/ledger*", lambda route: route.fulfill(status=503, json={"error": {"message": "the ledger is being opened"}}))
    tab.open("requests")
    expect(page.get_by_role("alert")).to_have_text("the ledger is being opened")
    page.unroute("**/v1/ledger*")
    MadeUp(tab, 20)
    expect(page.locator(".rows-all .row:not([hidden])")).to_have_count(20)
    expect(page.get_by_role("alert")).to_be_empty()
