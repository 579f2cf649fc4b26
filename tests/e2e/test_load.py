"""A load tool from the Python registry: many clients at once, no failed answer."""
import pathlib
import subprocess
import sys


def test_sixteen_clients(server):
    steps = server.metric("quire_step_seconds_count")
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(pathlib.Path(__file__).parent / "locustfile.py"),
         "--headless", "-u", "16", "-r", "16", "-t", "10s", "--stop-timeout", "30",
         "--host", server.url], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "first token" in done.stdout + done.stderr
    assert server.metric("quire_step_seconds_count") > steps
