#include "server/request_number.h"

#include <sodium.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace quire {
namespace {

using Key = std::array<unsigned char, crypto_shorthash_KEYBYTES>;

Key FreshKey() {
  QUIRE_CHECK(sodium_init() >= 0, "libsodium does not work here");
  Key key;
  crypto_shorthash_keygen(key.data());
  return key;
}

uint32_t Mixed(const Key& key, uint32_t round, uint32_t half) {
  const std::array<uint32_t, 2> in{round, half};
  std::array<unsigned char, sizeof(in)> bytes;
  std::memcpy(bytes.data(), in.data(), sizeof(in));
  std::array<unsigned char, crypto_shorthash_BYTES> hash;
  crypto_shorthash(hash.data(), bytes.data(), bytes.size(), key.data());
  return uint32_t{hash[0]} | uint32_t{hash[1]} << 8;
}

}  // namespace

// A Feistel network of two halves of 16 bits: whatever the rounds mix in, it can be undone.
uint32_t RequestNumber(RequestId id) {
  static const Key key = FreshKey();
  constexpr uint32_t kRounds = 8;
  constexpr uint32_t kHalf = 0xffff;
  const auto value = static_cast<uint32_t>(static_cast<uint64_t>(id));
  uint32_t left = value >> 16;
  uint32_t right = value & kHalf;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const uint32_t next = left ^ Mixed(key, round, right);
    left = right;
    right = next & kHalf;
  }
  return left << 16 | right;
}

}  // namespace quire
