// cache/miss_reason.h -- why a full block of a prompt was not found and had to be computed.
//
// Of somebody else nothing is told but that the memory was needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quire {

enum class MissReason : uint8_t {
  kNeverSeen,       // by this process; or so long ago that it is forgotten
  kEvictedOwn,      // given up for its owner's own requests
  kEvictedOutside,  // given up for somebody else's
  kOtherSalt,       // known under another cache_salt
  kPurged,          // its owner was purged
  kTierFailed,      // a tier had it and did not give it
  kTierBusy,        // a tier had it, but there was no memory to read it into in time
  kCorrupt,         // a tier had it, but its bytes were not what they should be
  kBreakEven,       // a tier had it, but computing was measured to be faster
  kNotAsked,        // it was not to be looked up
};
inline constexpr size_t kMissReasons = 10;

// Blocks [first, end) of a prompt that a tier had and did not give. None if first is end.
struct TierLoss {
  uint32_t first = 0;
  uint32_t end = 0;
  MissReason reason = MissReason::kTierFailed;
  bool covers(uint32_t block) const { return first <= block && block < end; }
};

// By MissReason; in metrics and in the ledger.
inline constexpr std::array<const char*, kMissReasons> kMissReasonNames = {
    "never_seen",  "evicted_own", "evicted_outside", "other_salt", "purged",
    "tier_failed", "tier_busy",   "corrupt",         "break_even", "not_asked"};

}  // namespace quire
