"""A process on a terminal of its own, typed at and read as a person would."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[()=>][0-9A-B]?)")


class Terminal:
    def __init__(self, command, cwd, env, rows=40, columns=120):
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes_before = termios.tcgetattr(leader)  # the process changes them at once
        self.leader = leader
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, cwd=cwd,
            env={"TERM": "xterm", **env}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(follower)
        self.raw = ""  # all that was shown
        self.seen = 0  # what was expected already

    def _read(self, seconds):
        if not select.select([self.leader], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.leader, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, seconds=20):
        """Waits until `pattern` is shown behind what was expected before; returns the match."""
        end = time.monotonic() + seconds
        while True:
            found = re.compile(pattern, re.S).search(self.raw, self.seen)
            if found:
                self.seen = found.end()
                return found
            if time.monotonic() > end or (not self._read(0.2) and self.process.poll() is not None):
                raise AssertionError(f"no {pattern!r} in {self.raw[self.seen:]!r}")

    def type(self, text):
        os.write(self.leader, text.encode() if isinstance(text, str) else text)

    def line(self, text):
        self.type(text + "\n")

    def wait(self, seconds=20):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.1)
        return self.process.wait(timeout=0.1)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.leader)

    def plain(self):
        return ESCAPE.sub("", self.raw)
