"""The system gives no more memory: requests that need some end, alone, and the server serves on.

Every allocation that may fail, one by one and many at once: tests/memory/.
"""
import pathlib
import re
import resource
import threading

import httpx

from server_process import ServerProcess

LEFT = 4 << 20  # bytes of address space beyond what the server has


def address_space(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmSize:\s+(\d+)", status)[1]) * 1024


def limit(server, more):
    """What the server may have beyond what it has; None: as much as it wants."""
    most = resource.RLIM_INFINITY if more is None else address_space(server) + more
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def numbers(field, size):
    """A body of so many bytes, which is many times as large once it is parsed."""
    return (f'{{"{field}": [' + "1," * (size // 2) + "1]}").encode()


# Memory runs out while a body is read, and while it is parsed.
HUNGRY = [
    ("/v1/completions", numbers("prompt", 16 << 20)),
    ("/v1/completions", numbers("prompt", 3 << 20)),
    ("/v1/chat/completions", numbers("messages", 3 << 20)),
    ("/tokenize", numbers("content", 3 << 20)),
]


def test_requests_that_find_no_memory_end_alone():
    with ServerProcess("--kv-memory", "64MiB") as server:
        def small():
            return server.complete("The quick brown fox", max_tokens=30, temperature=0,
                                   ignore_eos=True, return_logit_hash=True)

        def hungry():
            return [httpx.post(server.url + path, content=body, timeout=60).status_code
                    for path, body in HUNGRY]

        def logit_hash(answer):
            assert answer.status_code == 200, answer.text
            return answer.json()["quire"]["logit_hash"]

        expected = logit_hash(small())
        limit(server, LEFT)  # before anything large was here and left room in the heap
        answers, refused = [], []
        crowd = [threading.Thread(target=lambda: answers.append(small())) for _ in range(4)]
        crowd += [threading.Thread(target=lambda: refused.extend(hungry())) for _ in range(2)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        assert len(answers) == 4 and len(refused) == 2 * len(HUNGRY)
        assert set(refused) <= {400, 503} and refused.count(503) >= 2, refused
        for answer in answers:  # who comes while nothing is left is refused
            assert answer.status_code == 503 or logit_hash(answer) == expected
        server.wait_until_free(5)
        assert logit_hash(small()) == expected, "room is left again"
        limit(server, None)
        assert hungry() == [400] * len(HUNGRY)
