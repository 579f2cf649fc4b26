"""Every page of the dashboard, as somebody sees and uses it."""
import re
import threading
import time

import httpx
import pytest
from playwright.sync_api import expect

PAGES = ["now", "chat", "sessions", "cache", "tenants", "requests"]
STORY = "Once upon a time there was a giraffe that wanted to learn to swim. " * 12


@pytest.fixture(scope="module")
def used(server):
    """Texts that share a beginning, some sessions and a fork: so that there is something to see."""
    for ending in ("The end.", "And then?", "What did the lion say?"):
        server.complete(STORY + ending, max_tokens=4)
        server.complete(STORY + ending + " It went on. " * 10, max_tokens=4)
    for name in ("diary", "letters"):
        server.post("/v1/sessions", {"id": name})
    server.post("/v1/sessions/diary/append", {"text": STORY})
    server.post("/v1/sessions/diary/fork", {"id": "diary.other"})
    return server


def busy(server, seconds, **headers):
    """Answers for some seconds, in the background."""
    def ask():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            httpx.post(server.url + "/v1/completions", timeout=60, headers=headers,
                       json={"prompt": STORY + str(time.monotonic()), "max_tokens": 120,
                             "ignore_eos": True})
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_both_colours(used, visit, name, scheme):
    tab = visit(used.url, color_scheme=scheme)
    page = tab.open(name)
    expect(page.get_by_role("heading", level=1)).to_have_text(name.capitalize())
    expect(page.locator(".connection")).to_have_text("live")
    page.wait_for_timeout(600)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert tab.audit() == []
    tab.picture(f"{name}-{scheme}")
    # Nothing sticks out to the right, also on a narrow screen.
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_timeout(200)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"


def test_now_moves(used, visit):
    tab = visit(used.url)
    page = tab.open("now")
    map_label = lambda: page.locator("canvas.block-map").get_attribute("aria-label")
    expect(page.locator("canvas.block-map")).to_have_attribute("aria-label", re.compile("Block map of"))
    threads = busy(used, 5)
    row = page.locator("table.streams tbody tr").first
    expect(row).to_contain_text(re.compile("reading the prompt|answering"))
    expect(page.locator(".facts")).to_contain_text(re.compile(r"Generated[\d.]+/s"))
    before = map_label()
    expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"prompt: [\d,]+ tokens? found"))
    page.wait_for_timeout(2500)
    assert map_label() != before
    tab.picture("now-busy")
    assert tab.audit() == []
    for thread in threads:
        thread.join()
    expect(page.get_by_text("Nothing runs and nobody waits.")).to_be_visible()
    cells = page.locator("canvas.block-map").bounding_box()
    page.mouse.move(cells["x"] + 5, cells["y"] + 5)
    expect(page.locator(".map .hint")).to_contain_text("Block 0")


def test_the_page_says_when_the_server_is_gone_and_back(visit, tmp_path):
    from conftest import ServerProcess
    with ServerProcess() as first:
        tab = visit(first.url)
        tab.expected += ["503"]
        page = tab.open("now")
        expect(page.locator(".connection")).to_have_text("live")
        began = time.monotonic()
        first.__exit__(None, None, None)
        assert time.monotonic() - began < 8, "a watcher holds no draining server up"
        expect(page.locator(".connection")).to_contain_text("no connection")
        port = first.port
    again = ServerProcess(wait=False)
    again.command[again.command.index("--port") + 1] = str(port)
    again.port, again.url = port, first.url
    with again:
        again.wait_ready()
        expect(page.locator(".connection")).to_have_text("live")


def test_chat_marks_what_was_found(server, visit):
    tab = visit(server.url)
    page = tab.open("chat")
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Most tokens of an answer").fill("24")
    page.get_by_label("System message").fill("You are a helpful librarian who answers in one sentence. " * 4)
    box = page.get_by_label("Your message")
    box.fill("Who wrote Moby-Dick?")
    box.press("Enter")
    answers = page.locator(".message.assistant")
    expect(answers.first.locator("summary")).to_contain_text("prompt tokens found")
    box.fill("<b>And when?</b>")
    box.press("Enter")
    expect(answers.nth(1).locator("summary")).to_contain_text("prompt tokens found")
    found = int(re.match(r"(\d+) of", answers.nth(1).locator("summary").inner_text())[1])
    assert found > 48
    # What the first turn left is found by the second, and the new question computed.
    expect(page.locator(".message.system mark.found")).to_contain_text("librarian")
    expect(page.locator(".message.user").nth(1).locator("mark.computed")).to_have_text("<b>And when?</b>")
    page.get_by_text("The last prompt, as the model read it").click()
    assert page.locator(".as-read .token.found").count() == found
    answers.nth(1).locator("summary").click()
    expect(answers.nth(1)).to_contain_text("first token after")
    tab.picture("chat-marked")
    assert tab.audit() == []
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".message")).to_have_count(0)


def test_chat_stops_and_tells_of_errors(server, visit):
    tab = visit(server.url)
    tab.expected += ["400"]
    page = tab.open("chat")
    page.get_by_label("Temperature").fill("0")  # else it may have ended before it is stopped
    page.get_by_label("Most tokens of an answer").fill("2000")
    page.get_by_label("Your message").fill("Count from one to a thousand, one number in each line.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message.assistant .text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    server.wait_until_free(seconds=5)
    page.get_by_label("Temperature").fill("9")
    page.get_by_label("Your message").fill("Hello")
    page.locator("form.composer").evaluate("form => form.requestSubmit()")
    expect(page.get_by_role("alert")).to_contain_text("temperature")
    assert page.get_by_label("Your message").input_value() == "Hello", "the question goes back"


def test_sessions_fork_pin_export_and_import(used, visit, tmp_path):
    tab = visit(used.url)
    page = tab.open("sessions")
    expect(page.locator("tr", has_text="diary.other")).to_be_visible()
    page.get_by_role("button", name="Pin diary", exact=True).click()
    expect(page.get_by_role("button", name="Unpin diary", exact=True)).to_be_visible()
    page.get_by_role("button", name="Unpin diary", exact=True).click()
    expect(page.get_by_role("button", name="Pin diary", exact=True)).to_be_visible()
    page.get_by_role("button", name="Fork diary.other").click()
    expect(page.locator("tbody tr")).to_have_count(4)
    tab.picture("sessions-tree")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export letters").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "letters.quire" and saved.stat().st_size > 0
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete letters").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Import").set_input_files(saved)
    expect(page.locator("tr", has_text="letters")).to_be_visible()
    page.get_by_label("Part of the id").fill("nothing has this")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No session has this in its id.")).to_be_visible()


def test_cache_shows_what_texts_share(used, visit):
    tab = visit(used.url)
    page = tab.open("cache")
    expect(page.locator(".icicle rect.piece").nth(3)).to_be_visible()
    tree = page.get_by_role("application")
    tree.focus()
    words = page.locator(".icicle + .hint")
    expect(words).to_contain_text("from 0 on")
    first = words.inner_text()
    for _ in range(12):
        if "ways on" in words.inner_text():
            break
        tree.press("ArrowDown")
    expect(words).to_contain_text("ways on")
    tree.press("ArrowRight")
    expect(words).not_to_contain_text("from 0 on")
    tree.press("ArrowLeft")
    expect(words).to_contain_text("from 0 on")
    assert first
    page.get_by_text("The longest pieces as a table").click()
    expect(page.locator("table.figures tbody tr").first).to_contain_text("ago")
    tab.picture("cache-tree")
    assert tab.audit() == []


def test_keyboard_reaches_every_page(used, visit):
    tab = visit(used.url)
    page = tab.open("now")
    expect(page.locator(".connection")).to_have_text("live")
    page.keyboard.press("Tab")
    expect(page.get_by_text("To the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for name in PAGES[1:]:
        page.get_by_role("link", name=name.capitalize()).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(name.capitalize())
        expect(page.locator("main")).to_be_focused()
        assert page.title() == f"{name.capitalize()} – Quire"


def test_colours_can_be_chosen(used, visit):
    tab = visit(used.url, color_scheme="light")
    page = tab.open("now")
    page.get_by_label("Colours").select_option("dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_label("Colours").select_option("auto")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("name", ["now", "cache", "plan", "sessions", "requests", "learn/shapes"])
def test_nothing_is_cut_on_a_phone(used, visit, name):
    page = visit(used.url, viewport={"width": 400, "height": 800}).open(name)
    expect(page.get_by_role("heading", level=1)).to_have_text(name.split("/")[0].capitalize())
    page.wait_for_timeout(800)
    cut = page.evaluate("""() => [...document.querySelectorAll('.facts dt, .facts dd')]
        .filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)""")
    assert cut == [], "figures are whole"
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    apart = page.evaluate("""() => [...document.querySelectorAll('form.tools label')].filter(label => {
        const own = label.getBoundingClientRect(), field = label.control.getBoundingClientRect();
        const middle = box => box.top + box.height / 2;
        return Math.abs(middle(own) - middle(field)) > 4 || own.height > 30 || field.width < 12 ||
               (label.control.matches('[type=search]') && field.width < 100) ||
               (field.left < own.right && own.left < field.right);
    }).map(label => label.textContent)""")
    assert apart == [], "a label stands beside its field"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_on_the_prefix_tree_can_be_read(used, visit, scheme):
    page = visit(used.url, color_scheme=scheme).open("cache")
    expect(page.locator(".piece-text").first).to_be_visible()
    ratios = page.evaluate("""() => {
        const style = getComputedStyle(document.documentElement);
        const light = name => {
            const hex = style.getPropertyValue(name).trim();
            const part = at => { const v = parseInt(hex.slice(at, at + 2), 16) / 255;
                                 return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
            return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) + 0.05;
        };
        const ink = light('--piece-ink');
        return [0, 1, 2, 3, 4].map(i => light(`--heat-${i}`)).map(heat => Math.max(ink, heat) / Math.min(ink, heat));
    }""")
    assert min(ratios) >= 4.5, ratios


def test_counts_are_whole(used, visit):
    """Tokens and seconds that passed have no fractions."""
    page = visit(used.url).open("tenants")
    row = page.locator("tbody tr", has_text="default")
    for at in (5, 7, 9):  # generated, computed, found
        expect(row.locator("td").nth(at)).to_have_text(re.compile(r"^([\d,]+|[\d.]+ [kMG])$"))
    page.goto(f"{used.url}/#/sessions")
    expect(page.locator("tbody tr", has_text="diary").first).to_be_visible()
    for row in page.locator("tbody tr").all():
        expect(row.locator("td").nth(2)).to_have_text(re.compile(r"^(–|now|\d+ (s|min|h|d)( \d+ (min|h))? ago)$"))
