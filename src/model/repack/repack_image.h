// model/repack/repack_image.h -- the bytes of a file of repacked weights.
//
//   header (64 bytes) | checksums, one per section | padding to 4 KiB | data
//
// The data is one stretch, what Model keeps its matrices in; where each lies in it follows from the
// model and the layout. It is checked in sections of kSectionBytes, so that all workers can share
// the work. Byte table: docs/formats.md.
//
// A file that differs from what it should be in any byte is not used: a cache may forget, never
// lie.
//
// Threads  all functions are pure over their arguments and use all workers of `pool`.
// Cost     one pass over the data at some 10 GB/s and core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/worker_pool.h"

namespace quire {

inline constexpr size_t kSectionBytes = size_t{1} << 20;

// What decides every byte of the data.
struct RepackKey {
  std::string digest;           // of the model: 32 hex digits
  uint32_t layout_version = 0;  // kPackedLayoutVersion
  uint64_t plan_hash = 0;       // of names, types, shapes and places of the matrices
  uint64_t data_bytes = 0;

  // "<digest>-v<layout>.repacked"
  std::string FileName() const;
};

// Where the data begins, and the size of the whole image.
size_t RepackDataOffset(uint64_t data_bytes);
uint64_t RepackImageBytes(uint64_t data_bytes);

// Writes header and checksums of an image whose data is in place. `image` has RepackImageBytes.
void SealRepackImage(const RepackKey& key, std::span<std::byte> image, WorkerPool& pool);

// kCorrupt says in which way `image` is not what SealRepackImage makes of `key`.
Status CheckRepackImage(const RepackKey& key, std::span<const std::byte> image, WorkerPool& pool);

}  // namespace quire
