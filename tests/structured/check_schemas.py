#!/usr/bin/env python3
"""Samples answers to random schemas and has the package jsonschema judge every finished one.

QUIRE_SAMPLE_FORMS         the program sample_forms
QUIRE_STRUCTURED_SCHEMAS   how many schemas (default 120; the full measure is 2000)
QUIRE_STRUCTURED_SEED      of the first schema (default 0)
Models: SmolLM2 where it is (models/ or the cache), and one with random weights.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

import jsonschema

from random_schemas import schema_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAST_FINISHED = 0.5  # of the answers, or the test would say little


def find_models():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    for place in (ROOT / "models", cache / "quire" / "models"):
        if (place / "smollm2-135m.gguf").exists():
            return ["random", str(place / "smollm2-135m.gguf")]
    print("SKIPPED for SmolLM2: no smollm2-135m.gguf; tools/fetch_model smollm2-135m fetches it")
    return ["random"]


def unique_keys(pairs):
    return dict(pairs)


def faults(schemas, answers):
    """Yields what is wrong: refused schemas and finished answers that do not validate."""
    for schema, answer in zip(schemas, answers):
        if "error" in answer or "failed" in answer:
            yield f"refused: {answer}\n  {json.dumps(schema)}"
            continue
        if not answer["finished"]:
            continue
        try:
            value = json.loads(answer["text"], object_pairs_hook=unique_keys)
            validator = jsonschema.Draft202012Validator(
                schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
            validator.validate(value)
        except (ValueError, jsonschema.ValidationError) as fault:
            yield (f"invalid: {str(fault).splitlines()[0]}\n  answer {answer['text']!r}\n"
                   f"  schema {json.dumps(schema)}")


def unsatisfiable(answer):
    return "no text satisfies" in answer.get("error", "")


def check(model, schemas):
    lines = "".join(json.dumps({"schema": schema}) + "\n" for schema in schemas)
    start = time.monotonic()
    run = subprocess.run([os.environ["QUIRE_SAMPLE_FORMS"], model], input=lines,
                         capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.split("\n") if line]
    assert len(answers) == len(schemas)
    pairs = [(s, a) for s, a in zip(schemas, answers) if not unsatisfiable(a)]
    schemas, answers = [s for s, _ in pairs], [a for _, a in pairs]
    found = list(faults(schemas, answers))
    finished = sum(answer.get("finished", False) for answer in answers)
    print(f"{pathlib.Path(model).name}: {len(answers)} satisfiable schemas, {finished} answers "
          f"finished, {len(found)} faults, {time.monotonic() - start:.0f} s")
    for fault in found[:20]:
        print(fault)
    return not found and finished >= LEAST_FINISHED * len(answers)


def main():
    count = int(os.environ.get("QUIRE_STRUCTURED_SCHEMAS", "120"))
    first = int(os.environ.get("QUIRE_STRUCTURED_SEED", "0"))
    schemas = [schema_of(first + i) for i in range(count)]
    return 0 if all([check(model, schemas) for model in find_models()]) else 1


if __name__ == "__main__":
    sys.exit(main())
