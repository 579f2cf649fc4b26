// tier/ssd/record_format.h -- how a run of blocks is written down (docs/formats.md, "KV segments").
//
// A record is a header, which says what it holds and proves itself, and a payload: the bytes of its
// blocks, [block][layer], each layer of each block with a proof of its own in the header. A run is
// a chain: the parent of each block but the first is the one before.
//
// Threads  pure functions.
// Errors   decoding answers nullopt for whatever is not exactly a record. No input is trusted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cache/block_name.h"

namespace quire {

using ShortTag = std::array<std::byte, 16>;  // opaque; whoever made it can tell two apart

// What two blocks must have in common before one can be read where the other is wanted.
struct BlockShape {
  uint32_t layers = 0;
  uint32_t layer_bytes = 0;  // of one block
  uint32_t note_bytes = 0;   // of a block; kept and given back beside it
  uint32_t numerics_version = 0;
  ShortTag kv_format{};

  uint64_t block_bytes() const { return uint64_t{layers} * layer_bytes; }
  bool operator==(const BlockShape&) const = default;
};

// Whose a record is. Of each tag only one generation is alive.
struct OwnerTag {
  ShortTag tag{};
  uint64_t generation = 0;
  bool operator==(const OwnerTag&) const = default;
};

enum class Cipher : uint8_t { kNone = 0, kAesGcm = 1, kXChaCha = 2 };

inline constexpr size_t kSaltBytes = 24;
inline constexpr size_t kAeadTagBytes = 16;
inline constexpr uint32_t kMostRunBlocks = 256;

struct RecordHead {
  Cipher cipher = Cipher::kNone;
  uint64_t segment = 0;
  uint64_t sequence = 0;  // grows with every record that is written
  BlockShape shape;
  OwnerTag owner;
  ShortTag root_tag{};
  BlockName parent;  // of the first block
  std::array<std::byte, kSaltBytes> salt{};
  std::vector<BlockName> names;  // 1 to kMostRunBlocks

  uint32_t num_blocks() const { return static_cast<uint32_t>(names.size()); }
  const BlockName& ParentOf(uint32_t i) const { return i == 0 ? parent : names[i - 1]; }
  uint64_t payload_bytes() const { return names.size() * shape.block_bytes(); }
};

// Consecutive layers, [first, end), of some blocks.
struct LayerRange {
  uint32_t first = 0;
  uint32_t end = 0;

  uint32_t size() const { return end - first; }
  bool operator==(const LayerRange&) const = default;
};

// Where the parts of a record lie, from its start.
struct RecordLayout {
  RecordLayout(const BlockShape& shape, uint32_t num_blocks, bool sealed);

  uint64_t NoteAt(uint32_t block) const { return notes + block * note_bytes; }
  uint64_t ProofAt(uint32_t block, uint32_t layer) const {
    return proofs + (uint64_t{block} * layers + layer) * proof_bytes;
  }
  uint64_t BlockAt(uint32_t block) const { return header_bytes + block * block_bytes; }

  uint32_t layers = 0;
  uint64_t block_bytes = 0;
  uint64_t note_bytes = 0;   // with its authentication tag, if sealed
  uint64_t proof_bytes = 0;  // checksum of the stored bytes, and the authentication tag
  uint64_t notes = 0;
  uint64_t proofs = 0;
  uint64_t header_bytes = 0;  // aligned; the payload begins there
  uint64_t record_bytes = 0;  // aligned
};

// Bytes of what identifies a record: the start of its header, and its entry in a footer.
uint64_t IdentityBytes(uint32_t num_blocks);

// Writes the identity into the start of `bytes`, with a checksum of zero.
void WriteIdentity(const RecordHead& head, std::span<std::byte> bytes);

// Likewise into a header, RecordLayout::header_bytes long, that holds notes and proofs already;
// then the checksum over all of it.
void SealHeader(const RecordHead& head, std::span<std::byte> header);

// The identity that `bytes` begin with, which may end with it. Says nothing of notes and proofs.
std::optional<RecordHead> ReadIdentity(std::span<const std::byte> bytes);

// The record whose whole header is `header`.
std::optional<RecordHead> ReadHeader(std::span<const std::byte> header);

// The length of the header that begins with `start`, at least kIoAlign bytes; nullopt if no header
// begins so.
std::optional<uint64_t> HeaderBytes(std::span<const std::byte> start);

// Moves a sealed header into another segment.
void MoveHeader(std::span<std::byte> header, uint64_t segment);

}  // namespace quire
