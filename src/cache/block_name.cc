#include "cache/block_name.h"

#include <sodium.h>

#include <bit>
#include <cstring>

#include "base/check.h"

namespace quire {

static_assert(std::endian::native == std::endian::little, "token ids are hashed as they lie");
static_assert(sizeof(TokenId) == 4);

BlockName NextBlockName(const BlockName& root, const BlockName& parent,
                        std::span<const TokenId> tokens) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, reinterpret_cast<const unsigned char*>(root.bytes.data()),
                          root.bytes.size(), sizeof(BlockName));
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(parent.bytes.data()),
                            parent.bytes.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(tokens.data()),
                            tokens.size_bytes());
  BlockName name;
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(name.bytes.data()),
                           name.bytes.size());
  return name;
}

BlockName TruncateName(const BlockName& name, uint32_t bits) {
  QUIRE_CHECK(bits % 8 == 0 && bits <= 8 * sizeof(BlockName));
  BlockName result;
  std::memcpy(result.bytes.data(), name.bytes.data(), bits / 8);
  return result;
}

uint64_t HashOf(const BlockName& name) {
  uint64_t hash;
  std::memcpy(&hash, name.bytes.data(), sizeof(hash));
  return hash;
}

}  // namespace quire
