#include "model/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "base/check.h"
#include "model/file_pages.h"

namespace quire {
namespace {

constexpr size_t kPieceBytes = size_t{4} << 20;
constexpr size_t kReleaseBytes = size_t{256} << 10;  // of a piece that stay in our memory

// Every field that reaches the arithmetic, as text: exact, since floats are written as their bits.
std::string DescribeRope(const RopeConfig& rope) {
  std::string text = fmt::format("rope {} {} {:x}", static_cast<int>(rope.kind), rope.dims,
                                 std::bit_cast<uint32_t>(rope.magnitude));
  for (const double f : rope.inverse_frequency) {
    text += fmt::format(" {:x}", std::bit_cast<uint64_t>(f));
  }
  return text + "\n";
}

std::string Describe(const ModelConfig& config, Precision precision) {
  std::string text = fmt::format(
      "{} {} {} {} {} {} {} {} {} {} {}\n", config.architecture_name, static_cast<int>(precision),
      config.layers, config.width, config.ffn_width, config.query_heads, config.kv_heads,
      config.head_dim, config.vocab_size, static_cast<int>(config.gate), config.window);
  for (const float value : {config.norm_epsilon, config.attention_scale, config.embedding_scale,
                            config.residual_scale, config.logit_scale}) {
    text += fmt::format("{:x} ", std::bit_cast<uint32_t>(value));
  }
  for (const bool windowed : config.windowed) text += windowed ? 'w' : 'g';
  return text + "\n" + DescribeRope(config.rope) + DescribeRope(config.local_rope);
}

struct Piece {
  std::span<const std::byte> bytes;
  XXH128_hash_t hash{};
};

std::vector<Piece> CutIntoPieces(std::span<const TensorInfo> tensors) {
  std::vector<Piece> pieces;
  for (const TensorInfo& tensor : tensors) {
    const std::span<const std::byte> data = tensor.data;
    for (size_t at = 0; at < data.size(); at += kPieceBytes) {
      pieces.push_back({.bytes = data.subspan(at, std::min(kPieceBytes, data.size() - at))});
    }
  }
  return pieces;
}

XXH128_hash_t HashAndRelease(const GgufFile& file, std::span<const std::byte> bytes) {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  const std::unique_ptr<XXH3_state_t, Free> state(XXH3_createState());
  QUIRE_CHECK(state != nullptr && XXH3_128bits_reset(state.get()) == XXH_OK);
  for (size_t at = 0; at < bytes.size(); at += kReleaseBytes) {
    const auto part = bytes.subspan(at, std::min(kReleaseBytes, bytes.size() - at));
    XXH3_128bits_update(state.get(), part.data(), part.size());
    ReleasePages(file, bytes.first(at + part.size()));  // from the start: parts may share a page
  }
  return XXH3_128bits_digest(state.get());
}

}  // namespace

ContentDigest DigestContent(const GgufFile& file, WorkerPool& pool, const std::atomic<bool>* stop) {
  std::vector<Piece> pieces = CutIntoPieces(file.tensors());
  pool.Run([&](const Worker& worker) {
    const auto [begin, end] = worker.Share(static_cast<uint32_t>(pieces.size()));
    for (uint32_t i = begin; i < end; ++i) {
      if (stop != nullptr && stop->load(std::memory_order_relaxed)) return;
      pieces[i].hash = HashAndRelease(file, pieces[i].bytes);
    }
  });
  std::vector<uint64_t> hashes;
  for (const Piece& piece : pieces) {
    hashes.push_back(piece.hash.high64);
    hashes.push_back(piece.hash.low64);
  }
  const XXH128_hash_t all = XXH3_128bits(hashes.data(), hashes.size() * sizeof(uint64_t));
  return {.high = all.high64, .low = all.low64};
}

std::string DigestModel(const ModelConfig& config, Precision precision, const GgufFile& file,
                        const ContentDigest& content) {
  std::string all = Describe(config, precision);
  for (const TensorInfo& tensor : file.tensors()) {
    all += fmt::format("{} {} {} {}\n", tensor.name, static_cast<uint32_t>(tensor.type),
                       tensor.columns(), tensor.rows());
  }
  all += fmt::format("{:016x}{:016x}", content.high, content.low);
  const XXH128_hash_t digest = XXH3_128bits(all.data(), all.size());
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

}  // namespace quire
