#include "tier/ssd/record_seal.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tier/ssd/tier_fixture.h"

namespace quire {
namespace {

const unsigned char* Raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// What one library has sealed another must open: the format is the algorithm's, not a library's.
TEST(RecordSeal, AnotherLibraryOpensWhatIsSealed) {
  const bool sealed_with_aes = FastestCipher() == Cipher::kAesGcm;
  ASSERT_EQ(sealed_with_aes, crypto_aead_aes256gcm_is_available() != 0);
  if (!sealed_with_aes) return;  // nobody can open it here
  const BlockShape shape = TestShape();
  const BlockOwnerPtr owner = TestOwner(3);
  RecordHead head{.cipher = Cipher::kAesGcm,
                  .segment = 1,
                  .sequence = 1,
                  .shape = shape,
                  .owner = owner->tag,
                  .root_tag = {},
                  .parent = {},
                  .salt = {},
                  .names = {TestName(1, 0), TestName(1, 1)}};
  const RecordLayout layout(shape, 2, true);
  std::vector<std::byte> record(layout.record_bytes);
  std::vector<std::byte> notes(2 * size_t{shape.note_bytes}, std::byte{5});
  for (size_t i = 0; i < 2 * shape.block_bytes(); ++i) {
    record[layout.header_bytes + i] = static_cast<std::byte>(i * 7);
  }
  const std::vector<std::byte> plain = record;
  SealRecord(head, notes, owner->key, record);

  std::array<unsigned char, crypto_aead_aes256gcm_KEYBYTES> key{};
  crypto_generichash(key.data(), key.size(), Raw(head.salt.data()), head.salt.size(),
                     reinterpret_cast<const unsigned char*>(owner->key.data()), owner->key.size());
  for (uint32_t block = 0; block < 2; ++block) {
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
      const uint64_t at =
          layout.header_bytes + block * shape.block_bytes() + uint64_t{layer} * shape.layer_bytes;
      std::array<std::byte, 36> about{};
      std::ranges::copy(head.names[block].bytes, about.begin());
      std::memcpy(about.data() + 32, &layer, sizeof(layer));
      std::array<unsigned char, crypto_aead_aes256gcm_NPUBBYTES> nonce{};
      const uint64_t count = uint64_t{block} * shape.layers + layer;
      std::memcpy(nonce.data(), &count, sizeof(count));
      std::vector<unsigned char> opened(shape.layer_bytes);
      EXPECT_EQ(crypto_aead_aes256gcm_decrypt_detached(
                    opened.data(), nullptr, Raw(record.data() + at), opened.size(),
                    Raw(record.data() + layout.ProofAt(block, layer) + 8), Raw(about.data()),
                    about.size(), nonce.data(), key.data()),
                0);
      EXPECT_EQ(std::memcmp(opened.data(), plain.data() + at, opened.size()), 0);
    }
  }
}

}  // namespace
}  // namespace quire
