#!/usr/bin/env python3
"""Kills a server with SIGKILL at random moments under load, again and again, and proves each time:

    every start succeeds
    no acknowledged write of a session is lost: its tokens are those that were acknowledged, and
        maybe what was asked for last
    no wrong byte is served: every answer's logit hash is that of a server which is never killed and
        keeps no KV

    tests/e2e/chaos.py [--kills 500] [--seed 1] [--clients 4] [--model FILE]

The load, of several clients at once: prompts that share beginnings, beyond what the small KV memory
holds, so that they go to the disk and come back; and sessions that are begun, appended to, answered,
cut, forked and deleted. The same seed asks for the same things; when the kills come is the machine's.
"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

import httpx

from server_process import ROOT, ServerProcess

SAMPLED = {"temperature": 1.0, "ignore_eos": True, "return_logit_hash": True}
FLAGS = ("--kv-memory", "6MiB", "--context", "2048", "--threads", "1", "--log-level", "warn")
MOST_SESSIONS = 5  # of one client
MOST_SECONDS = 1.0  # between a start and its kill


def tiny_model(folder):
    """A model that loads at once. QUIRE_TINY_MODEL: the program that writes it."""
    path = pathlib.Path(folder) / "tiny.gguf"
    program = os.environ.get("QUIRE_TINY_MODEL",
                             str(ROOT / "build/release/tests/support/write_tiny_model"))
    subprocess.run([program, str(path)], check=True)
    return path


class Truth:
    """What a server that is never killed says, asked for nothing twice."""

    def __init__(self, model):
        self.server = ServerProcess(*FLAGS, model=model).__enter__()
        self.client = httpx.Client(base_url=self.server.url, timeout=60)
        self.known = {}

    def check(self, claim):
        """A claim: (tokens, seed, how many were answered, the hash that was told)."""
        *key, told = claim
        key = (tuple(key[0]), *key[1:])
        if key not in self.known:
            body = dict(SAMPLED, prompt=list(key[0]), seed=key[1], max_tokens=key[2],
                        cache_salt=os.urandom(8).hex(), kv_policy={"no_store": True})
            answer = self.client.post("/v1/completions", json=body)
            assert answer.status_code == 200, answer.text
            self.known[key] = answer.json()["quire"]["logit_hash"]
        assert told == self.known[key], f"a wrong byte was served for {len(key[0])} tokens"


class Killed(Exception):
    """The server has gone; whatever was asked may have happened or not."""


class Session:
    """What a client knows of one: the tokens that were acknowledged, and what may have come."""

    def __init__(self, name, seed):
        self.name, self.seed = name, seed
        self.tokens = None      # None: not acknowledged yet
        self.doubt = None       # what the tokens may be instead; a number: so many more
        self.gone = False       # a deletion was asked for


class Client:
    """Asks one server, one thing after the other."""

    def __init__(self, number, seed):
        self.random = random.Random(seed * 1000 + number)
        self.number, self.claims = number, []
        self.sessions, self.made = [], 0
        self.served = self.from_disk = self.writes = 0

    def call(self, method, path, body=None, fine=(200, 201)):
        try:
            answer = self.http.request(method, path, json=body)
        except httpx.TransportError as gone:
            raise Killed from gone
        assert answer.status_code in fine, (path, answer.status_code, answer.text)
        return answer.json()

    def run(self, url, done):
        self.http = httpx.Client(base_url=url, timeout=60)
        try:
            while not done.is_set():
                self.random.choice([self.complete, self.begin, self.append, self.append,
                                    self.generate, self.generate, self.cut, self.fork,
                                    self.delete])()
        except Killed:
            pass
        finally:
            self.http.close()

    def text(self, most):
        first = self.random.randrange(200)
        return [(first + i * 7) % 250 for i in range(self.random.randrange(1, most))]

    def complete(self):
        text = self.random.randrange(12)
        tokens = [(text * 31 + i * (text + 3)) % 250 for i in range(700)]
        tokens = tokens[:self.random.randrange(20, 700)]
        told = self.call("POST", "/v1/completions", dict(SAMPLED, prompt=tokens, seed=text,
                                                        max_tokens=4))
        self.served += 1
        self.from_disk += told["quire"]["cached_tokens"]["disk"]
        self.claims.append((tokens, text, 4, told["quire"]["logit_hash"]))

    def pick(self):
        alive = [one for one in self.sessions if one.tokens is not None and not one.gone]
        return self.random.choice(alive) if alive else None

    def begin(self):
        if len(self.sessions) >= MOST_SESSIONS:
            return
        self.made += 1
        session = Session(f"c{self.number}.{self.made}", self.random.randrange(1000))
        session.doubt = []
        self.sessions.append(session)
        self.call("POST", "/v1/sessions", {"id": session.name, "seed": session.seed})
        self.acknowledge(session, [])

    def acknowledge(self, session, tokens):
        session.tokens, session.doubt = tokens, None
        self.writes += 1

    def append(self):
        session = self.pick()
        if session is None or len(session.tokens) > 1200:
            return
        more = self.text(150)
        session.doubt = session.tokens + more
        told = self.call("POST", f"/v1/sessions/{session.name}/append", {"tokens": more})
        assert told["tokens"] == len(session.doubt)
        self.acknowledge(session, session.doubt)

    def generate(self):
        session = self.pick()
        if session is None or not session.tokens or len(session.tokens) > 1200:
            return
        count = self.random.randrange(1, 12)
        session.doubt = count
        told = self.call("POST", f"/v1/sessions/{session.name}/generate",
                         dict(SAMPLED, max_tokens=count))
        before = session.tokens
        assert len(told["tokens"]) == count
        self.acknowledge(session, before + told["tokens"])
        self.served += 1
        self.from_disk += told["quire"]["cached_tokens"]["disk"]
        self.claims.append((before, session.seed, count, told["quire"]["logit_hash"]))

    def cut(self):
        session = self.pick()
        if session is None:
            return
        session.doubt = session.tokens[:self.random.randrange(len(session.tokens) + 1)]
        self.call("POST", f"/v1/sessions/{session.name}/truncate", {"tokens": len(session.doubt)})
        self.acknowledge(session, session.doubt)

    def fork(self):
        parent = self.pick()
        if parent is None or len(self.sessions) >= MOST_SESSIONS:
            return
        self.made += 1
        child = Session(f"c{self.number}.{self.made}", parent.seed)
        child.doubt = list(parent.tokens)
        self.sessions.append(child)
        self.call("POST", f"/v1/sessions/{parent.name}/fork", {"id": child.name})
        self.acknowledge(child, child.doubt)

    def delete(self):
        session = self.pick()
        if session is None or len(self.sessions) < MOST_SESSIONS:
            return
        session.gone = True
        self.call("DELETE", f"/v1/sessions/{session.name}")
        self.sessions.remove(session)
        self.writes += 1

    def check(self, url):
        """After a restart: everything is as it was acknowledged, or as it was asked for last."""
        with httpx.Client(base_url=url, timeout=60) as http:
            for session in list(self.sessions):
                answer = http.get(f"/v1/sessions/{session.name}?tokens=true")
                if answer.status_code == 404:
                    assert session.gone or session.tokens is None, f"{session.name} is lost"
                    self.sessions.remove(session)
                    continue
                assert answer.status_code == 200, answer.text
                found = answer.json()["token_ids"]
                if isinstance(session.doubt, int):
                    more = found[len(session.tokens):]
                    fine = found == session.tokens or (
                        found[:len(session.tokens)] == session.tokens and
                        len(more) == session.doubt)
                else:
                    fine = found in (session.tokens, session.doubt)
                assert fine, (session.name, len(found), len(session.tokens or []), session.doubt)
                session.tokens, session.doubt, session.gone = found, None, False


def run(kills, seed=1, clients=4, model=None, report=lambda line: None):
    """Returns what was done; raises AssertionError for what must not be."""
    with tempfile.TemporaryDirectory(prefix="quire_chaos_") as folder:
        model = model or tiny_model(folder)
        truth = Truth(model)
        crowd = [Client(i, seed) for i in range(clients)]
        moments = random.Random(seed)
        flags = (*FLAGS, "--data", folder + "/data", "--master-key-file", folder + "/key",
                 "--disk", "24MiB")
        failures = []

        def load(client, url, done):
            try:
                client.run(url, done)
            except Exception as failure:  # of a thread: told by the one that waits for it
                failures.append(failure)

        slowest = 0.0
        try:
            for kill in range(kills + 1):
                begin = time.monotonic()
                server = ServerProcess(*flags, model=model).__enter__()
                slowest = max(slowest, time.monotonic() - begin)
                for client in crowd:
                    client.check(server.url)
                done = threading.Event()
                threads = [threading.Thread(target=load, args=(client, server.url, done))
                           for client in crowd]
                for thread in threads:
                    thread.start()
                time.sleep(moments.uniform(0.0, MOST_SECONDS))
                last = kill == kills  # ends well, to end with everything checked
                if last:
                    done.set()
                    for thread in threads:
                        thread.join()
                server.process.send_signal(signal.SIGTERM if last else signal.SIGKILL)
                server.process.wait(timeout=30)
                for thread in threads:
                    thread.join()
                log = server.log()
                server.__exit__(None, None, None)
                if failures:
                    raise AssertionError(f"after {kill} kills, seed {seed}: {failures[0]!r}\n{log}")
                for client in crowd:
                    for claim in client.claims:
                        truth.check(claim)
                    client.claims.clear()
                if kill % 50 == 49:
                    report(f"{kill + 1} kills, {sum(c.writes for c in crowd)} writes kept")
        finally:
            truth.server.__exit__(None, None, None)
        return {"kills": kills, "seed": seed, "writes": sum(c.writes for c in crowd),
                "answers": sum(c.served for c in crowd),
                "tokens_from_disk": sum(c.from_disk for c in crowd),
                "slowest_start": slowest}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--model", type=pathlib.Path)
    flags = parser.parse_args()
    begin = time.monotonic()
    done = run(flags.kills, flags.seed, flags.clients, flags.model, print)
    print(f"{done['kills']} kills (seed {done['seed']}) in {time.monotonic() - begin:.0f} s: every "
          f"start succeeded (slowest {done['slowest_start']:.2f} s), {done['writes']} acknowledged "
          f"writes kept, {done['answers']} answers with the right hash, "
          f"{done['tokens_from_disk']} of their tokens from disk")


if __name__ == "__main__":
    main()
