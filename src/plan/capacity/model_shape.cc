#include "plan/capacity/model_shape.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "kernels/matmul.h"

namespace quire {
namespace {

constexpr std::string_view kOutput = "output.weight";
constexpr std::string_view kEmbedding = "token_embd.weight";

uint64_t Aligned(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// "blk.12.attn_q.weight" -> 12, and the name without it.
int32_t SplitLayer(std::string& name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return ShapeTensor::kNoLayer;
  int32_t layer = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, layer);
  if (error != std::errc() || rest == end || *rest != '.') return ShapeTensor::kNoLayer;
  name.erase(0, static_cast<size_t>(rest + 1 - name.data()));
  return layer;
}

ShapeTensor ShapeOf(const TensorInfo& tensor, std::string name, int32_t layer) {
  return {.layer = layer,
          .name = std::move(name),
          .type = tensor.type,
          .rows = static_cast<uint32_t>(tensor.rows()),
          .columns = static_cast<uint32_t>(tensor.columns())};
}

// Of the last layer, only these are computed for every row.
bool FillsKv(std::string_view name) {
  return name == "attn_k.weight" || name == "attn_v.weight" || name == "attn_q.weight";
}

}  // namespace

uint64_t ShapeTensor::packed_bytes() const {
  return is_matrix() ? Aligned(PackedBytes(type, rows, columns))
                     : Aligned(uint64_t{columns} * sizeof(float));
}

uint64_t ModelShape::weight_bytes() const {
  uint64_t bytes = 0;
  for (const ShapeTensor& tensor : tensors) bytes += tensor.packed_bytes();
  return bytes;
}

bool ModelShape::has_float_matrices() const {
  return std::ranges::any_of(tensors, [](const ShapeTensor& tensor) {
    return tensor.is_matrix() && ActivationKindOf(tensor.type) == ActivationKind::kF32;
  });
}

KvShape ModelShape::kv(KvFormat format) const {
  return {.layers = config.layers,
          .kv_heads = config.kv_heads,
          .head_dim = config.head_dim,
          .format = format};
}

uint32_t ModelShape::num_windowed() const {
  return config.window == 0 ? 0 : static_cast<uint32_t>(std::ranges::count(config.windowed, true));
}

std::string ModelShape::Key() const {
  std::string text = fmt::format("{} {} {} {} {} {} {} {} {} {} {}\n", config.architecture_name,
                                 config.layers, config.width, config.ffn_width, config.query_heads,
                                 config.kv_heads, config.head_dim, config.vocab_size,
                                 config.context_length, config.window, num_windowed());
  for (const ShapeTensor& tensor : tensors) {
    text += fmt::format("{} {} {} {} {}\n", tensor.layer, tensor.name,
                        static_cast<uint32_t>(tensor.type), tensor.rows, tensor.columns);
  }
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

ModelShape ShapeOfFile(const GgufFile& file, const ModelConfig& config) {
  ModelShape shape;
  shape.config = config;
  shape.vocabulary_bytes = kVocabularyEntryBytes * config.vocab_size;
  for (const TensorInfo& tensor : file.tensors()) {
    std::string name(tensor.name);
    const int32_t layer = SplitLayer(name);
    const bool used = layer != ShapeTensor::kNoLayer
                          ? static_cast<uint32_t>(layer) < config.layers
                          : name == kOutput || name == "output_norm.weight";
    if (used) shape.tensors.push_back(ShapeOf(tensor, std::move(name), layer));
  }
  const TensorInfo* embedding = file.FindTensor(kEmbedding);
  if (embedding == nullptr) return shape;
  shape.embedding_bytes = embedding->data.size();
  if (file.FindTensor(kOutput) == nullptr) {
    shape.tensors.push_back(ShapeOf(*embedding, std::string(kOutput), ShapeTensor::kNoLayer));
  }
  return shape;
}

MatrixWork WorkOf(const ModelShape& shape) {
  MatrixWork work;
  const auto last = static_cast<int32_t>(shape.config.layers) - 1;
  for (const ShapeTensor& tensor : shape.tensors) {
    if (!tensor.is_matrix()) continue;
    PassWork& part = tensor.layer == ShapeTensor::kNoLayer           ? work.output
                     : tensor.layer == last && !FillsKv(tensor.name) ? work.logits_only
                                                                     : work.every_row;
    const double ops = 2.0 * tensor.rows * tensor.columns;
    const bool int8 = ActivationKindOf(tensor.type) == ActivationKind::kInt8;
    (int8 ? part.dot_ops : part.float_ops) += ops;
    part.bytes += static_cast<double>(tensor.packed_bytes());
  }
  return work;
}

}  // namespace quire
