#include "cache/seen_blocks.h"

namespace quire {

void SeenBlocks::Note(const Key& key, OwnerId owner, Fate fate, TickMs now) {
  Entry* const first = &entries_[PlaceOf(key.fingerprint)];
  Entry* place = first;
  for (Entry* entry = first; entry != first + kWays; ++entry) {
    if (entry->used && entry->fingerprint == key.fingerprint && entry->root == key.root) {
      place = entry;
      break;
    }
    if (place->used && (!entry->used || entry->at < place->at)) place = entry;
  }
  *place = {key.fingerprint, now, key.root, owner, fate, true};
}

void SeenBlocks::Purge(OwnerId owner, TickMs now) {
  for (Entry& entry : entries_) {
    if (!entry.used || entry.owner != owner) continue;
    entry.fate = Fate::kPurged;
    entry.at = now;
  }
}

SeenBlocks::Finding SeenBlocks::Find(const Key& key) const {
  const Entry* const first = &entries_[PlaceOf(key.fingerprint)];
  Finding finding;
  for (const Entry* entry = first; entry != first + kWays; ++entry) {
    if (!entry->used || entry->fingerprint != key.fingerprint) continue;
    if (entry->fate == Fate::kPurged) {
      if (finding.reason == MissReason::kNeverSeen) finding = {MissReason::kPurged, entry->at};
    } else if (entry->root != key.root) {
      finding = {MissReason::kOtherSalt, 0};
    } else if (entry->fate == Fate::kHere) {
      return {};  // another request's copy has just come
    } else {
      const bool own = entry->fate == Fate::kEvictedOwn;
      return {own ? MissReason::kEvictedOwn : MissReason::kEvictedOutside, entry->at};
    }
  }
  return finding;
}

}  // namespace quire
