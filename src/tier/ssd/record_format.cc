#include "tier/ssd/record_format.h"

#include <xxhash.h>

#include "base/check.h"
#include "tier/io/aligned_buffer.h"
#include "tier/ssd/little_endian.h"

namespace quire {
namespace {

constexpr uint64_t kMagic = 0x4345'5245'5249'5551;  // "QUIREREC"
constexpr uint8_t kVersion = 1;

constexpr uint64_t kAtHeaderBytes = 8;
constexpr uint64_t kAtVersion = 12;
constexpr uint64_t kAtCipher = 13;
constexpr uint64_t kAtZero16 = 14;
constexpr uint64_t kAtSegment = 16;
constexpr uint64_t kAtSequence = 24;
constexpr uint64_t kAtBlocks = 32;
constexpr uint64_t kAtLayers = 36;
constexpr uint64_t kAtLayerBytes = 40;
constexpr uint64_t kAtNoteBytes = 44;
constexpr uint64_t kAtNumerics = 48;
constexpr uint64_t kAtZero32 = 52;
constexpr uint64_t kAtFormat = 56;
constexpr uint64_t kAtOwner = 72;
constexpr uint64_t kAtGeneration = 88;
constexpr uint64_t kAtRootTag = 96;
constexpr uint64_t kAtParent = 112;
constexpr uint64_t kAtSalt = 144;
constexpr uint64_t kAtChecksum = 168;
constexpr uint64_t kFixedBytes = 176;

// What no model comes near to; keeps sums of what a file claims within 64 bits.
constexpr uint32_t kMostLayers = 4096;
constexpr uint32_t kMostLayerBytes = 1U << 28;
constexpr uint32_t kMostNoteBytes = 4096;

uint64_t Checksum(std::span<const std::byte> header) {
  const uint64_t identity = XXH3_64bits(header.data(), kAtChecksum);
  const auto rest = header.subspan(kFixedBytes);
  return XXH3_64bits_withSeed(rest.data(), rest.size(), identity);
}

bool IsSane(const BlockShape& shape, uint32_t blocks) {
  return blocks > 0 && blocks <= kMostRunBlocks && shape.layers > 0 &&
         shape.layers <= kMostLayers && shape.layer_bytes > 0 &&
         shape.layer_bytes <= kMostLayerBytes && shape.note_bytes <= kMostNoteBytes;
}

}  // namespace

RecordLayout::RecordLayout(const BlockShape& shape, uint32_t num_blocks, bool sealed)
    : layers(shape.layers),
      block_bytes(shape.block_bytes()),
      note_bytes(shape.note_bytes + (sealed ? kAeadTagBytes : 0)),
      proof_bytes(sizeof(uint64_t) + (sealed ? kAeadTagBytes : 0)),
      notes(IdentityBytes(num_blocks)),
      proofs(notes + num_blocks * note_bytes),
      header_bytes(AlignUp(proofs + uint64_t{num_blocks} * layers * proof_bytes)),
      record_bytes(AlignUp(header_bytes + num_blocks * block_bytes)) {
  QUIRE_CHECK(IsSane(shape, num_blocks));
}

uint64_t IdentityBytes(uint32_t num_blocks) {
  return kFixedBytes + uint64_t{num_blocks} * sizeof(BlockName);
}

void WriteIdentity(const RecordHead& head, std::span<std::byte> header) {
  const RecordLayout layout(head.shape, head.num_blocks(), head.cipher != Cipher::kNone);
  StoreAt(header, 0, kMagic);
  StoreAt(header, kAtHeaderBytes, static_cast<uint32_t>(layout.header_bytes));
  StoreAt(header, kAtVersion, kVersion);
  StoreAt(header, kAtCipher, head.cipher);
  StoreAt(header, kAtZero16, uint16_t{0});
  StoreAt(header, kAtSegment, head.segment);
  StoreAt(header, kAtSequence, head.sequence);
  StoreAt(header, kAtBlocks, head.num_blocks());
  StoreAt(header, kAtLayers, head.shape.layers);
  StoreAt(header, kAtLayerBytes, head.shape.layer_bytes);
  StoreAt(header, kAtNoteBytes, head.shape.note_bytes);
  StoreAt(header, kAtNumerics, head.shape.numerics_version);
  StoreAt(header, kAtZero32, uint32_t{0});
  StoreAt(header, kAtFormat, head.shape.kv_format);
  StoreAt(header, kAtOwner, head.owner.tag);
  StoreAt(header, kAtGeneration, head.owner.generation);
  StoreAt(header, kAtRootTag, head.root_tag);
  StoreAt(header, kAtParent, head.parent);
  StoreAt(header, kAtSalt, head.salt);
  for (uint32_t i = 0; i < head.num_blocks(); ++i) {
    StoreAt(header, kFixedBytes + i * sizeof(BlockName), head.names[i]);
  }
  StoreAt(header, kAtChecksum, uint64_t{0});
}

void SealHeader(const RecordHead& head, std::span<std::byte> header) {
  const bool sealed = head.cipher != Cipher::kNone;
  QUIRE_CHECK(header.size() == RecordLayout(head.shape, head.num_blocks(), sealed).header_bytes);
  WriteIdentity(head, header);
  StoreAt(header, kAtChecksum, Checksum(header));
}

std::optional<RecordHead> ReadIdentity(std::span<const std::byte> bytes) {
  if (bytes.size() < kFixedBytes || LoadAt<uint64_t>(bytes, 0) != kMagic) return std::nullopt;
  const auto cipher = LoadAt<uint8_t>(bytes, kAtCipher);
  if (LoadAt<uint8_t>(bytes, kAtVersion) != kVersion ||
      cipher > static_cast<uint8_t>(Cipher::kXChaCha) || LoadAt<uint16_t>(bytes, kAtZero16) != 0 ||
      LoadAt<uint32_t>(bytes, kAtZero32) != 0) {
    return std::nullopt;
  }
  RecordHead head;
  head.cipher = Cipher{cipher};
  head.segment = LoadAt<uint64_t>(bytes, kAtSegment);
  head.sequence = LoadAt<uint64_t>(bytes, kAtSequence);
  head.shape = {.layers = LoadAt<uint32_t>(bytes, kAtLayers),
                .layer_bytes = LoadAt<uint32_t>(bytes, kAtLayerBytes),
                .note_bytes = LoadAt<uint32_t>(bytes, kAtNoteBytes),
                .numerics_version = LoadAt<uint32_t>(bytes, kAtNumerics),
                .kv_format = LoadAt<ShortTag>(bytes, kAtFormat)};
  head.owner = {LoadAt<ShortTag>(bytes, kAtOwner), LoadAt<uint64_t>(bytes, kAtGeneration)};
  head.root_tag = LoadAt<ShortTag>(bytes, kAtRootTag);
  head.parent = LoadAt<BlockName>(bytes, kAtParent);
  head.salt = LoadAt<std::array<std::byte, kSaltBytes>>(bytes, kAtSalt);
  const auto blocks = LoadAt<uint32_t>(bytes, kAtBlocks);
  if (!IsSane(head.shape, blocks) || bytes.size() < IdentityBytes(blocks)) return std::nullopt;
  const RecordLayout layout(head.shape, blocks, head.cipher != Cipher::kNone);
  if (LoadAt<uint32_t>(bytes, kAtHeaderBytes) != layout.header_bytes) return std::nullopt;
  for (uint32_t i = 0; i < blocks; ++i) {
    head.names.push_back(LoadAt<BlockName>(bytes, kFixedBytes + i * sizeof(BlockName)));
  }
  return head;
}

std::optional<RecordHead> ReadHeader(std::span<const std::byte> header) {
  const auto bytes = header.size() < kFixedBytes ? std::nullopt : HeaderBytes(header);
  if (!bytes || *bytes != header.size()) return std::nullopt;
  if (LoadAt<uint64_t>(header, kAtChecksum) != Checksum(header)) return std::nullopt;
  return ReadIdentity(header);
}

std::optional<uint64_t> HeaderBytes(std::span<const std::byte> start) {
  if (start.size() < kFixedBytes || LoadAt<uint64_t>(start, 0) != kMagic) return std::nullopt;
  const BlockShape shape{.layers = LoadAt<uint32_t>(start, kAtLayers),
                         .layer_bytes = LoadAt<uint32_t>(start, kAtLayerBytes),
                         .note_bytes = LoadAt<uint32_t>(start, kAtNoteBytes),
                         .numerics_version = 0,
                         .kv_format = {}};
  const auto blocks = LoadAt<uint32_t>(start, kAtBlocks);
  if (!IsSane(shape, blocks)) return std::nullopt;
  const bool sealed = LoadAt<uint8_t>(start, kAtCipher) != 0;
  const uint64_t bytes = RecordLayout(shape, blocks, sealed).header_bytes;
  if (bytes != LoadAt<uint32_t>(start, kAtHeaderBytes)) return std::nullopt;
  return bytes;
}

void MoveHeader(std::span<std::byte> header, uint64_t segment) {
  StoreAt(header, kAtSegment, segment);
  StoreAt(header, kAtChecksum, Checksum(header));
}

}  // namespace quire
