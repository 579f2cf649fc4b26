#!/usr/bin/env python3
"""Makes tests/golden/tiny/*.gguf: tiny random models with the logits that `transformers` gives.

Each file is a complete model (float16 matrices, float32 vectors) of an architecture, head size or
rope scaling that no real test model covers. Three extra metadata keys hold the expectation:

  quire.test.tokens     the input
  quire.test.positions  the positions whose logits are stored
  quire.test.logits     [positions][vocabulary], computed by transformers in float64

Not run by the build or by CI: the files are committed. To make them again (they are equal for
equal versions of torch):

  pip install torch transformers gguf numpy
  tools/make_tiny_goldens.py tests/golden/tiny
"""

import math
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers

VOCAB = 32
POSITIONS = [0, 1, 15, 16, 40, 63, 78, 79]
TOKENS = 80

LLAMA_NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_attention_layernorm.weight": "ffn_norm.weight",
}
GEMMA_NAMES = LLAMA_NAMES | {
    "post_attention_layernorm.weight": "post_attention_norm.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight",
    "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
}


def gguf_name(name, arch):
    """The GGUF name of a transformers parameter."""
    fixed = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in fixed:
        return fixed[name]
    _, _, layer, rest = name.split(".", 3)
    names = GEMMA_NAMES if arch == "gemma3" else LLAMA_NAMES
    for theirs, ours in names.items():
        if rest == theirs:
            return f"blk.{layer}.{ours}"
        if rest.startswith(theirs + "."):
            return f"blk.{layer}.{ours}{rest[len(theirs):]}"
    raise KeyError(name)


def permuted(array, heads):
    """Rows of q or k reordered so that pairs of rope lie side by side (files that say llama)."""
    rows = array.shape[0]
    split = array.reshape(heads, 2, rows // heads // 2, *array.shape[1:])
    return split.swapaxes(1, 2).reshape(array.shape)


def randomise(model, seed):
    """Weights of a size that lets every part matter, exact in float16."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            base = 0.0 if "gemma3" in type(model).__name__.lower() else 1.0
            value = base + 0.2 * noise
        elif name.endswith("bias"):
            value = 0.5 * noise
        elif "embed" in name:
            value = noise
        else:
            value = 1.5 * noise / math.sqrt(parameter.shape[-1])
        parameter.data = value.half().float()


def write(path, arch, config, model, keys):
    writer = gguf.GGUFWriter(str(path), arch)
    head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    writer.add_name(path.stem)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    for key, value in keys.get("float", {}).items():
        writer.add_float32(f"{arch}.{key}", value)
    for key, value in keys.get("uint", {}).items():
        writer.add_uint32(f"{arch}.{key}", value)
    for key, value in keys.get("string", {}).items():
        writer.add_string(f"{arch}.{key}", value)

    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(0, VOCAB, (1, TOKENS), generator=generator)
    with torch.no_grad():
        logits = model.double()(tokens).logits[0, POSITIONS].float().numpy()
    model.float()
    writer.add_array("quire.test.tokens", tokens[0].tolist())
    writer.add_array("quire.test.positions", POSITIONS)
    writer.add_array("quire.test.logits", [float(x) for x in logits.reshape(-1)])

    for name, tensor in keys.get("tensors", {}).items():
        writer.add_tensor(name, tensor)
    tied = config.tie_word_embeddings
    for name, parameter in model.named_parameters():
        if tied and name == "lm_head.weight":
            continue
        array = parameter.detach().numpy()
        heads = config.num_attention_heads if ".q_proj" in name else config.num_key_value_heads
        if arch == "llama" and (".q_proj" in name or ".k_proj" in name):
            array = permuted(array, heads)
        if arch == "gemma3" and "norm" in name:
            array = array + 1
        writer.add_tensor(gguf_name(name, arch), array.astype(np.float16 if array.ndim == 2
                                                               else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{path.name}: {path.stat().st_size} bytes, logits of deviation {logits.std():.3f}")


def llama3_factors(config, head_dim, rope):
    """The divisors that a converter stores in rope_freqs.weight."""
    base = rope["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim)
    rope_type = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"]
    scaled = rope_type(config, "cpu")[0].numpy()
    return (base / scaled).astype(np.float32)


def sizes(head_dim, **more):
    return dict(vocab_size=VOCAB, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                num_attention_heads=2, num_key_value_heads=1, head_dim=head_dim,
                max_position_embeddings=128, rms_norm_eps=1e-5, attn_implementation="eager",
                bos_token_id=None, eos_token_id=None, pad_token_id=None) | more


def without_head_dim(values):
    return {key: value for key, value in values.items() if key != "head_dim"}


def rope(kind="default", theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    t = transformers
    yarn = dict(factor=4.0, original_max_position_embeddings=32)
    yarn_keys = {"string": {"rope.scaling.type": "yarn"},
                 "uint": {"rope.scaling.original_context_length": 32}}
    cases = []

    def case(name, arch, kind, config, **keys):
        cases.append((name, arch, kind, config, keys))

    case("llama-hd64-untied", "llama", t.LlamaForCausalLM,
         t.LlamaConfig(**sizes(64, tie_word_embeddings=False), rope_parameters=rope(theta=5e5)),
         float={"rope.freq_base": 5e5})
    case("llama-hd80-biases-tied", "llama", t.LlamaForCausalLM,
         t.LlamaConfig(**sizes(80, tie_word_embeddings=True,
                               attention_bias=True, mlp_bias=True), rope_parameters=rope()))
    case("llama-hd32-linear", "llama", t.LlamaForCausalLM,
         t.LlamaConfig(**sizes(32),
                       rope_parameters=rope("linear", factor=4.0)),
         string={"rope.scaling.type": "linear"}, float={"rope.scaling.factor": 4.0})
    llama3 = rope("llama3", theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=64)
    config = t.LlamaConfig(**sizes(32), rope_parameters=llama3)
    case("llama-hd32-llama3-tensor", "llama", t.LlamaForCausalLM, config,
         float={"rope.freq_base": 500.0},
         tensors={"rope_freqs.weight": llama3_factors(config, 32, llama3)})
    case("llama-hd16-llama3-metadata", "llama", t.LlamaForCausalLM,
         t.LlamaConfig(**sizes(16), rope_parameters=llama3),
         string={"rope.scaling.type": "llama3"},
         uint={"rope.scaling.original_context_length": 64},
         float={"rope.freq_base": 500.0, "rope.scaling.factor": 8.0,
                "rope.scaling.low_freq_factor": 1.0, "rope.scaling.high_freq_factor": 4.0})
    case("llama-hd32-yarn", "llama", t.LlamaForCausalLM,
         t.LlamaConfig(**sizes(32), rope_parameters=rope("yarn", **yarn)),
         float={"rope.scaling.factor": 4.0}, **yarn_keys)
    case("llama-hd16-window", "llama", t.MistralForCausalLM,
         t.MistralConfig(**sizes(16, sliding_window=20), rope_parameters=rope()),
         uint={"attention.sliding_window": 20})
    case("llama-hd16-granite", "llama", t.GraniteForCausalLM,
         t.GraniteConfig(**without_head_dim(sizes(16, hidden_size=32)),
                         rope_parameters=rope(), embedding_multiplier=3.0,
                         attention_multiplier=0.2, residual_multiplier=0.4, logits_scaling=5.0),
         float={"embedding_scale": 3.0, "attention.scale": 0.2, "residual_scale": 0.4,
                "logit_scale": 5.0})
    case("qwen2-hd16-biases", "qwen2", t.Qwen2ForCausalLM,
         t.Qwen2Config(**(sizes(16, tie_word_embeddings=False, num_hidden_layers=2, num_attention_heads=4,
                                num_key_value_heads=2) | {"head_dim": 16}),
                       rope_parameters=rope(theta=1e6)),
         float={"rope.freq_base": 1e6})
    case("qwen2-hd96-yarn", "qwen2", t.Qwen2ForCausalLM,
         t.Qwen2Config(**sizes(96),
                       rope_parameters=rope("yarn", theta=1e6, **yarn)),
         float={"rope.freq_base": 1e6, "rope.scaling.factor": 4.0}, **yarn_keys)
    case("qwen3-hd128", "qwen3", t.Qwen3ForCausalLM,
         t.Qwen3Config(**sizes(128),
                       rope_parameters=rope(theta=1e6)),
         float={"rope.freq_base": 1e6})
    case("qwen3-hd16-tied", "qwen3", t.Qwen3ForCausalLM,
         t.Qwen3Config(**sizes(16, num_hidden_layers=2, num_attention_heads=4,
                               num_key_value_heads=2, tie_word_embeddings=True),
                       rope_parameters=rope(theta=1e4)))

    def gemma(head_dim, layers, pattern, **more):
        return t.Gemma3TextConfig(
            **sizes(head_dim, num_hidden_layers=layers, tie_word_embeddings=True,
                    sliding_window=24, **more),
            layer_types=["full_attention" if (i + 1) % pattern == 0 else "sliding_attention"
                         for i in range(layers)],
            query_pre_attn_scalar=head_dim,
            rope_parameters={"full_attention": rope("linear", theta=1e6, factor=8.0),
                             "sliding_attention": rope(theta=1e4)})

    gemma_keys = {"float": {"rope.freq_base": 1e6, "rope.scaling.factor": 8.0},
                  "string": {"rope.scaling.type": "linear"}}
    case("gemma3-hd16-seven-layers", "gemma3", t.Gemma3ForCausalLM, gemma(16, 7, 6),
         uint={"attention.sliding_window": 24}, **gemma_keys)
    case("gemma3-hd32-pattern2", "gemma3", t.Gemma3ForCausalLM,
         gemma(32, 3, 2),
         uint={"attention.sliding_window": 24, "attention.sliding_window_pattern": 2},
         **gemma_keys)
    case("gemma3-hd256-global", "gemma3", t.Gemma3ForCausalLM,
         gemma(256, 1, 1, num_attention_heads=1),
         uint={"attention.sliding_window": 24, "attention.sliding_window_pattern": 1},
         **gemma_keys)

    for seed, (name, arch, kind, config, keys) in enumerate(cases):
        torch.manual_seed(0)
        model = kind(config).eval()
        randomise(model, seed + 1)
        write(folder / f"{name}.gguf", arch, config, model, keys)


if __name__ == "__main__":
    main(sys.argv[1])
