// tier/kv_arena.h -- tier 0: the RAM that holds the KV of every block.
//
// One anonymous mapping, laid out as kernels/kv_view.h says, on huge pages where the system gives
// them: attention over a long context then misses the TLB 512 times less often. Zeroed, and taken
// from the system only as blocks are first written, or ahead of that by Touch.
//
// Threads  immutable after Create; who may touch which bytes is decided by whoever owns the blocks.
// Errors   kInvalidArgument with the arithmetic if the size cannot hold one block, or exceeds the
//          machine's memory; kIo if the system refuses the mapping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "kernels/kv_view.h"

namespace quire {

// How the system backs the arena.
enum class HugePages : uint8_t {
  kAdvised,      // transparent huge pages were asked for and are enabled
  kUnavailable,  // ordinary pages: the system has them switched off
};

class KvArena {
 public:
  // As many whole blocks of `shape` as `bytes` holds.
  static Result<KvArena> Create(const KvShape& shape, uint64_t bytes);

  KvArena(KvArena&& other) noexcept;
  KvArena& operator=(KvArena&& other) noexcept;
  ~KvArena();

  const KvView& view() const { return view_; }
  uint32_t num_blocks() const { return view_.num_blocks; }
  uint64_t bytes() const { return bytes_; }  // used by blocks
  HugePages huge_pages() const { return huge_pages_; }

  // Takes some of the memory from byte `from` on from the system, which for virtual machines takes
  // long, without changing what is there. Returns up to where, at most `until`; that where the
  // system does not do it ahead. For blocks of any owner, while they are used.
  uint64_t Touch(uint64_t from, uint64_t until) const;

  // "1.5 GiB: 4096 blocks of 384 KiB (65536 tokens), huge pages".
  std::string Describe() const;

 private:
  KvArena() = default;
  KvView view_;
  uint64_t bytes_ = 0;
  uint64_t mapped_bytes_ = 0;
  void* mapping_ = nullptr;
  HugePages huge_pages_ = HugePages::kUnavailable;
};

}  // namespace quire
