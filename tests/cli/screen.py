"""A program that owns its terminal's screen, and what stands on that screen."""
import fcntl
import os
import re
import select
import struct
import termios
import time

import pyte

from terminal import Terminal


class Screen(Terminal):
    def __init__(self, command, cwd, env, rows=40, columns=140):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = b""  # all that was sent
        super().__init__(command, cwd, env, rows, columns)

    def _read(self, seconds):
        if not select.select([self.leader], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.leader, 65536)
        except OSError:  # the other side is closed
            return False
        self.bytes += data
        self.stream.feed(data)
        return bool(data)

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.leader)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def until(self, pattern, seconds=30):
        """Waits until the screen shows it; returns the match."""
        return self.check(lambda: re.search(pattern, self.text(), re.M), pattern, seconds)

    def until_gone(self, pattern, seconds=30):
        return self.check(lambda: not re.search(pattern, self.text(), re.M), "not " + pattern,
                          seconds)

    def check(self, holds, what, seconds=30):
        end = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            assert time.monotonic() < end, f"{what!r} does not come:\n{self.text()}"
            if not self._read(0.1) and self.process.poll() is not None:
                raise AssertionError(f"it has ended; {what!r} not on:\n{self.text()}")

    def settle(self, seconds):
        """Reads for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(0.05)
