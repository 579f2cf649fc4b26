// cache/ids.h -- how blocks and sequences are numbered.
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

}  // namespace quire
