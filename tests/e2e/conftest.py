"""Starts the built server on a real model, once for most tests.

QUIRE_BINARY  the binary (default build/release/quire)
QUIRE_MODEL   the model (default smollm2-135m.gguf in models/ or the cache)
"""
import pytest

from server_process import ServerProcess


@pytest.fixture(scope="session")
def server():
    """A server that all tests share, restarted by nobody: each test must leave it serving."""
    with ServerProcess("--alias", "tiny", "--stall-seconds", "2") as running:
        yield running


@pytest.fixture(autouse=True)
def still_serving(request):
    """After every test the shared server answers, holds no live block and did not restart."""
    yield
    if "server" in request.fixturenames:
        shared = request.getfixturevalue("server")
        assert shared.process.poll() is None, shared.log()
        assert shared.get("/health").status_code == 200
        shared.wait_until_free(seconds=5)


@pytest.fixture
def client(server):
    return server.openai()


@pytest.fixture
def own_server():
    """Servers with flags of their own; stopped after the test."""
    started = []

    def start(*flags):
        started.append(ServerProcess(*flags).__enter__())
        return started[-1]

    yield start
    for one in started:
        one.__exit__(None, None, None)
