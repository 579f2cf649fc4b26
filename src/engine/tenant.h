// engine/tenant.h -- whom the engine serves, and what each may use of it.
//
// What is guaranteed cannot be taken by others while it is used; what is beyond is shared by
// weight. Everybody whom nobody described has no guarantee and no limit.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace quire {

// Owns what the operator lets all tenants share (Engine::SharePrefix); nobody else may be called
// so.
inline constexpr std::string_view kPublicTenant = "public";

struct Tenant {
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

  std::string name;
  // Of the secret that its KV is named with: a new one makes all that it left behind unreachable.
  uint64_t generation = 0;
  // Another one: somebody else has the name now, who is told nothing of texts before his time.
  uint64_t holder = 0;
  double weight = 1;  // > 0
  uint64_t kv_guaranteed_bytes = 0;
  uint64_t kv_limit_bytes = kUnlimited;
  uint64_t kv_pinned_bytes = kUnlimited;                           // of those, what pins may hold
  uint64_t disk_limit_bytes = kUnlimited;                          // of the disk below
  uint32_t max_concurrent = std::numeric_limits<uint32_t>::max();  // answers computed at once
  uint32_t max_context = std::numeric_limits<uint32_t>::max();     // tokens of one request
  uint64_t tokens_per_minute = kUnlimited;                         // computed, not cached
};

}  // namespace quire
