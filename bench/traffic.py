"""Clients of a completions API that note when each token came; standard library only.

All of it runs in one thread: on a machine with two cores every thread of a client would be taken
from the server that is measured.
"""
import asyncio
import dataclasses
import json
import time

LIMIT_BYTES = 16 << 20  # of one line of an answer


@dataclasses.dataclass
class Answer:
    status: int = 0                 # 0: the connection broke
    headers: dict = dataclasses.field(default_factory=dict)  # names in lower case
    sent: float = 0                 # time.monotonic() when the request was sent
    times: list = dataclasses.field(default_factory=list)    # when each piece came
    ended: float = 0
    body: dict = dataclasses.field(default_factory=dict)     # of a stream: what its pieces had
    done: bool = False              # a stream came to its [DONE]; a whole answer is whole
    error: str = ""

    @property
    def ttft(self):
        """Seconds to the first piece; None if there was none."""
        return self.times[0] - self.sent if self.times else None

    @property
    def gaps(self):
        return [after - before for before, after in zip(self.times, self.times[1:])]

    @property
    def cached(self):
        details = (self.body.get("usage") or {}).get("prompt_tokens_details") or {}
        return details.get("cached_tokens", 0)

    @property
    def computed(self):
        """Prompt tokens that had to be computed: from Quire's receipt, or llama-server's timings."""
        if "quire" in self.body:
            return self.body["quire"]["computed_tokens"]
        return self.body.get("timings", {}).get("prompt_n", 0)

    @property
    def generated(self):
        return (self.body.get("usage") or {}).get("completion_tokens", 0)


class Gone(Exception):
    """Raised by `watch` to leave in the middle of an answer."""


async def read_pieces(reader, headers):
    """The body as it comes, without the framing of HTTP."""
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\n")).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    elif "content-length" in headers:
        yield await reader.readexactly(int(headers["content-length"]))
    else:
        while piece := await reader.read(65536):
            yield piece


async def read_head(reader):
    status = int((await reader.readline()).split(b" ", 2)[1])
    headers = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers


def note_event(answer, event, now):
    """One `data:` line of a stream."""
    if event == b"[DONE]":
        answer.done = True
        return
    piece = json.loads(event)
    if piece.get("error"):
        answer.error = str(piece["error"].get("message", piece["error"]))
    if any(choice.get("text") for choice in piece.get("choices") or []):
        answer.times.append(now)
    for key in ("usage", "quire", "timings"):
        if piece.get(key):
            answer.body[key] = piece[key]


async def read_stream(reader, answer, watch):
    rest = b""
    async for piece in read_pieces(reader, answer.headers):
        now = time.monotonic()
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                note_event(answer, line[6:].strip(), now)
        if watch is not None:
            watch(answer)


async def talk(port, method, path, body, key, answer, watch):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LIMIT_BYTES)
    try:
        data = json.dumps(body).encode() if body is not None else b""
        head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n")
        head += f"Authorization: Bearer {key}\r\n" if key else ""
        answer.sent = time.monotonic()
        writer.write(head.encode() + b"\r\n" + data)
        answer.status, answer.headers = await read_head(reader)
        if "event-stream" in answer.headers.get("content-type", ""):
            await read_stream(reader, answer, watch)
        else:
            pieces = [piece async for piece in read_pieces(reader, answer.headers)]
            answer.body["text"] = b"".join(pieces).decode(errors="replace")
            answer.done = True
    finally:
        writer.transport.abort()


async def ask(port, path, body=None, key=None, watch=None, limit_seconds=600):
    """One request. `watch` is called with the answer after each piece of a stream, and ends the
    connection by raising Gone. Errors of the connection are in the answer, not raised."""
    answer = Answer()
    try:
        method = "GET" if body is None else "POST"
        await asyncio.wait_for(talk(port, method, path, body, key, answer, watch), limit_seconds)
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as broken:
        answer.error = answer.error or f"{type(broken).__name__}: {broken}"
    except asyncio.TimeoutError:
        answer.error = f"over {limit_seconds:.0f} s"
    except Gone:
        answer.error = "left"
    answer.ended = time.monotonic()
    if answer.body.get("text", "").startswith("{"):
        answer.body.update(json.loads(answer.body["text"]))
    return answer


async def complete(port, prompt, tokens, *, key=None, watch=None, limit_seconds=600, **fields):
    """A stream of `tokens` tokens after a prompt of token ids."""
    body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True,
            "stream": True, "stream_options": {"include_usage": True}, **fields}
    return await ask(port, "/v1/completions", body, key, watch, limit_seconds)
