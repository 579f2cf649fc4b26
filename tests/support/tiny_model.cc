#include "tests/support/tiny_model.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "base/check.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/random_weights.h"
#include "tests/support/tiny_vocab.h"

namespace quire::test {
namespace {

constexpr std::string_view kChatTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

class Builder {
 public:
  explicit Builder(const TinyModelOptions& options) : o_(options) {
    for (const char* known : {"llama", "qwen2", "qwen3", "gemma3"}) {
      if (o_.architecture == known) return;
    }
    QUIRE_CHECK(false, "an architecture this builder does not know");
  }

  std::vector<std::byte> Build() {
    Configuration();
    Rope();
    Vocabulary();
    Embeddings();
    for (uint32_t layer = 0; layer < o_.layers; ++layer) {
      prefix_ = fmt::format("blk.{}.", layer);
      Attention();
      FeedForward();
    }
    return writer_.Finish();
  }

 private:
  bool is(std::string_view architecture) const { return o_.architecture == architecture; }
  std::string Key(std::string_view name) const { return o_.architecture + "." + std::string(name); }

  void Configuration();
  void Rope();
  void Vocabulary();
  void Embeddings();
  void Attention();
  void FeedForward();

  struct Shape {
    uint32_t columns;
    uint32_t rows;
  };
  void Matrix(std::string_view name, Shape shape, TensorType type, float gain = 1.0f);
  void Norm(std::string_view name, uint32_t length);  // near 1
  void Bias(std::string_view name, uint32_t length);  // near 0
  void Vector(const std::string& name, std::span<const float> values);

  const TinyModelOptions& o_;
  GgufWriter writer_;
  std::string prefix_;  // "blk.3.", or empty
  uint32_t vocab_ = 0;
};

// The type asked for, where the row is made of whole blocks.
TensorType TypeForRow(TensorType type, uint32_t columns) {
  if (columns % Info(type).block_values == 0) return type;
  return columns % 32 == 0 ? TensorType::kQ8_0 : TensorType::kF16;
}

void Builder::Configuration() {
  writer_.AddString("general.architecture", o_.architecture);
  writer_.AddString("general.name", "tiny " + o_.architecture);
  writer_.AddUint(Key("context_length"), o_.context);
  writer_.AddUint(Key("embedding_length"), o_.width);
  writer_.AddUint(Key("block_count"), o_.layers);
  writer_.AddUint(Key("feed_forward_length"), o_.ffn);
  writer_.AddUint(Key("attention.head_count"), o_.heads);
  writer_.AddUint(Key("attention.head_count_kv"), o_.kv_heads);
  writer_.AddUint(Key("attention.key_length"), o_.head_dim);
  writer_.AddUint(Key("attention.value_length"), o_.head_dim);
  writer_.AddFloat(Key("attention.layer_norm_rms_epsilon"), is("llama") ? 1e-5f : 1e-6f);
  const uint32_t window = o_.sliding_window.value_or(is("gemma3") ? 48 : 0);
  if (window > 0) writer_.AddUint(Key("attention.sliding_window"), window);
}

void Builder::Rope() {
  writer_.AddFloat(Key("rope.freq_base"), o_.rope_base);
  writer_.AddUint(Key("rope.dimension_count"), o_.head_dim);
  if (o_.rope == TinyRope::kLlama3) {
    // As converters write it: no scaling keys, but a divisor per frequency, from 1 for the fast
    // ones over a ramp to the full factor for the slow ones.
    const uint32_t count = o_.head_dim / 2;
    std::vector<float> divisors(count);
    for (uint32_t i = 0; i < count; ++i) {
      const float ramp = (static_cast<float>(i) / static_cast<float>(count) - 0.5f) * 4.0f;
      divisors[i] = 1.0f + std::min(std::max(ramp, 0.0f), 1.0f) * (o_.rope_factor - 1.0f);
    }
    Vector("rope_freqs.weight", divisors);
  }
  if (o_.rope != TinyRope::kLinear && o_.rope != TinyRope::kYarn) return;
  const bool yarn = o_.rope == TinyRope::kYarn;
  writer_.AddString(Key("rope.scaling.type"), yarn ? "yarn" : "linear");
  writer_.AddFloat(Key("rope.scaling.factor"), o_.rope_factor);
  if (yarn) writer_.AddUint(Key("rope.scaling.original_context_length"), o_.rope_original_context);
}

void Builder::Vocabulary() {
  const TinyTokenizer kind = o_.tokenizer.value_or(is("gemma3") ? TinyTokenizer::kSentencePiece
                                                                : TinyTokenizer::kByteLevel);
  vocab_ = kind == TinyTokenizer::kByteLevel ? AddByteLevelVocab(writer_, o_.vocab)
                                             : AddSentencePieceVocab(writer_, o_.vocab);
  writer_.AddUint(Key("vocab_size"), vocab_);
  if (o_.chat_template) writer_.AddString("tokenizer.chat_template", kChatTemplate);
}

void Builder::Embeddings() {
  // Logits of deviation 3: neither flat nor certain.
  constexpr float kLogitGain = 3.0f;
  const TensorType type = o_.embedding_type.value_or(o_.type);
  Matrix("token_embd.weight", {o_.width, vocab_}, type, kLogitGain);
  if (!o_.tied) Matrix("output.weight", {o_.width, vocab_}, type, kLogitGain);
  Norm("output_norm.weight", o_.width);
}

void Builder::Attention() {
  const uint32_t q = o_.heads * o_.head_dim;
  const uint32_t kv = o_.kv_heads * o_.head_dim;
  Norm("attn_norm.weight", o_.width);
  Matrix("attn_q.weight", {o_.width, q}, o_.type);
  Matrix("attn_k.weight", {o_.width, kv}, o_.type);
  Matrix("attn_v.weight", {o_.width, kv}, o_.type);
  Matrix("attn_output.weight", {q, o_.width}, o_.type);
  if (o_.biases.value_or(is("qwen2"))) {
    Bias("attn_q.bias", q);
    Bias("attn_k.bias", kv);
    Bias("attn_v.bias", kv);
  }
  if (is("qwen3") || is("gemma3")) {
    Norm("attn_q_norm.weight", o_.head_dim);
    Norm("attn_k_norm.weight", o_.head_dim);
  }
  if (is("gemma3")) Norm("post_attention_norm.weight", o_.width);
}

void Builder::FeedForward() {
  Norm("ffn_norm.weight", o_.width);
  Matrix("ffn_gate.weight", {o_.width, o_.ffn}, o_.type);
  Matrix("ffn_up.weight", {o_.width, o_.ffn}, o_.type);
  Matrix("ffn_down.weight", {o_.ffn, o_.width}, o_.type);
  if (is("gemma3")) Norm("post_ffw_norm.weight", o_.width);
}

void Builder::Matrix(std::string_view name, Shape shape, TensorType wanted, float gain) {
  const std::string full_name = prefix_ + std::string(name);
  const TensorType type = TypeForRow(wanted, shape.columns);
  const float deviation = gain / std::sqrt(static_cast<float>(shape.columns));
  Rng rng(SeedFor(o_.seed, full_name));
  writer_.AddTensor({full_name,
                     static_cast<uint32_t>(type),
                     {shape.columns, shape.rows},
                     RandomWeights(type, uint64_t{shape.columns} * shape.rows, deviation, rng)});
}

void Builder::Norm(std::string_view name, uint32_t length) {
  const std::string full_name = prefix_ + std::string(name);
  Rng rng(SeedFor(o_.seed, full_name));
  std::vector<float> values(length);
  for (float& value : values) value = 1.0f + 0.125f * rng.Gaussian();
  Vector(full_name, values);
}

void Builder::Bias(std::string_view name, uint32_t length) {
  const std::string full_name = prefix_ + std::string(name);
  Rng rng(SeedFor(o_.seed, full_name));
  std::vector<float> values(length);
  for (float& value : values) value = 0.5f * rng.Gaussian();
  Vector(full_name, values);
}

void Builder::Vector(const std::string& name, std::span<const float> values) {
  ByteSink sink;
  for (const float value : values) sink.F32(value);
  writer_.AddTensor({name, static_cast<uint32_t>(TensorType::kF32), {values.size()}, sink.Take()});
}

}  // namespace

std::vector<std::byte> MakeTinyModel(const TinyModelOptions& options) {
  return Builder(options).Build();
}

void WriteTinyModel(const TinyModelOptions& options, const std::string& path) {
  WriteBytes(path, MakeTinyModel(options));
}

}  // namespace quire::test
