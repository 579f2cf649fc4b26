"""Finds the binary and the model, and runs the one on the other.

QUIRE_BINARY  the binary (default build/release/quire)
QUIRE_MODEL   the model (default smollm2-135m.gguf in models/ or the cache)
"""
import atexit
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("QUIRE_BINARY", ROOT / "build" / "release" / "quire"))
CACHE = tempfile.mkdtemp(prefix="quire_cache_")
atexit.register(shutil.rmtree, CACHE, True)


def find_model(name):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    places = [ROOT / "models" / name, cache / "quire" / "models" / name]
    return next((place for place in places if place.exists()), None)


@pytest.fixture(scope="session")
def model():
    found = os.environ.get("QUIRE_MODEL") or find_model("smollm2-135m.gguf")
    assert found, "no smollm2-135m.gguf; tools/fetch_model smollm2-135m fetches it"
    return str(found)


def environment(**more):
    """The caller's, without settings that would change what is tested."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_")}
    for name in ("OPENAI_API_KEY", "TERM"):
        kept.pop(name, None)
    data = tempfile.mkdtemp(dir=CACHE)  # nothing of one server is found by the next one
    return {**kept, "XDG_CACHE_HOME": CACHE, "XDG_CONFIG_HOME": CACHE, "XDG_DATA_HOME": data,
            **more}


@pytest.fixture
def quire(tmp_path):
    """Runs the binary in an empty folder; returns code, out, err (bytes kept apart on request)."""
    def run(*arguments, stdin=b"", env=None, timeout=30, **more):
        return subprocess.run([BINARY, *map(str, arguments)], input=stdin, cwd=tmp_path,
                              env=environment(**(env or {})), timeout=timeout,
                              stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, **more})
    return run


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Serving:
    """A `quire serve` whose stderr is read until it says where it is ready."""

    def __init__(self, model, *flags, cwd):
        port = () if "--port" in flags else ("--port", "0")
        command = [BINARY, "serve", model, *port, *flags]
        self.process = subprocess.Popen(command, cwd=cwd, env=environment(), text=True,
                                        stderr=subprocess.PIPE)
        self.url = ""
        self.log = ""  # until it is ready
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"ready at (http://\S+)", line):
                self.url = found.group(1)
                return
        raise AssertionError("the server ended before it was ready")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=15)
        finally:
            self.process.kill()
            self.process.stderr.close()


@pytest.fixture(scope="session")
def serving(model, tmp_path_factory):
    """Starts servers; all are stopped when the tests are over."""
    started = []

    def start(*flags):
        started.append(Serving(model, *flags, cwd=tmp_path_factory.mktemp("server")))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def server(serving):
    return serving()
