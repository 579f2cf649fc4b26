"""A session's file with its KV: taken where it may be, computed where it may not, the same bits."""
import httpx
import pytest

from peer_pair import FLAGS
from server_process import ServerProcess
from test_tenants import add

TEXT = "Once upon a time there was a giraffe that wanted to learn to swim in the deep sea. " * 12
SAMPLED = {"max_tokens": 12, "temperature": 1.0, "ignore_eos": True, "return_logit_hash": True}


class Exporter:
    """A server with a session, its file with KV, and what comes next in it."""

    def __init__(self, folder, *flags, key=None):
        self.folder, self.headers = folder, {"Authorization": f"Bearer {key}"} if key else {}
        self.flags = (*FLAGS, "--data", str(folder / "data"), "--master-key-file",
                      str(folder / "key"), *flags)
        self.server = ServerProcess(*self.flags).__enter__()
        self.call("", {"id": "one", "seed": 7})
        self.call("/one/append", {"text": TEXT})
        self.call("/one/generate", SAMPLED)
        url = self.server.url + "/v1/sessions/one/export"
        self.plain = httpx.get(url, headers=self.headers).content
        self.file = httpx.get(url, params={"kv": "true"}, headers=self.headers).content
        self.next = self.went_on("one")

    def call(self, path, body=None, url=None, **options):
        answer = httpx.post((url or self.server.url) + "/v1/sessions" + path, json=body,
                            **({"headers": self.headers, "timeout": 60} | options))
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def went_on(self, session, **options):
        told = self.call(f"/{session}/generate", SAMPLED, **options)
        self.found = told["quire"]["cached_tokens"]
        return told["tokens"], told["quire"]["logit_hash"], sum(self.found.values())

    def take(self, session, file=None, **options):
        told = self.call(f"/import?id={session}", content=self.file if file is None else file,
                         **options)
        return told["kv"], told


@pytest.fixture(scope="module")
def exporter(tmp_path_factory):
    one = Exporter(tmp_path_factory.mktemp("export"))
    yield one
    one.server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def fresh(exporter, tmp_path_factory):
    """A server of the same master key that has seen nothing."""
    data = tmp_path_factory.mktemp("fresh") / "data"
    with ServerProcess(*FLAGS, "--data", str(data), "--master-key-file",
                       str(exporter.folder / "key")) as server:
        yield server


def test_what_came_with_the_file_is_not_computed(exporter, fresh):
    assert len(exporter.file) > len(exporter.plain) + 100_000
    kv, told = exporter.take("one", url=fresh.url)
    assert kv["taken"] == kv["blocks"] > 5 and kv["held"] == 0 and kv["refused"] is None
    assert told["signed_here"] and told["epoch"] == 2
    assert exporter.went_on("one", url=fresh.url)[:2] == exporter.next[:2]
    assert exporter.found["remote"] >= 16 * kv["taken"]
    again, _ = exporter.take("again", url=fresh.url)
    assert again["held"] == again["blocks"] and again["taken"] == 0 and again["refused"] is None
    without, _ = exporter.take("without", exporter.plain, url=fresh.url)
    assert without["blocks"] == 0


def test_harmed_kv_costs_blocks_and_neither_the_session_nor_a_bit(exporter, tmp_path):
    front = len(exporter.plain) + 8
    harmed = bytearray(exporter.file)
    harmed[front + (len(harmed) - front) // 2] ^= 4
    for name, file in [("flipped", bytes(harmed)), ("cut", exporter.file[:-70_000]),
                       ("noise", exporter.file[:front] + bytes(9000)),
                       ("head", exporter.file[:front] + b"\0" + exporter.file[front + 1:])]:
        data = tmp_path / name
        with ServerProcess(*FLAGS, "--data", str(data), "--master-key-file",
                           str(exporter.folder / "key")) as server:
            kv, _ = exporter.take("one", file, url=server.url)
            assert kv["refused"] is not None and kv["taken"] <= kv["blocks"], (name, kv)
            assert exporter.went_on("one", url=server.url)[:2] == exporter.next[:2], name
    answer = httpx.post(exporter.server.url + "/v1/sessions/import?id=x",
                        content=exporter.file[:front - 1])
    assert answer.status_code == 400


def test_another_master_key_computes(exporter, tmp_path):
    with ServerProcess(*FLAGS, "--data", str(tmp_path / "data"), "--master-key-file",
                       str(tmp_path / "other")) as server:
        kv, told = exporter.take("one", url=server.url)
        assert kv["taken"] == 0 and "master key" in kv["refused"] and not told["signed_here"]
        tokens, logit_hash, cached = exporter.went_on("one", url=server.url)
        assert (tokens, logit_hash, cached) == (*exporter.next[:2], 0)


def test_kv_of_one_tenant_is_refused_to_another(tmp_path):
    file = tmp_path / "tenants.toml"
    acme, beta = add(file, "acme"), add(file, "beta")
    one = Exporter(tmp_path, "--tenants", str(file), key=acme)
    try:
        headers = {"Authorization": f"Bearer {beta}"}
        kv, told = one.take("mine", headers=headers)
        assert kv["blocks"] > 5 and kv["taken"] == 0 and kv["held"] == 0
        assert "another tenant" in kv["refused"] and not told["signed_here"]
        tokens, logit_hash, cached = one.went_on("mine", headers=headers)
        assert (tokens, logit_hash, cached) == (*one.next[:2], 0)
        kv, told = one.take("copy")
        assert kv["held"] == kv["blocks"] and told["signed_here"]
    finally:
        one.server.__exit__(None, None, None)
