"""The lessons: what they show is what the server did, and it is shown in words too."""
import re

import pytest
from playwright.sync_api import expect

from conftest import ServerProcess

LESSONS = ["blocks", "race", "shapes", "move", "attention"]


def number(text):
    return int(text.replace(",", ""))


@pytest.fixture(scope="module")
def small():
    """One whose memory is filled in a moment."""
    with ServerProcess("--kv-memory", "24MiB", "--context", "1024") as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_in_both_colours(server, visit, name, scheme):
    tab = visit(server.url, color_scheme=scheme)
    page = tab.open(f"learn/{name}")
    expect(page.get_by_role("navigation", name="Lessons").locator("[aria-current=step]")).to_be_visible()
    page.wait_for_timeout(500)
    assert tab.audit() == []
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_timeout(200)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"


def figures(row):
    """Found and computed, as a try of the first lesson says."""
    return [number(row.locator(".figure b").nth(i).inner_text()) for i in range(2)]


def test_blocks_are_found_forked_and_changed(server, visit):
    tab = visit(server.url)
    page = tab.open("learn/blocks")
    expect(page.locator("main")).to_contain_text("KV heads × 64 numbers × 2")
    tries = page.locator(".try")
    for place, name in enumerate(["Ask The server", "Ask the same again", "Change the last sentence", "Change the first word",
                                  "Ask it with the old"]):
        page.get_by_role("button", name=name).click()
        expect(tries).to_have_count(place + 1)
    old, word, fork, again, first = [figures(tries.nth(i)) for i in range(5)]
    total = sum(first)
    assert first[0] == 0 and total > 100
    assert sum(again) == total and again[0] >= total - 16 and again[0] % 16 == 0
    assert 0 < fork[0] <= again[0] and fork[1] > 0
    assert word[0] == 0  # the first block has another name, and so have all behind it
    assert old[0] >= fork[0]
    # Blocks are coloured as they were found, and say so in words.
    newest = tries.nth(3).locator(".text-block")
    assert newest.count() == -(-total // 16)
    expect(newest.first).to_have_attribute("title", "block 1, found in memory")
    expect(newest.last).to_have_attribute("title", re.compile("computed, unfinished: .* of 16 tokens"))
    shown = "".join(tries.nth(4).locator(".text-block .text").all_inner_texts())
    assert "Once upon a time there was a giraffe" in shown
    expect(page.get_by_role("button", name="Ask the same again")).to_have_class(re.compile("done"))
    page.wait_for_timeout(300)
    assert tab.audit() == []
    tab.picture("learn-blocks")
    page.get_by_text("The text, to be changed as you like").click()
    page.get_by_role("button", name="Begin with an empty memory").click()
    expect(tries).to_have_count(0)
    page.get_by_label("Its end").fill("<b>Why?</b>")
    page.get_by_role("button", name="Ask this").click()
    expect(tries).to_have_count(1)
    assert figures(tries.first)[0] == 0
    expect(tries.first.locator(".text-blocks")).to_contain_text("<b>Why?</b>")


def test_an_eviction_is_seen_and_explained(small, visit):
    tab = visit(small.url)
    page = tab.open("learn/blocks")
    fill = page.get_by_role("button", name="Fill the memory")
    expect(fill).to_be_disabled()
    page.get_by_role("button", name="Ask The server").click()
    expect(page.locator(".try")).to_have_count(1)
    expect(fill).to_be_enabled()
    page.get_by_role("button", name="Ask once more").click()
    expect(page.locator(".try")).to_have_count(2)
    before = figures(page.locator(".try").first)
    fill.click()
    expect(page.get_by_text("The memory has been filled once over.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Ask once more").click()
    expect(page.locator(".try")).to_have_count(3)
    after = figures(page.locator(".try").first)
    assert after[0] < before[0], "some of it was evicted"
    expect(page.locator(".try .words").first).to_contain_text("had been evicted for other requests of your own")
    page.wait_for_timeout(1500)  # the next moment of the feed
    expect(page.locator("dl.parts")).to_contain_text(re.compile(r"evicted since this page began\s*[1-9]"))
    assert tab.audit() == []
    tab.picture("learn-eviction")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_race_is_run_and_won(server, visit, scheme):
    tab = visit(server.url, color_scheme=scheme)
    page = tab.open("learn/race")
    slider = page.get_by_label("Length of the answer")
    slider.fill("8")
    page.get_by_role("button", name="Start the race").click()
    with_cache, without = page.locator(".lane").nth(0), page.locator(".lane").nth(1)
    expect(page.get_by_role("heading", name="What it came to")).to_be_visible(timeout=60_000)
    text = with_cache.locator(".written").inner_text()
    assert text != "" and without.locator(".written").inner_text() == text
    expect(page.locator("main")).to_contain_text("The same 8 tokens, to the letter")
    rows = page.locator("table.race tbody tr")
    expect(rows).to_have_count(3)
    one, other = [number(rows.nth(1).locator("td b").nth(i).inner_text()) for i in range(2)]
    # The prompt once and seven more; against the prompt, and one more each time.
    prompt = one - 7
    assert other == 8 * prompt + 28
    saved = float(rows.nth(2).locator("td b").nth(2).inner_text().rstrip("×"))
    assert 4 < saved < 9
    assert page.locator(".columns .pair").count() == 8
    assert tab.audit() == []
    tab.picture(f"learn-race-{scheme}")


def test_a_race_can_be_stopped(server, visit):
    tab = visit(server.url)
    page = tab.open("learn/race")
    page.get_by_label("Length of the answer").fill("40")
    page.get_by_role("button", name="Start the race").click()
    expect(page.locator(".lane").nth(1).locator(".piece-of-text").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start the race")).to_be_enabled()
    expect(page.get_by_role("alert")).to_be_empty()
    server.wait_until_free(seconds=10)


def kinds(page):
    return {row.locator("b").first.inner_text(): row.locator("td").all_inner_texts()
            for row in page.locator("table.kinds tbody tr").all()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shapes_begin_with_the_model_that_runs(server, visit, scheme):
    tab = visit(server.url, color_scheme=scheme)
    page = tab.open("learn/shapes")
    expect(page.get_by_label("Model").locator("option").first).to_contain_text("runs here")
    plan = server.get("/v1/plan").json()
    own = next(row for row in plan["formats"] if row["format"] == plan["kv_format"])
    expect(page.locator("tr.own td").nth(2)).to_have_text(f"{own['bytes_per_token'] / 1024:.1f} KiB")
    for row in plan["formats"]:  # the same arithmetic as the server's, in each format
        page.locator(f"#shape-{row['format']}").check()
        expect(page.locator("tr.own td").nth(2)).to_have_text(f"{row['bytes_per_token'] / 1024:.1f} KiB")
    page.locator("#shape-f16").check()
    tab.picture(f"learn-shapes-{scheme}")
    # Published sizes: 128 KiB a token of Llama-3.1-8B, 12 KiB of Qwen2.5-0.5B, 67.5 KiB of DeepSeek-V2.
    for model, kind, size in (("Llama-3.1-8B", "GQA", "128 KiB"), ("Qwen2.5-0.5B", "GQA", "12.0 KiB"),
                              ("Gemma-2-2B", "GQA", "104 KiB"), ("DeepSeek-V2 (MLA)", "MLA", "67.5 KiB")):
        page.get_by_label("Model").select_option(label=model)
        assert kinds(page)[kind][2] == size, model
    tab.picture(f"learn-shapes-mla-{scheme}")
    page.get_by_label("Model").select_option(label="Llama-3.1-8B")
    page.get_by_label("Memory for KV").select_option(label="8 GiB")
    clients = page.get_by_label("Conversations at once")
    clients.fill("0")
    expect(page.locator(".sum")).to_contain_text("8 GiB hold them".replace("8 GiB", "8.00 GiB"))
    clients.press("End")
    expect(page.locator(".sum")).to_contain_text("do not hold them")
    assert clients.get_attribute("aria-valuetext") == "256"
    assert tab.audit() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_memory_moves(server, visit, scheme):
    tab = visit(server.url, color_scheme=scheme)
    page = tab.open("learn/move")
    page.get_by_label("Notes of the agent").fill("8")
    page.get_by_role("button", name="Move it, and ask").click()
    expect(page.get_by_role("heading", name="Until the first word of the answer")).to_be_visible(timeout=60_000)
    doings = page.locator(".doings li")
    expect(doings).to_have_count(6)
    expect(doings.last).to_contain_text("nothing of it stays")
    blocks, taken, held = [int(text) for text in re.search(r"(\d+) blocks?: (\d+) taken, (\d+) were", doings.nth(2).inner_text()).groups()]
    assert blocks > 10 and taken + held == blocks
    found, rest = [number(text) for text in re.search(r"([\d,]+) tokens found, ([\d,]+) computed", doings.nth(3).inner_text()).groups()]
    computed = number(re.search(r"([\d,]+) tokens computed", doings.nth(4).inner_text())[1])
    assert found == 16 * blocks and found + rest == computed
    expect(page.locator("main")).to_contain_text("The same answer both times")
    page.wait_for_timeout(300)
    assert tab.audit() == []
    tab.picture(f"learn-move-{scheme}")
    assert not [one for one in server.get("/v1/sessions").json()["data"] if one["id"].startswith("learn-")], "nothing of it stays"


def test_a_tenant_learns_without_the_plan(tenants, visit):
    """What is withheld is left out, and said; nothing fails."""
    tab = visit(tenants.server.url)
    tab.expected += ["401", "403"]
    page = tab.open("learn/blocks")
    tab.sign_in(tenants.keys["acme"])
    page.goto(f"{tab.url}/#/learn/blocks")
    page.get_by_role("button", name="Ask The server").click()
    expect(page.locator(".try")).to_have_count(1)
    expect(page.get_by_role("button", name="Fill the memory")).to_be_disabled()
    expect(page.locator("main")).to_contain_text("is for operators")
    page.goto(f"{tab.url}/#/learn/race")
    page.get_by_label("Length of the answer").fill("4")
    page.get_by_role("button", name="Start the race").click()
    expect(page.get_by_role("heading", name="What it came to")).to_be_visible(timeout=60_000)
    expect(page.locator("main")).to_contain_text("told to operators only")
    page.goto(f"{tab.url}/#/learn/shapes")
    expect(page.locator("tr.own")).to_contain_text("GQA")
    assert tab.audit() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_attention_is_that_of_the_server(server, visit, scheme):
    tab = visit(server.url, color_scheme=scheme)
    page = tab.open("learn/attention")
    words = page.get_by_role("radio")
    text = page.get_by_label("A text of your own").input_value()
    told = server.post("/v1/attention", {"text": text, "layer": 0}).json()
    expect(words).to_have_count(len(told["tokens"]))
    page.get_by_label("Head of it").fill("4")
    row = told["weights"][4][-1]
    best = max(range(len(row)), key=row.__getitem__)
    says = page.locator(".sum")
    expect(says).to_contain_text(f"{round(100 * row[best])} %")
    words.nth(3).click()
    expect(words.nth(3)).to_have_attribute("aria-checked", "true")
    expect(says).to_contain_text(f"“{told['pieces'][3].strip()}” looks at")
    page.keyboard.press("ArrowLeft")
    expect(words.nth(2)).to_have_attribute("aria-checked", "true")
    with page.expect_response("**/v1/attention") as answer:
        page.get_by_label("Layer").fill("12")
    assert answer.value.json()["layer"] == 12
    page.get_by_label("A text of your own").fill("The <b>cat</b> slept.")
    expect(words).not_to_have_count(len(told["tokens"]))
    page.get_by_label("A text of your own").fill(text)
    expect(words).to_have_count(len(told["tokens"]))
    page.wait_for_timeout(600)
    assert tab.audit() == []
    tab.picture(f"learn-attention-{scheme}")
    tab.expected += ["400"]
    page.get_by_label("A text of your own").fill("word " * 80)
    expect(page.get_by_role("alert")).to_contain_text("1 to 64 can be shown")


def test_attention_is_withheld_from_tenants(tenants, visit):
    tab = visit(tenants.server.url)
    tab.expected += ["401", "403"]
    page = tab.open("learn/attention")
    tab.sign_in(tenants.keys["acme"])
    expect(page.get_by_role("heading", name="For operators")).to_be_visible()
    assert tab.audit() == []
