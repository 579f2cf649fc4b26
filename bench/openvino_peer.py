#!/usr/bin/env python3
"""Runs OpenVINO GenAI for bench/compare.py and concurrency.py: openvino_peer.py MODEL.gguf THREADS

Answers each line of JSON (a Case of bench/peers.py) with {"value": tokens per second or bytes}; a
case of kind "at_once" with what its clients saw.
Prompts are random tokens, so that nothing is found in its prefix cache but what a case shares.
"""
import json
import os
import resource
import sys
import time


def measure(pipeline, genai, tensor_of, case):
    """Tokens per second of one case.

    Generating is the time of a long answer less that of one token, prompts in its cache both times:
    its own figure of time per token is divided by the number of sequences.
    """
    def seconds(prompts, tokens):
        config = genai.GenerationConfig()
        config.max_new_tokens = tokens
        config.ignore_eos = True
        config.do_sample = False
        start = time.perf_counter()
        results = pipeline.generate(prompts, [config] * len(prompts))
        took = time.perf_counter() - start
        assert all(len(one.m_generation_ids[0]) == tokens for one in results)
        return took

    if case["kind"] == "prefill":
        prompts = [tensor_of(case["tokens"])]
        return case["tokens"] / seconds(prompts, 1)
    clients, tokens = case["clients"], case["tokens"]
    depth = max(case["depth"], 16)
    prompts = [tensor_of(depth)] * clients if case["shared_prefix"] > 0 else \
        [tensor_of(depth) for _ in range(clients)]
    seconds(prompts[:1] if case["shared_prefix"] > 0 else prompts, 1)
    alone = seconds(prompts, 1)
    return clients * tokens / (seconds(prompts, tokens + 1) - alone)


def at_once(pipeline, genai, prompts, tokens):
    """Seconds to the first token of each of several requests that come together, and to the end."""
    config = genai.GenerationConfig()
    config.max_new_tokens = tokens
    config.ignore_eos = True
    config.do_sample = False
    begun = time.perf_counter()
    handles = [pipeline.add_request(i, prompt, config) for i, prompt in enumerate(prompts)]
    first = [None] * len(handles)
    while pipeline.has_non_finished_requests():
        pipeline.step()
        for i, handle in enumerate(handles):
            if handle.can_read() and handle.read() and first[i] is None:
                first[i] = time.perf_counter() - begun
    return {"first": first, "all": time.perf_counter() - begun}


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

    def prompts_of(case):
        """Own tails behind one prefix, and that prefix alone."""
        prefix = rng.integers(1000, 20000, (1, case["prefix"]), dtype=numpy.int64)
        tails = [rng.integers(1000, 20000, (1, case["tail"]), dtype=numpy.int64)
                 for _ in range(case["clients"])]
        return [openvino.Tensor(numpy.concatenate([prefix, tail], axis=1)) for tail in tails], \
            openvino.Tensor(prefix)

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
        elif case["kind"] == "at_once":
            prompts, prefix = prompts_of(case)
            if case["cached"]:
                at_once(pipeline, genai, [prefix], 1)
            value = at_once(pipeline, genai, prompts, case["tokens"])
        else:
            value = measure(pipeline, genai, tensor_of, case)
        answers.write(json.dumps({"value": value}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
