#!/usr/bin/env python3
"""Runs OpenVINO GenAI for bench/compare.py: openvino_peer.py MODEL.gguf THREADS

Answers each line of JSON (a Case of bench/peers.py) with {"value": tokens per second or bytes}.
Prompts are random tokens, so that nothing is found in its prefix cache but what a case shares.
"""
import json
import os
import resource
import sys
import time


def measure(pipeline, genai, tensor_of, case):
    """Tokens per second of one case; the time to the first token is reading, the rest generating."""
    config = genai.GenerationConfig()
    config.max_new_tokens = 1 if case["kind"] == "prefill" else case["tokens"] + 1
    config.ignore_eos = True
    config.do_sample = False
    if case["kind"] == "prefill":
        start = time.perf_counter()
        pipeline.generate([tensor_of(case["tokens"])], [config])
        return case["tokens"] / (time.perf_counter() - start)
    clients = case["clients"]
    depth = max(case["depth"], 16)
    if case["shared_prefix"] > 0:
        prefix = tensor_of(case["shared_prefix"])
        one = genai.GenerationConfig()
        one.max_new_tokens = 1
        one.ignore_eos = True
        pipeline.generate([prefix], [one])  # now in its cache
        prompts = [prefix] * clients
    else:
        prompts = [tensor_of(depth) for _ in range(clients)]
    results = pipeline.generate(prompts, [config] * clients)
    # Until the last prompt is read, steps also read; the sequence that waited longest saw least of
    # that, and its steps are those in which all generate side by side.
    step_ms = min(result.perf_metrics.get_tpot().mean for result in results)
    return clients * 1000 / step_ms


def main():
    # Its library logs to stdout: keep that for our answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import numpy
    import openvino
    import openvino_genai as genai
    model, threads = sys.argv[1], int(sys.argv[2])
    rng = numpy.random.default_rng(time.time_ns())

    def tensor_of(tokens):
        return openvino.Tensor(rng.integers(1000, 20000, (1, tokens), dtype=numpy.int64))

    scheduler = genai.SchedulerConfig()
    scheduler.enable_prefix_caching = True
    scheduler.cache_size = 2
    pipeline = genai.ContinuousBatchingPipeline(model, scheduler, "CPU",
                                                {"INFERENCE_NUM_THREADS": threads})
    for line in sys.stdin:
        case = json.loads(line)
        if case["kind"] == "memory":
            measure(pipeline, genai, tensor_of, {"kind": "prefill", "tokens": 512})
            value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        else:
            value = measure(pipeline, genai, tensor_of, case)
        answers.write(json.dumps({"value": value}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
