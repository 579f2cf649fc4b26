#!/usr/bin/env python3
"""Measures what a mask costs while decoding, against the same server without one.

    bench/mask_cost.py --model MODEL.gguf

One request at a time, in turn without and with a schema (A B A B ...), as many tokens in both.
Prints the medians of the milliseconds per token and by how much they differ.
"""
import argparse
import statistics

from agents import Server

SCHEMA = {"type": "object", "additionalProperties": False, "required": ["title", "notes"],
          "properties": {
              "title": {"type": "string", "minLength": 20, "maxLength": 80},
              "notes": {"type": "array", "minItems": 30, "items": {
                  "type": "object", "additionalProperties": False, "required": ["text", "rank"],
                  "properties": {"text": {"type": "string", "minLength": 30, "maxLength": 200},
                                 "rank": {"type": "integer", "minimum": 1, "maximum": 99}}}}}}


def per_token(server, tokens, masked):
    body = {"messages": [{"role": "user", "content": "Write notes on rivers, lakes and seas."}],
            "max_tokens": tokens, "temperature": 0}
    if masked:
        body["response_format"] = {"type": "json_schema", "json_schema": {
            "name": "notes", "strict": True, "schema": SCHEMA}}
    else:
        body["ignore_eos"] = True
    answer = server.ask(body)
    assert answer["usage"]["completion_tokens"] == tokens, answer
    return answer["quire"]["decode_ms_per_token"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=64)
    flags = parser.parse_args()
    plain, masked = [], []
    with Server(flags.model, 256 << 20, []) as server:
        for masks in (False, True):  # the first masks of a schema are made once
            per_token(server, flags.tokens, masks)
        for _ in range(flags.rounds):
            plain.append(per_token(server, flags.tokens, False))
            masked.append(per_token(server, flags.tokens, True))
    before, behind = statistics.median(plain), statistics.median(masked)
    pairs = [100 * (b / a - 1) for a, b in zip(plain, masked)]
    print(f"without {before:.2f} ms a token, with a schema {behind:.2f} ms: "
          f"{100 * (behind / before - 1):+.1f} %; of {flags.rounds} pairs the median "
          f"{statistics.median(pairs):+.1f} %, from {min(pairs):+.1f} to {max(pairs):+.1f} %")


if __name__ == "__main__":
    main()
