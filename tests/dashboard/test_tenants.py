"""Signing in, and what each tenant sees: its own and nothing else."""
import json

import pytest
from playwright.sync_api import expect

PAGES = ["now", "sessions", "cache", "tenants", "requests"]
SECRET = "The password of the vault is violet umbrella. " * 8


@pytest.fixture(scope="module")
def used(tenants):
    for who in ("acme", "beta"):
        tenants.post(who, "/v1/completions", {"prompt": f"{who}: {SECRET}", "max_tokens": 4})
        tenants.post(who, "/v1/sessions", {"id": f"session-of-{who}"})
    return tenants


def test_a_key_is_asked_for_and_kept_for_the_tab(used, visit):
    tab = visit(used.server.url)
    tab.expected += ["401"]
    page = tab.open("now")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert tab.audit() == []
    tab.picture("sign-in")
    tab.sign_in("quire-wrong")
    expect(page.get_by_role("alert")).to_contain_text("does not know this key")
    tab.sign_in(used.keys["acme"])
    expect(page.locator(".who")).to_have_text("acme")
    page.reload()
    expect(page.locator(".who")).to_have_text("acme")
    kept = page.evaluate("JSON.stringify([{...localStorage}, document.cookie, location.href])")
    assert used.keys["acme"] not in kept
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert used.keys["acme"] not in page.content()


@pytest.mark.parametrize("who, other", [("acme", "beta"), ("beta", "acme")])
def test_a_tenant_sees_its_own_alone(used, visit, who, other):
    tab = visit(used.server.url)
    tab.expected += ["401"]
    page = tab.open("now")
    answers = []
    page.on("response", lambda response: answers.append(response))
    tab.sign_in(used.keys[who])
    for name in PAGES:
        page.goto(f"{tab.url}/#/{name}")
        expect(page.locator(".connection")).to_have_text("live")
        page.wait_for_timeout(700)
        text = page.locator("main").inner_text()
        assert other not in text and "violet" not in text, name
        assert tab.audit() == []
        tab.picture(f"{name}-of-{who}")
    bodies = "".join(one.text() for one in answers
                     if one.ok and "/v1/" in one.url and "/v1/live" not in one.url)
    assert f"session-of-{who}" in bodies
    assert other not in bodies and "violet" not in bodies


def test_an_admin_sees_all(used, visit):
    tab = visit(used.server.url)
    tab.expected += ["401"]
    page = tab.open("tenants")
    tab.sign_in(used.keys["root"])
    expect(page.locator(".who")).to_have_text("root (admin)")
    for who in ("acme", "beta"):
        expect(page.locator("main tbody tr", has_text=who)).to_be_visible()
    page.goto(f"{tab.url}/#/now")
    expect(page.locator(".map-and-table")).to_contain_text("beta")
    page.wait_for_timeout(700)
    tab.picture("now-of-root")
    page.goto(f"{tab.url}/#/cache")
    page.get_by_text("The longest pieces as a table").click()
    expect(page.locator("main tbody")).to_contain_text("beta")


def live(used, who):
    answer = used.server.get("/v1/live?once=true",
                             headers={"Authorization": f"Bearer {used.keys[who]}"})
    assert answer.status_code == 200, answer.text
    return answer


def test_the_feed_tells_a_tenant_nothing_of_others(used):
    text = live(used, "acme").text
    assert "beta" not in text and "root" not in text and "server" not in json.loads(text)
    everything = live(used, "root").json()
    assert {"acme", "beta"} <= {one["tenant"] for one in everything["tenants"]}
    server = everything["server"]
    assert sum(server["map"][::2]) == -(-server["blocks"] // server["map_blocks"])
    tree = used.server.get("/v1/cache/tree",
                           headers={"Authorization": f"Bearer {used.keys['acme']}"})
    held = live(used, "acme").json()["tenants"][0]["tiers"]["ram"]
    assert sum(node["blocks"] for node in tree.json()["nodes"]) == sum(
        held[f"{state}_blocks"] for state in ("live", "idle", "pinned"))
    assert "beta" not in tree.text and "violet" not in tree.text


def test_the_files_need_no_key_and_the_feed_does(used):
    page = used.server.get("/")
    assert page.status_code == 200 and "violet" not in page.text and "acme" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    again = used.server.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    for path in ("/v1/live", "/v1/cache/tree", "/assets/none.js"):
        assert used.server.get(path).status_code in (401, 404)
    assert used.server.get("/v1/live").status_code == 401


@pytest.mark.parametrize("query", ["interval_ms=1", "interval_ms=x", "interval_ms=99999999999999999999"])
def test_an_interval_that_is_none_is_refused(used, query):
    answer = used.server.get(f"/v1/live?{query}",
                             headers={"Authorization": f"Bearer {used.keys['acme']}"})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "interval_ms"


def test_a_tenant_has_so_many_watchers(used):
    """The seventeenth is told so; whoever goes makes room."""
    import httpx
    headers = {"Authorization": f"Bearer {used.keys['beta']}"}
    with httpx.Client(base_url=used.server.url, headers=headers, timeout=10,
                      limits=httpx.Limits(max_connections=100)) as client:
        streams = [client.stream("GET", "/v1/live?interval_ms=5000") for _ in range(16)]
        opened = [stream.__enter__() for stream in streams]
        assert all(one.status_code == 200 for one in opened)
        refused = client.get("/v1/live")
        assert refused.status_code == 429 and refused.headers["retry-after"]
        assert live(used, "acme").status_code == 200
        for stream in streams:
            stream.__exit__(None, None, None)
    for _ in range(50):
        if used.server.get("/v1/live?once=true", headers=headers).status_code == 200:
            return
    raise AssertionError("watchers that went are still counted")


def test_a_key_that_is_taken_away_ends_the_feed(tenants, visit):
    import httpx
    key = tenants.add("guest")
    tenants.reload()
    with httpx.stream("GET", tenants.server.url + "/v1/live?interval_ms=250", timeout=10,
                      headers={"Authorization": f"Bearer {key}"}) as stream:
        lines = stream.iter_lines()
        assert json.loads(next(lines).removeprefix("data: "))["tenant"] == "guest"
        tenants.remove("guest")
        tenants.reload()
        for _ in lines:  # ends by itself
            pass
