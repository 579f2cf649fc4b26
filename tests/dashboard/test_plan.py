"""The page Plan: what it says is what /v1/plan says, and it says so in words too."""
import subprocess

import pytest
from playwright.sync_api import expect

from conftest import ServerProcess


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A server on whose machine `quire plan` has measured, as an operator would."""
    data = tmp_path_factory.mktemp("measured")
    server = ServerProcess("--kv-memory", "128MiB", "--data", str(data), "--disk", "64MiB")
    model = server.command[2]
    done = subprocess.run([server.command[0], "plan", model, "--data", str(data), "--json"],
                          env=server.environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with server:
        yield server


def plan_of(server, query=""):
    answer = server.get(f"/v1/plan{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_shows_sizes_verdicts_and_times(measured, visit, scheme):
    tab = visit(measured.url, color_scheme=scheme)
    page = tab.open("plan")
    plan = plan_of(measured)
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan")
    ledger = page.locator("table.ledger")
    expect(ledger.locator("tbody tr")).to_have_count(len(plan["contexts"]))
    for row, shown in zip(plan["contexts"], ledger.locator("tbody tr").all()):
        for cell, place in zip(row["sessions"], shown.locator("td").all()):
            expect(place).to_contain_text(cell["verdict"])
            assert place.locator(".sign").inner_text() != ""  # not by colour alone
    for heading in ("Who fits", "What it takes", "How fast", "Fetch or compute again", "What a change would do"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    places = page.get_by_role("region", name="Fetch or compute again").locator("table.bars tbody tr")
    assert places.count() == len(plan["break_even"]) >= 2
    changes = page.locator("table.changes tbody tr")
    assert changes.count() == len(plan["changes"])
    for word in ("q8", "window", "MHA", "MLA"):
        assert page.locator("table.changes", has_text=word).count() == 1, word
    page.wait_for_timeout(400)
    assert tab.audit() == []
    tab.picture(f"plan-{scheme}")
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_another_question_is_answered(measured, visit):
    tab = visit(measured.url)
    tab.expected += ["400"]
    page = tab.open("plan")
    page.get_by_label("Memory in all").fill("320MiB")
    page.get_by_label("Disk for KV").fill("40MiB")
    page.get_by_label("KV format").select_option("q8")
    page.get_by_label("Tokens of a session").fill("1024, 8192")
    page.get_by_label("Sessions", exact=True).fill("1, 8, 10, 500")
    page.get_by_role("button", name="Work it out").click()
    rows = page.locator("table.ledger tbody tr")
    expect(rows).to_have_count(2)
    plan = plan_of(measured, "?memory=320MiB&disk=40MiB&kv_format=q8&context=1024,8192&sessions=1,8,10,500")
    wanted = [cell["verdict"] for row in plan["contexts"] for cell in row["sessions"]]
    assert len(set(wanted)) >= 3, wanted
    signs = [cell.locator(".word").inner_text()[1:].strip() for cell in rows.locator("td").all()]
    assert signs == wanted
    tab.picture("plan-otherwise")
    page.get_by_label("Memory in all").fill("many")
    page.get_by_label("Memory in all").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("memory")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="As it runs").click()
    expect(rows).to_have_count(len(plan_of(measured)["contexts"]))
    expect(page.get_by_role("alert")).to_be_empty()


def test_without_measures_it_says_how_to_get_them(server, visit):
    tab = visit(server.url)
    page = tab.open("plan")
    expect(page.locator("main")).to_contain_text("quire plan MODEL.gguf")
    expect(page.locator("table.ledger")).to_be_visible()
    assert tab.audit() == []


def test_who_may_not_know_is_told_so(server, visit):
    """The answer is made up, as a server with a tenants file gives it to a tenant."""
    tab = visit(server.url)
    tab.expected += ["403"]
    tab.page.route("**/v1/plan*", lambda route: route.fulfill(status=403, json={
        "error": {"message": "for admins", "type": "permission_error", "param": None, "code": "admin_only"}}))
    page = tab.open("plan")
    expect(page.get_by_role("heading", name="For operators")).to_be_visible()
    expect(page.locator("main")).to_contain_text("key of an admin")
    expect(page.get_by_role("alert")).to_be_empty()
    assert tab.audit() == []
