// tier/ssd/record_seal.h -- proves, and if wanted hides, what a record holds.
//
// Each layer of each block has a proof of its own: the XXH3-64 of its stored bytes, which finds
// accidents, and if sealed an authentication tag, which finds forgery too and makes the stored
// bytes unreadable without the owner's key. The notes are sealed likewise. Block names are the
// associated data, so bytes cannot be passed off under another name.
//
// A (key, nonce) pair is never used twice for two texts: each record has a key of its own,
// BLAKE2b of a fresh random salt of 24 bytes keyed with the owner's, and its nonces count the
// layers and notes of the record. Salts would have to collide, at 2^-96 for 2^48 records.
//
// Threads  any, on different buffers.
// Errors   Open answers how many blocks from the start are what they should be. std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "tier/ssd/record_format.h"

namespace quire {

inline constexpr size_t kOwnerKeyBytes = 32;

// AES-256-GCM where the CPU has instructions for it, else XChaCha20-Poly1305.
Cipher FastestCipher();

// Fills salt, notes, proofs and the header of a record whose notes ([block][note_bytes]) are
// `notes` and whose blocks' bytes stand in place in `record`, which is a whole record.
// `head.names`, `cipher` and the rest are set. `owner_key`: kOwnerKeyBytes, unused for
// Cipher::kNone.
void SealRecord(RecordHead& head, std::span<const std::byte> notes, const std::string& owner_key,
                std::span<std::byte> record);

// A part of a record that was read: all of its header, and some layers of blocks from `first` on.
struct RecordPart {
  std::span<const std::byte> header;
  uint32_t first = 0;
  LayerRange layers;
  // Of each block [layers][layer_bytes]: as stored, and where it is opened to, which may be there.
  std::span<const std::span<const std::byte>> stored;
  std::span<const std::span<std::byte>> opened;
  std::span<std::byte> notes;  // [block][note_bytes]: filled
  // If set, brings what is stored of a block just before that is looked at. False: it cannot.
  std::function<bool(uint32_t)> bring;
};

// Returns how many blocks from `part.first` on are proven, as far as they are there; what they are
// opened to, and their notes, are then as they were before they were sealed. Of others that is
// undefined. `head` is that of `part.header`.
uint32_t OpenRecord(const RecordHead& head, const std::string& owner_key, const RecordPart& part);

// Whether the stored bytes of layers of a block are what the header's checksums say; needs no key.
// `stored` is [layers][layer_bytes].
bool IsUndamaged(const RecordHead& head, std::span<const std::byte> header, uint32_t block,
                 LayerRange layers, std::span<const std::byte> stored);

}  // namespace quire
