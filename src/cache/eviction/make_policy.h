// cache/eviction/make_policy.h -- the eviction policy that a flag names.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "cache/eviction/eviction_policy.h"

namespace quire {

enum class EvictionKind : uint8_t { kAuto, kLru, kScored };

// "auto", "lru", "scored".
std::optional<EvictionKind> EvictionKindNamed(std::string_view name);

// For a cache of that many blocks. Their ids are below `num_ids`, the capacity unless it is given.
std::unique_ptr<EvictionPolicy> MakeEvictionPolicy(EvictionKind kind, uint32_t capacity_blocks,
                                                   uint32_t num_ids = 0);

}  // namespace quire
