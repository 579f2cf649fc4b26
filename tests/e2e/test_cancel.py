"""POST /v1/requests/{id}/cancel: who may end whose answer, and what its client is told."""
import json
import threading
import time

import httpx
import openai
import pytest
from test_tenants import Tenants

ENDLESS = {"prompt": "Once upon a time", "max_tokens": 2000, "ignore_eos": True}


class Answer:
    """A request on a thread of its own."""

    def __init__(self, url, path="/v1/completions", body=None, headers=None):
        self.status = None
        self.text = ""

        def run():
            answer = httpx.post(url + path, json=body or ENDLESS, headers=headers or {}, timeout=60)
            self.status, self.text = answer.status_code, answer.text

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def end(self):
        self.thread.join(timeout=30)
        assert not self.thread.is_alive()
        return self.status, self.text


def only_request(get):
    """The one that is under way. A picture of up to 0.2 s ago may be shown: of one that is over."""
    time.sleep(0.3)
    for _ in range(600):
        requests = get("/v1/live?once=true").json()["requests"]
        if requests:
            assert len(requests) == 1
            return requests[0]
    raise AssertionError("nothing runs")


def test_an_answer_is_ended(server):
    answer = Answer(server.url, headers={"X-Request-Id": "mine", "X-Quire-Route": "tales"})
    running = only_request(server.get)
    assert running["route"] == "tales"
    before = server.metric("quire_answers_total", outcome="revoked")
    done = server.post(f"/v1/requests/{running['id']}/cancel")
    assert done.status_code == 200
    assert done.json() == {"id": running["id"], "object": "request.cancelled", "request_id": "mine"}
    status, text = answer.end()
    error = json.loads(text)["error"]
    assert status == 499 and error["code"] == "revoked" and "operator" in error["message"]
    server.wait_until_free(seconds=5)
    assert server.metric("quire_answers_total", outcome="revoked") == before + 1
    again = server.post(f"/v1/requests/{running['id']}/cancel")
    assert again.status_code == 404 and again.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("path, body", [
    ("/v1/completions", {**ENDLESS, "stream": True}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "stream": True,
                              "max_tokens": 2000, "ignore_eos": True}),
    ("/v1/messages", {"messages": [{"role": "user", "content": "Hi"}], "stream": True,
                      "max_tokens": 2000, "ignore_eos": True}),
    ("/v1/responses", {"input": "Hi", "stream": True, "max_output_tokens": 2000,
                       "ignore_eos": True}),
])
def test_a_stream_says_why_it_ends(server, path, body):
    answer = Answer(server.url, path, body)
    server.post(f"/v1/requests/{only_request(server.get)['id']}/cancel")
    status, text = answer.end()
    assert status == 200
    last = text.strip().splitlines()[-1]
    assert last.startswith("data: {") and "cancelled on request of an operator" in last, text[-500:]
    if "completions" in path:  # the others' errors have no code
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "revoked"
    server.wait_until_free(seconds=5)


def test_all_prompts_of_a_request_end_with_one(server):
    answer = Answer(server.url, body={**ENDLESS, "prompt": ["One", "Two"], "n": 2})
    running, end = [], time.monotonic() + 30
    while len(running) < 2:
        assert time.monotonic() < end, running
        running = server.get("/v1/live?once=true").json()["requests"]
    assert server.post(f"/v1/requests/{running[1]['id']}/cancel").status_code == 200
    assert answer.end()[0] == 499
    server.wait_until_free(seconds=5)


def test_clients_do_not_ask_again_by_themselves(server):
    asked = []

    def run():
        try:
            client = server.openai(max_retries=5)
            client.completions.create(model="tiny", extra_body={"ignore_eos": True},
                                      prompt="Once upon a time", max_tokens=2000)
        except openai.APIStatusError as error:
            asked.append(error.status_code)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    server.post(f"/v1/requests/{only_request(server.get)['id']}/cancel")
    thread.join(timeout=30)
    assert asked == [499]


def test_the_ledger_knows(own_server, tmp_path):
    server = own_server("--data", str(tmp_path))
    answer = Answer(server.url, headers={"X-Request-Id": "ended"})
    server.post(f"/v1/requests/{only_request(server.get)['id']}/cancel")
    answer.end()
    rows = []
    for _ in range(100):
        rows = server.get("/v1/ledger?request_id=ended").json()["rows"]
        if rows:
            break
        threading.Event().wait(0.1)
    assert [(row["outcome"], row["verdict"], row["status"]) for row in rows] == [
        ("cancelled", "revoked", 499)]


def test_one_that_waits_is_ended_too(own_server):
    server = own_server("--max-sequences", "1")
    first = Answer(server.url)
    only_request(server.get)
    second = Answer(server.url)
    waiting, end = [], time.monotonic() + 30
    while not waiting:
        assert time.monotonic() < end, "it does not wait"
        waiting = [one for one in server.get("/v1/live?once=true").json()["requests"]
                   if one["phase"] == "queued"]
    assert server.post(f"/v1/requests/{waiting[0]['id']}/cancel").status_code == 200
    assert second.end()[0] == 499
    server.post(f"/v1/requests/{only_request(server.get)['id']}/cancel")
    assert first.end()[0] == 499


@pytest.mark.parametrize("path", ["/v1/requests/999999/cancel", "/v1/requests/x/cancel",
                                  "/v1/requests/1", "/v1/requests//cancel"])
def test_what_is_not_there(server, path):
    refused = server.post(path)
    assert refused.status_code == 404 and refused.json()["error"]["code"] == "not_found"


def test_only_post(server):
    assert server.get("/v1/requests/1/cancel").status_code == 405


def test_other_sites_cannot(server):
    refused = server.post("/v1/requests/1/cancel", headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403


@pytest.fixture(scope="module")
def tenants(tmp_path_factory):
    with Tenants(tmp_path_factory.mktemp("cancel")) as running:
        yield running


def test_a_tenant_ends_its_own_and_an_admin_any(tenants):
    url = tenants.server.url
    of = tenants.headers

    def cancel(who, number):
        return httpx.post(f"{url}/v1/requests/{number}/cancel", headers=of(who))

    for who, ends in (("acme", "acme"), ("acme", "root")):
        answer = Answer(url, headers=of(who))
        number = only_request(lambda path: tenants.get(who, path))["id"]
        assert httpx.post(f"{url}/v1/requests/{number}/cancel").status_code == 401
        of_another = cancel("beta", number)
        nothing = cancel("beta", 999999)
        assert of_another.status_code == nothing.status_code == 404
        assert of_another.text == nothing.text.replace("999999", str(number))
        assert only_request(lambda path: tenants.get(who, path))["id"] == number  # it goes on
        assert cancel(ends, number).status_code == 200
        assert answer.end()[0] == 499
