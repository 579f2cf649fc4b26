#include "apps/plan/stand_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/size.h"

namespace quire {
namespace {

constexpr uint64_t kLeastWeightBytes = 96 * kMiB;  // three times a large cache of two cores
constexpr uint64_t kMostUnreadBytes = 192 * kMiB;
constexpr uint32_t kMostVocabulary = 16384;
constexpr const char* kEmbedding = "token_embd.weight";
constexpr uint64_t kAlignment = 32;
constexpr uint64_t kOtherBytes = 768 * kMiB;  // KV, buffers, and what measures the peaks

// Of every byte of a matrix: scales that are small normal numbers, weights that are not all zero.
constexpr int kFill = 0x11;

// The kinds of values in a GGUF file that are needed here.
enum Kind : uint32_t { kUint32 = 4, kFloat32 = 6, kText = 8 };

class Bytes {
 public:
  template <typename T>
  void Number(T value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof(value));
  }
  void Text(std::string_view text) {
    Number<uint64_t>(text.size());
    const auto* from = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), from, from + text.size());
  }
  std::vector<std::byte> Take() { return std::move(bytes_); }
  size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
};

class KeyValues {
 public:
  explicit KeyValues(std::string architecture) : architecture_(std::move(architecture)) {}
  void Text(const std::string& key, std::string_view value) {
    Begin(key, kText);
    pairs_.Text(value);
  }
  void Uint(const std::string& key, uint32_t value) {
    Begin(architecture_ + "." + key, kUint32);
    pairs_.Number(value);
  }
  void Float(const std::string& key, float value) {
    Begin(architecture_ + "." + key, kFloat32);
    pairs_.Number(value);
  }
  uint64_t count() const { return count_; }
  Bytes& pairs() { return pairs_; }

 private:
  void Begin(const std::string& key, Kind kind) {
    ++count_;
    pairs_.Text(key);
    pairs_.Number<uint32_t>(kind);
  }
  const std::string architecture_;
  uint64_t count_ = 0;
  Bytes pairs_;
};

struct Placed {
  std::string name;
  TensorType type;
  uint32_t rows;
  uint32_t columns;
  uint64_t bytes() const {
    const TensorTypeInfo& info = Info(type);
    return uint64_t{rows} * (columns / info.block_values) * info.block_bytes;
  }
};

uint64_t Aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// The layer of the model that stands for layer `i` of `count`.
uint32_t LayerFor(uint32_t i, uint32_t count, uint32_t all) {
  return static_cast<uint32_t>((uint64_t{2} * i + 1) * all / (uint64_t{2} * count));
}

std::vector<Placed> Tensors(const ModelShape& shape, const StandInSize& size) {
  std::vector<Placed> tensors;
  TensorType output = TensorType::kQ8_0;
  for (const ShapeTensor& tensor : shape.tensors) {
    if (tensor.layer != ShapeTensor::kNoLayer) continue;
    const uint32_t rows = tensor.is_matrix() ? size.vocabulary : 1;
    tensors.push_back({tensor.name, tensor.type, rows, tensor.columns});
    if (tensor.is_matrix()) output = tensor.type;
  }
  tensors.push_back({kEmbedding, output, size.vocabulary, shape.config.width});
  for (uint32_t i = 0; i < size.layers; ++i) {
    const auto layer = static_cast<int32_t>(LayerFor(i, size.layers, shape.config.layers));
    for (const ShapeTensor& tensor : shape.tensors) {
      if (tensor.layer != layer) continue;
      tensors.push_back(
          {fmt::format("blk.{}.{}", i, tensor.name), tensor.type, tensor.rows, tensor.columns});
    }
  }
  return tensors;
}

KeyValues MetadataOf(const ModelConfig& config, const StandInSize& size) {
  KeyValues metadata(config.architecture_name);
  metadata.Text("general.architecture", config.architecture_name);
  metadata.Text("general.name", "a stand-in for " + config.name);
  metadata.Uint("block_count", size.layers);
  metadata.Uint("embedding_length", config.width);
  metadata.Uint("feed_forward_length", config.ffn_width);
  metadata.Uint("attention.head_count", config.query_heads);
  metadata.Uint("attention.head_count_kv", config.kv_heads);
  metadata.Uint("attention.key_length", config.head_dim);
  metadata.Uint("attention.value_length", config.head_dim);
  metadata.Uint("context_length", config.context_length);
  metadata.Uint("rope.dimension_count", config.rope.dims);
  metadata.Float("attention.layer_norm_rms_epsilon", 1e-5F);
  const bool gemma = config.architecture == Architecture::kGemma3;
  if (gemma) {
    const uint32_t window = config.window == 0 ? config.context_length : config.window;
    metadata.Uint("attention.sliding_window", window);
  }
  return metadata;
}

// Norms are one: a product of what is too small would be zero everywhere.
void Fill(const Placed& tensor, std::byte* to) {
  if (tensor.type != TensorType::kF32) {
    std::memset(to, kFill, tensor.bytes());
    return;
  }
  constexpr float kOne = 1;
  for (uint64_t at = 0; at < tensor.bytes(); at += sizeof(kOne)) {
    std::memcpy(to + at, &kOne, sizeof(kOne));
  }
}

}  // namespace

StandInSize StandInSizeOf(const ModelShape& shape) {
  uint64_t layer_bytes = 0;
  for (const ShapeTensor& tensor : shape.tensors) {
    if (tensor.layer != ShapeTensor::kNoLayer) layer_bytes += tensor.packed_bytes();
  }
  const uint64_t one = std::max<uint64_t>(1, layer_bytes / shape.config.layers);
  const uint64_t layers = (kLeastWeightBytes + one - 1) / one;
  return {static_cast<uint32_t>(std::min<uint64_t>(layers, shape.config.layers)),
          std::min(shape.config.vocab_size, kMostVocabulary)};
}

uint64_t StandInBytes(const ModelShape& shape) {
  uint64_t bytes = 0;
  for (const Placed& tensor : Tensors(shape, StandInSizeOf(shape))) bytes += tensor.bytes();
  return 2 * bytes + UnreadBytes(shape) + kOtherBytes;  // the repacked form is about as large
}

uint64_t UnreadBytes(const ModelShape& shape) {
  uint64_t read = 0;
  for (const Placed& tensor : Tensors(shape, StandInSizeOf(shape))) {
    if (tensor.name == kEmbedding) continue;  // looked up, a row at a time
    read += ShapeTensor{.type = tensor.type, .rows = tensor.rows, .columns = tensor.columns}
                .packed_bytes();
  }
  const uint64_t weights = shape.weight_bytes();
  return weights > read ? std::min(weights - read, kMostUnreadBytes) : 0;
}

std::vector<std::byte> MakeStandIn(const ModelShape& shape) {
  const StandInSize size = StandInSizeOf(shape);
  const std::vector<Placed> tensors = Tensors(shape, size);
  KeyValues metadata = MetadataOf(shape.config, size);
  Bytes head;
  head.Number<uint32_t>(0x46554747);  // "GGUF"
  head.Number<uint32_t>(3);
  head.Number<uint64_t>(tensors.size());
  head.Number<uint64_t>(metadata.count());
  std::vector<std::byte> file = head.Take();
  const std::vector<std::byte> pairs = metadata.pairs().Take();
  file.insert(file.end(), pairs.begin(), pairs.end());
  Bytes directory;
  uint64_t offset = 0;
  for (const Placed& tensor : tensors) {
    directory.Text(tensor.name);
    directory.Number<uint32_t>(tensor.rows > 1 ? 2 : 1);
    directory.Number<uint64_t>(tensor.columns);
    if (tensor.rows > 1) directory.Number<uint64_t>(tensor.rows);
    directory.Number(static_cast<uint32_t>(tensor.type));
    directory.Number(offset);
    offset += Aligned(tensor.bytes());
  }
  const std::vector<std::byte> entries = directory.Take();
  file.insert(file.end(), entries.begin(), entries.end());
  size_t at = Aligned(file.size());
  file.resize(at + offset);
  for (const Placed& tensor : tensors) {
    Fill(tensor, file.data() + at);
    at += Aligned(tensor.bytes());
  }
  return file;
}

}  // namespace quire
