"""The system starts no more threads: the server says so before it serves, or serves with what it has."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from chaos import tiny_model
from server_process import ROOT, free_port

QUIRE = os.environ.get("QUIRE_BINARY", str(ROOT / "build" / "release" / "quire"))
NOBODY = 65534  # root may start as many as it likes


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        tiny_model(folder)
        shutil.copy(QUIRE, folder / "quire")
        (folder / "home").mkdir()
        if os.geteuid() == 0:
            os.chown(folder / "home", NOBODY, NOBODY)
        yield folder


def threads_of(user):
    """What the limit counts before the test starts anything: the rest of its user's threads."""
    count = 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            count += len(list((process / "task").iterdir())) if process.stat().st_uid == user else 0
        except OSError:  # it has ended
            pass
    return count


def serve(place, processes, seconds):
    """What it says, and whether it still ran after so many seconds."""
    as_root = os.geteuid() == 0
    other = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"] if as_root else []
    limit = processes + threads_of(NOBODY if as_root else os.geteuid())
    command = ["prlimit", f"--nproc={limit}", *other, place / "quire", "serve", place / "tiny.gguf",
               "--port", free_port(), "--disk", 0, "--kv-memory", "16MiB", "--data", place / "home"]
    home = {"HOME": str(place / "home"), "PATH": os.environ["PATH"]}
    with subprocess.Popen(list(map(str, command)), env=home, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            said = process.communicate(timeout=seconds)[0]
            return said, False, process.returncode
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.communicate(timeout=60)[0], True, process.returncode


@pytest.mark.parametrize("processes", [1, 2, 5, 12])
def test_too_few_are_refused_at_the_start(place, processes):
    said, ran, code = serve(place, processes, 60)
    assert not ran and code not in (0, -6, -11)
    assert re.search(rf"\d+ threads are needed, and the system lets this process start "
                     rf"{processes - 1} .* raise the limit", said), said


def test_just_enough_serve(place):
    needed = int(re.search(r"(\d+) threads are needed", serve(place, 1, 60)[0])[1])
    said, ran, code = serve(place, needed + 1, 5)
    assert ran and code == 0, said
    assert serve(place, needed, 60)[1] is False
