"""Sessions: forks stand below the session that they were forked from."""
import pytest
from playwright.sync_api import expect

from conftest import ServerProcess

TREE = [("diary", "trip"), ("diary", "argument"), ("trip", "trip.beach"), ("trip", "trip.hills"), ("trip.hills", "trip.hills.rain")]


@pytest.fixture(scope="module")
def forked():
    with ServerProcess() as server:
        for name in ("diary", "letters", "aunt"):
            server.post("/v1/sessions", {"id": name})
            server.post(f"/v1/sessions/{name}/append", {"text": f"These are my {name}. It began in spring. " * 6})
        for parent, fork in TREE:
            server.post(f"/v1/sessions/{parent}/fork", {"id": fork})
        yield server


def ids(page):
    return page.locator(".session-id").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forks_are_drawn_as_a_tree(forked, visit, scheme):
    tab = visit(forked.url, color_scheme=scheme)
    page = tab.open("sessions")
    expect(page.locator("tbody tr")).to_have_count(8)
    assert ids(page) == ["aunt", "diary", "argument", "trip", "trip.beach", "trip.hills", "trip.hills.rain", "letters"]
    lines = [row.locator(".branch").count() for row in page.locator("tbody tr").all()]
    assert lines == [0, 0, 1, 1, 2, 2, 3, 0]
    expect(page.get_by_role("rowheader", name="trip.hills , fork of trip", exact=False).first).to_be_visible()
    page.wait_for_timeout(300)
    assert tab.audit() == []
    tab.picture(f"sessions-forks-{scheme}")


def test_a_fork_whose_origin_is_not_shown_says_so(forked, visit):
    tab = visit(forked.url)
    page = tab.open("sessions")
    page.get_by_label("Part of the id").fill("beach")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("fork of trip")
    assert page.locator(".branch").count() == 0
    session = forked.get("/v1/sessions/trip.beach").json()
    assert session["forked_from"] == "trip"
    assert forked.get("/v1/sessions/diary").json()["forked_from"] is None
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_label("Part of the id").fill("")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Delete trip", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(7)
    assert ids(page) == ["aunt", "diary", "argument", "letters", "trip.beach", "trip.hills", "trip.hills.rain"]
    assert forked.get("/v1/sessions/trip.beach").json()["forked_from"] is None
