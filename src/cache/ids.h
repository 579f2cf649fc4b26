// cache/ids.h -- how blocks, sequences and the owners of memory are numbered, and time is counted.
//
// An id is a type of its own, so that a block cannot be passed where a count is meant.
#pragma once

#include <cstdint>

namespace quire {

// Where a block's KV lies: its index in the arena, the same in every layer.
enum class BlockId : uint32_t {};
inline constexpr BlockId kNoBlock{0xffffffff};
constexpr uint32_t Index(BlockId block) { return static_cast<uint32_t>(block); }

// A request's choice while it is being served. Never reused; a smaller one is older.
enum class SequenceId : uint64_t {};
inline constexpr SequenceId kNoSequence{0};

// Who pays for a block: a tenant, in the order in which they were added.
enum class OwnerId : uint32_t {};
inline constexpr OwnerId kFirstOwner{0};  // there from the start
constexpr uint32_t Index(OwnerId owner) { return static_cast<uint32_t>(owner); }

// Milliseconds since an arbitrary start. Whoever has a clock hands it in.
using TickMs = uint64_t;

}  // namespace quire
