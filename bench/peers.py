"""Engines that bench/compare.py measures: each takes a Case and gives one sample of it.

A sample is tokens per second, or seconds for the kind "load" and bytes for "memory". `None`: this
engine cannot do such a case. TimeLimit: it could not finish in the time that a row may take.
"""
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.request


class TimeLimit(Exception):
    """A case took longer than it may."""


class Failed(Exception):
    """An engine ended badly; says what it said last."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str                # prefill, decode, load, memory
    tokens: int = 0          # to read (prefill), or to generate in each sequence (decode)
    depth: int = 0           # tokens of context when generating starts
    clients: int = 1
    shared_prefix: int = 0   # tokens of the context that all clients have in common


@dataclasses.dataclass(frozen=True)
class Run:
    """How one command ended."""
    out: str
    seconds: float
    peak_rss_bytes: int


def start_program(command, **more):
    try:
        return subprocess.Popen([str(part) for part in command], **more)
    except OSError as error:
        raise Failed(f"{command[0]} cannot be started: {error.strerror}") from error


def run(command, limit_seconds):
    """Runs a command to its end; its own peak memory, not that of other children."""
    start = time.monotonic()
    process = start_program(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)
    late = threading.Event()

    def stop():
        late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit_seconds, stop)
    timer.start()
    err = []
    reader = threading.Thread(target=lambda: err.append(process.stderr.read()))
    reader.start()
    try:
        out = process.stdout.read()
        reader.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        timer.cancel()
        process.stdout.close()
        process.stderr.close()
    if late.is_set():
        raise TimeLimit(f"over {limit_seconds:.0f} s")
    if process.returncode != 0:
        last = b"".join(err).decode(errors="replace").strip().splitlines()
        raise Failed(f"{command[0]} ended with {process.returncode}: {last[-1] if last else ''}")
    return Run(out.decode(errors="replace"), time.monotonic() - start, usage.ru_maxrss * 1024)


class Quire:
    """Ourselves: `quire bench` for rates, `quire run` for the time to a first token."""

    def __init__(self, binary, model, threads, kv_format="auto"):
        self.name = "Quire"
        self.command = [binary]
        self.model, self.threads, self.kv_format = model, threads, kv_format
        self.last = None      # JSON of the last bench
        self.other_cores = 0  # that other processes kept busy, at most, since this was last set

    def sample(self, case, limit_seconds):
        if case.kind == "load":
            command = [*self.command, "run", self.model, "-p", "The", "-n", 1, "--temperature", 0,
                       "--threads", self.threads]
            return run(command, limit_seconds).seconds
        flags = ["--prefill", 512, "--decode", 16] if case.kind == "memory" else \
            ["--prefill", case.tokens, "--decode", 0] if case.kind == "prefill" else \
            ["--prefill", 0, "--decode", case.tokens, "--depth", case.depth, "--clients",
             case.clients, "--shared-prefix", case.shared_prefix]
        ended = run([*self.command, "bench", self.model, "--threads", self.threads, "--repetitions",
                     1, "--kv-format", self.kv_format, "--json", *flags], limit_seconds)
        self.last = json.loads(ended.out)
        self.other_cores = max(self.other_cores, self.last["cores_busy_with_other_work"])
        if case.kind == "memory":
            return self.last["memory"]["peak_resident_bytes"]
        return self.last["cases"][0]["tokens_per_second"]

    def close(self):
        pass


class LlamaBench:
    """llama.cpp's llama-bench; `kv_type` as its -ctk and -ctv."""

    def __init__(self, binary, model, threads, kv_type="f16"):
        self.name = f"llama.cpp {kv_type}"
        self.command = [binary, "-m", model, "-t", threads, "-ctk", kv_type, "-ctv", kv_type,
                        "-r", 1, "-o", "json"]

    def sample(self, case, limit_seconds):
        if case.clients > 1:
            return None
        flags = {"prefill": ["-p", case.tokens, "-n", 0],
                 "decode": ["-p", 0, "-n", case.tokens, "-d", case.depth],
                 "load": ["-p", 1, "-n", 0, "--no-warmup"],
                 "memory": ["-p", 512, "-n", 0, "--no-warmup"]}[case.kind]
        if max(case.tokens, case.depth) > 1024:
            flags = [*flags, "--no-warmup"]  # it would take as long as the measurement
        ended = run([*self.command, *flags], limit_seconds)
        if case.kind == "load":
            return ended.seconds
        if case.kind == "memory":
            return ended.peak_rss_bytes
        return json.loads(ended.out)[0]["avg_ts"]

    def close(self):
        pass


class LlamaBatched:
    """llama.cpp's llama-batched-bench: sequences side by side.

    The context is read once and copied to all sequences (-pps), so that no time goes into reading
    it for each. `unified`: sequences share one KV buffer, and thereby their common prefix.
    """

    def __init__(self, binary, model, threads, unified):
        self.name = "llama.cpp batched" + (" unified" if unified else "")
        self.unified = unified
        self.command = [binary, "-m", model, "-t", threads, "-b", 2048, "-ub", 512, "-pps",
                        "--output-format", "jsonl", *(["-kvu"] if unified else [])]

    def sample(self, case, limit_seconds):
        if case.kind != "decode" or case.clients == 1 or self.unified != (case.shared_prefix > 0):
            return None
        context = (case.depth + case.tokens + 32) * case.clients
        ended = run([*self.command, "-c", context, "-npp", case.depth, "-ntg", case.tokens, "-npl",
                     case.clients], limit_seconds)
        lines = [line for line in ended.out.splitlines() if line.startswith("{")]
        return json.loads(lines[-1])["speed_tg"]

    def close(self):
        pass


class Conversation:
    """A program that answers each line of JSON with one line of JSON."""

    def __init__(self, command):
        self.process = start_program(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True, start_new_session=True)

    def ask(self, question, limit_seconds):
        timer = threading.Timer(limit_seconds, self.kill)
        timer.start()
        start = time.monotonic()
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        if time.monotonic() - start >= limit_seconds:
            raise TimeLimit(f"over {limit_seconds:.0f} s")
        raise Failed("the peer's program ended")

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self):
        self.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class OpenVino:
    """OpenVINO GenAI, in a Python that has the package openvino-genai."""

    name = "OpenVINO GenAI"

    def __init__(self, python, model, threads):
        program = pathlib.Path(__file__).with_name("openvino_peer.py")
        self.command = [python, program, model, threads]
        self.talk = None

    def sample(self, case, limit_seconds):
        if case.kind == "load":  # from the start of the program
            start = time.monotonic()
            talk = Conversation(self.command)
            try:
                talk.ask({"kind": "prefill", "tokens": 1}, limit_seconds)
                return time.monotonic() - start
            finally:
                talk.close()
        if self.talk is None:
            self.talk = Conversation(self.command)
            self.talk.ask({"kind": "prefill", "tokens": 32}, limit_seconds)  # loads
        try:
            answer = self.talk.ask(dataclasses.asdict(case), limit_seconds)
        except (TimeLimit, Failed):
            self.close()
            raise
        return answer["value"]

    def close(self):
        if self.talk is not None:
            self.talk.close()
        self.talk = None


class Server:
    """A server of OpenAI's API, for the time from its start to its first token."""

    def __init__(self, name, command_of_port):
        self.name, self.command_of_port = name, command_of_port

    def sample(self, case, limit_seconds):
        if case.kind != "load":
            return None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        start = time.monotonic()
        command = self.command_of_port(port)
        process = start_program(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while time.monotonic() - start < limit_seconds:
                if process.poll() is not None:
                    raise Failed(f"{command[0]} ended with {process.returncode}")
                try:
                    self.complete(port)
                    return time.monotonic() - start
                except OSError:  # not there yet, or loading
                    time.sleep(0.01)
            raise TimeLimit(f"over {limit_seconds:.0f} s")
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def complete(port):
        body = {"prompt": "The", "max_tokens": 1, "temperature": 0}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions",
                                         json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def close(self):
        pass
