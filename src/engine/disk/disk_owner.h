// engine/disk/disk_owner.h -- how a tenant is known to the disk tier: a tag, and a key.
//
// All is derived from the scope secret, so that it is the same after a restart, and from the
// generation, so that nobody can read what was there before a purge. What stands on the disk in
// clear are keyed hashes.
//
// Threads  pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cache/block_name.h"
#include "tier/ssd/block_owner.h"

namespace quire {

// `scope_secret` has 32 bytes.
BlockOwnerPtr MakeBlockOwner(const std::string& scope_secret, std::string_view tenant,
                             uint64_t generation);

// Tells roots apart and does not give them away: who has a root can name blocks.
ShortTag RootTag(const BlockName& root);

}  // namespace quire
