"""GET /v1/peers, and that pages of a peer may use a server that pages of others may not."""
import httpx
import pytest

from peer_pair import Pair, write_secret
from server_process import ServerProcess
from test_tenants import add

STRANGERS = ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1",
             "http://127.0.0.1.evil.example"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("pages")) as running:
        yield running


def peers_of(node):
    answer = httpx.get(node.url + "/v1/peers", timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def preflight(url, origin, path="/v1/completions"):
    return httpx.options(url + path, headers={
        "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type"})


def test_peers_are_listed_and_asked(pair):
    pair.on_message(None)
    url = pair.b.relay.url
    assert peers_of(pair.a) == [{"name": "b", "url": url, "answers": True, "problem": None}]
    assert pair.b.relay.actions == ["hello"]
    with ServerProcess() as alone:
        assert alone.get("/v1/peers").json() == {"object": "list", "data": []}
        assert alone.post("/v1/peers", {}).status_code == 405


def test_one_that_is_gone_or_has_another_secret_is_told(tmp_path):
    with Pair(tmp_path, other_secret=True) as strangers:
        told, = peers_of(strangers.a)
        assert not told["answers"] and "401" in told["problem"], told
        strangers.b.kill()
        strangers.a.server.log()
    secret = write_secret(tmp_path / "third")
    with ServerProcess("--data", str(tmp_path / "lone"), "--peer", "b=http://127.0.0.1:1",
                       "--peer-secret-file", str(secret)) as lone:
        told, = lone.get("/v1/peers").json()["data"]
        assert not told["answers"] and "no answer from 'b'" in told["problem"]


def test_a_page_of_a_peer_may_ask_and_read(pair):
    origin = pair.a.relay.url  # what b calls a
    asked = preflight(pair.b.url, origin)
    assert asked.status_code == 204 and asked.headers["access-control-allow-origin"] == origin
    allowed = asked.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed and "content-type" in allowed
    assert "DELETE" in asked.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in asked.headers
    for path in ("/health", "/v1/sessions", "/nowhere"):
        told = httpx.get(pair.b.url + path, headers={"Origin": origin})
        assert told.headers["access-control-allow-origin"] == origin, path
        assert "Origin" in told.headers["vary"], path
    done = httpx.post(pair.b.url + "/tokenize", json={"content": "x"}, headers={"Origin": origin})
    assert done.status_code == 200 and done.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", STRANGERS)
def test_pages_of_others_may_not(pair, origin):
    asked = preflight(pair.b.url, origin)
    told = httpx.get(pair.b.url + "/health", headers={"Origin": origin})
    for answer in (asked, told):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-headers" not in answer.headers
        assert "Origin" in answer.headers["vary"], "a cache keeps them apart"


def test_the_page_may_connect_to_peers_and_nobody_else(pair):
    policy = httpx.get(pair.a.url + "/").headers["content-security-policy"]
    connect, = [part for part in policy.split("; ") if part.startswith("connect-src")]
    assert connect == f"connect-src 'self' {pair.b.relay.url}"


def test_with_keys_a_preflight_needs_none_and_all_else_one(tmp_path):
    add(tmp_path / "tenants.toml", "acme")
    secret = write_secret(tmp_path / "secret")
    with ServerProcess("--tenants", str(tmp_path / "tenants.toml"), "--data", str(tmp_path / "data"),
                       "--peer", "b=http://10.0.0.2:8080/quire", "--peer-secret-file",
                       str(secret)) as keyed:
        assert preflight(keyed.url, "http://10.0.0.2:8080").status_code == 204
        for origin in ("http://10.0.0.2:8081", "https://10.0.0.2:8080", "http://10.0.0.2:8080/quire"):
            assert preflight(keyed.url, origin).status_code == 401
            assert keyed.post("/tokenize", {"content": "x"},
                              headers={"Origin": origin}).status_code == 403
        for path in ("/v1/peers", "/v1/sessions"):
            refused = keyed.get(path, headers={"Origin": "http://10.0.0.2:8080"})
            assert refused.status_code == 401
            assert refused.headers["access-control-allow-origin"] == "http://10.0.0.2:8080"
