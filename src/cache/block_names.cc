#include "cache/block_names.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace quire {

const BlockName& BlockNames::Of(uint32_t i, std::span<const TokenId> tokens,
                                uint32_t block_tokens) const {
  QUIRE_CHECK((uint64_t{i} + 1) * block_tokens <= tokens.size(), "only full blocks have names");
  while (size() <= i) {
    const auto block = tokens.subspan(size_t{size()} * block_tokens, block_tokens);
    const BlockName& root = RootOf(size());
    names_.push_back(NextBlockName(root, names_.empty() ? root : names_.back(), block));
  }
  return names_[i];
}

uint64_t BlockNames::FingerprintOf(uint32_t i, std::span<const TokenId> tokens,
                                   uint32_t block_tokens) const {
  QUIRE_CHECK((uint64_t{i} + 1) * block_tokens <= tokens.size(), "only full blocks have names");
  constexpr uint32_t kMostTokens = 64;
  QUIRE_CHECK(block_tokens <= kMostTokens);
  std::array<unsigned char, sizeof(uint64_t) + kMostTokens * sizeof(TokenId)> chained{};
  while (fingerprints_.size() <= i) {
    const uint64_t before = fingerprints_.empty() ? 0 : fingerprints_.back();
    const auto block = tokens.subspan(fingerprints_.size() * block_tokens, block_tokens);
    std::memcpy(chained.data(), &before, sizeof(before));
    std::memcpy(chained.data() + sizeof(before), block.data(), block.size_bytes());
    uint64_t fingerprint = 0;
    static_assert(sizeof(fingerprint) == crypto_shorthash_BYTES);
    crypto_shorthash(reinterpret_cast<unsigned char*>(&fingerprint), chained.data(),
                     sizeof(before) + block.size_bytes(), kin_.data());
    fingerprints_.push_back(fingerprint);
  }
  return fingerprints_[i];
}

uint32_t BlockNames::CommonBlocks(const BlockNames& other, uint32_t limit) const {
  QUIRE_CHECK(limit <= size() && limit <= other.size());
  if (limit == 0 || root_ != other.root_) return 0;
  const auto first = names_.begin();
  const auto same = [&](const BlockName& name) { return name == other.names_[&name - &*first]; };
  return static_cast<uint32_t>(std::partition_point(first, first + limit, same) - first);
}

}  // namespace quire
