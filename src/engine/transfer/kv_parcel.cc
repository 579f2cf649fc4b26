#include "engine/transfer/kv_parcel.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/size.h"
#include "tier/ssd/record_seal.h"

namespace quire {
namespace {

constexpr uint64_t kParcelBytes = 4 * kMiB;
constexpr uint32_t kMostParcelBlocks = 64;

std::string KeyOf(const KvChain& chain, std::string_view way) {
  std::string key(kOwnerKeyBytes, '\0');
  const std::string text = "KV on its way: " + std::string(way);
  crypto_generichash(reinterpret_cast<unsigned char*>(key.data()), key.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     reinterpret_cast<const unsigned char*>(chain.seal->key.data()),
                     chain.seal->key.size());
  return key;
}

BlockName ParentOf(const KvChain& chain, uint32_t block) {
  return block == 0 ? BlockName() : chain.block_names[block - 1];
}

std::span<const std::byte> NotesOf(const KvChain& chain, uint32_t first, uint32_t count) {
  return std::as_bytes(std::span(chain.tokens))
      .subspan(size_t{first} * kBlockTokens * sizeof(TokenId),
               size_t{count} * kBlockTokens * sizeof(TokenId));
}

std::span<std::byte> BytesOf(std::string& text) {
  return std::as_writable_bytes(std::span(text.data(), text.size()));
}

// Where in the chain the record's blocks are.
ParcelFlaw Compare(const KvChain& chain, const BlockShape& shape, const RecordHead& head,
                   uint32_t& first) {
  if (head.shape != shape) return ParcelFlaw::kOtherShape;
  if (head.owner != chain.seal->tag || head.root_tag != chain.root_tag) {
    return ParcelFlaw::kOtherOwner;
  }
  const auto found = std::ranges::find(chain.block_names, head.names.front());
  first = static_cast<uint32_t>(found - chain.block_names.begin());
  const bool fits = first >= chain.public_blocks &&
                    head.num_blocks() <= chain.num_blocks() - first &&
                    std::equal(head.names.begin(), head.names.end(), found) &&
                    head.parent == ParentOf(chain, first);
  return fits ? ParcelFlaw::kNone : ParcelFlaw::kOtherText;
}

}  // namespace

uint32_t ParcelBlocks(const BlockShape& shape) {
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(kParcelBytes / shape.block_bytes(), 1, kMostParcelBlocks));
}

ParcelDraft BeginParcel(const BlockShape& shape, uint32_t count) {
  const RecordLayout layout(shape, count, true);
  return {std::string(layout.record_bytes, '\0'), layout.header_bytes};
}

std::string SealParcel(const KvChain& chain, const BlockShape& shape, ParcelDraft draft,
                       uint32_t first, uint32_t count, std::string_view way, bool aes) {
  QUIRE_CHECK(count > 0 && first + count <= chain.num_blocks());
  const RecordLayout layout(shape, count, true);
  std::string& bytes = draft.bytes;
  if (layout.header_bytes != draft.blocks_at) {
    std::memmove(bytes.data() + layout.header_bytes, bytes.data() + draft.blocks_at,
                 count * shape.block_bytes());
  }
  bytes.resize(layout.record_bytes);
  RecordHead head;
  head.cipher = aes ? FastestCipher() : Cipher::kXChaCha;
  head.shape = shape;
  head.owner = chain.seal->tag;
  head.root_tag = chain.root_tag;
  head.parent = ParentOf(chain, first);
  head.names.assign(chain.block_names.begin() + first, chain.block_names.begin() + first + count);
  std::string key = KeyOf(chain, way);
  SealRecord(head, NotesOf(chain, first, count), key, BytesOf(bytes));
  sodium_memzero(key.data(), key.size());
  return std::move(bytes);
}

uint32_t BlocksInParcel(std::span<const std::byte> bytes) {
  const auto head = ReadIdentity(bytes);
  return head ? head->num_blocks() : 0;
}

OpenedParcel OpenParcel(const KvChain& chain, const BlockShape& shape, std::string_view way,
                        std::span<std::byte> bytes) {
  OpenedParcel opened;
  opened.flaw = ParcelFlaw::kBroken;
  const auto header_bytes = HeaderBytes(bytes);
  if (!header_bytes || *header_bytes > bytes.size()) return opened;
  const auto header = bytes.first(*header_bytes);
  const auto head = ReadHeader(header);
  if (!head || head->cipher == Cipher::kNone) return opened;
  const RecordLayout layout(head->shape, head->num_blocks(), true);
  opened.bytes = layout.record_bytes;
  opened.offered = head->num_blocks();
  opened.flaw = Compare(chain, shape, *head, opened.first);
  if (opened.flaw != ParcelFlaw::kNone) return opened;
  // A parcel that was cut off is good as far as it goes.
  const uint64_t there = (bytes.size() - layout.header_bytes) / layout.block_bytes;
  const auto whole = static_cast<uint32_t>(std::min<uint64_t>(there, opened.offered));
  const auto blocks = bytes.subspan(layout.header_bytes, whole * layout.block_bytes);
  std::vector<std::span<std::byte>> each(whole);
  std::vector<std::span<const std::byte>> stored(whole);
  for (uint32_t i = 0; i < whole; ++i) {
    stored[i] = each[i] = blocks.subspan(i * layout.block_bytes, layout.block_bytes);
  }
  std::vector<std::byte> notes(size_t{whole} * shape.note_bytes);
  std::string key = KeyOf(chain, way);
  opened.count = OpenRecord(*head, key,
                            {.header = header,
                             .first = 0,
                             .layers = {0, head->shape.layers},
                             .stored = stored,
                             .opened = each,
                             .notes = notes});
  sodium_memzero(key.data(), key.size());
  const auto wanted = NotesOf(chain, opened.first, opened.count);
  if (!std::ranges::equal(wanted, std::span(notes).first(wanted.size()))) opened.count = 0;
  opened.blocks = blocks.first(opened.count * layout.block_bytes);
  if (opened.count < opened.offered) opened.flaw = ParcelFlaw::kBroken;
  return opened;
}

}  // namespace quire
