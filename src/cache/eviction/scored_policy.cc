#include "cache/eviction/scored_policy.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "cache/eviction/random_draw.h"

namespace quire {

namespace {

constexpr uint32_t kNone = NameDirectory::kNone;
constexpr uint32_t kKnownWorst = 16;  // leaves looked at again
constexpr uint32_t kDrawn = 48;       // leaves drawn at random besides
constexpr uint32_t kRebuildAfter = 1024;

}  // namespace

ScoredPolicy::ScoredPolicy(uint32_t capacity_blocks, uint32_t num_ids)
    : names_(capacity_blocks),
      ghosts_(names_, model_, capacity_blocks),
      leaves_(1),
      places_(std::max(capacity_blocks, num_ids), kNone) {}

void ScoredPolicy::Add(BlockId leaf, OwnerId owner, const BlockUse& use) {
  QUIRE_CHECK(places_[Index(leaf)] == kNone, "a leaf was added twice");
  std::vector<Leaf>& leaves = leaves_[Index(owner)];
  places_[Index(leaf)] = static_cast<uint32_t>(leaves.size());
  leaves.push_back({.block = leaf,
                    .kind = static_cast<uint16_t>(ReuseModel::ClassOf(use)),
                    .last_use = use.last_use,
                    .serial = use.serial});
  // A parent whose last child was given up is likely to be the next: it is looked at.
  if (leaves.size() > kKnownWorst) {
    Swap(leaves, static_cast<uint32_t>(leaves.size()) - 1, kKnownWorst - 1);
  }
}

void ScoredPolicy::Remove(BlockId leaf, OwnerId owner) {
  std::vector<Leaf>& leaves = leaves_[Index(owner)];
  const uint32_t at = places_[Index(leaf)];
  QUIRE_CHECK(at < leaves.size() && leaves[at].block == leaf, "a leaf is not where it was put");
  Swap(leaves, at, static_cast<uint32_t>(leaves.size()) - 1);
  leaves.pop_back();
  places_[Index(leaf)] = kNone;
}

void ScoredPolicy::Swap(std::vector<Leaf>& leaves, uint32_t a, uint32_t b) {
  std::swap(leaves[a], leaves[b]);
  places_[Index(leaves[a].block)] = a;
  places_[Index(leaves[b].block)] = b;
}

float ScoredPolicy::WorthOf(const Leaf& leaf, TickMs now) const {
  return model_.Value(leaf.kind, now - std::min(now, leaf.last_use));
}

// The worst of those looked at goes to the front, and whoever is worse than one of the known worst
// takes its place.
BlockId ScoredPolicy::Victim(OwnerId owner, TickMs now) {
  std::vector<Leaf>& leaves = leaves_[Index(owner)];
  const uint32_t size = static_cast<uint32_t>(leaves.size());
  if (size == 0) return kNoBlock;
  std::array<std::pair<float, uint64_t>, kKnownWorst> known;
  const auto key = [&](uint32_t at) {
    return std::pair(WorthOf(leaves[at], now), leaves[at].serial);
  };
  const uint32_t kept = std::min(size, kKnownWorst);
  for (uint32_t i = 0; i < kept; ++i) known[i] = key(i);
  const bool all = size <= kKnownWorst + kDrawn;
  const uint32_t drawn = all ? size - kept : kDrawn;
  for (uint32_t i = 0; i < drawn; ++i) {
    const uint32_t at = kept + (all ? i : DrawBelow(++draws_, size - kept));
    const auto better = std::ranges::max_element(known.begin(), known.begin() + kept);
    const auto found = key(at);
    if (found >= *better) continue;
    *better = found;
    Swap(leaves, at, static_cast<uint32_t>(better - known.begin()));
  }
  const auto worst = std::ranges::min_element(known.begin(), known.begin() + kept);
  return leaves[static_cast<size_t>(worst - known.begin())].block;
}

// What the cache lost may be remembered: the deepest name that is tells of which turn the text is.
void ScoredPolicy::Recall(const TextNote& text) {
  uint32_t known = text.found;  // blocks at the start that were asked for before
  uint32_t turn = known == 0 ? 0 : text.uses[0].turn;
  text_.clear();
  for (uint32_t i = 0; i < text.names.size(); ++i) {
    if (!names_.IsWatched(text.names[i])) continue;
    const uint32_t name = names_.Find(text.names[i]);
    text_.push_back(name);
    if (name == kNone || i < known) continue;
    // The blocks between two that are remembered were asked for as often as the deeper one.
    for (uint32_t k = known; k <= i; ++k) text.uses[k].hits = names_[name].hits + 1;
    known = i + 1;
    if (i > 0) turn = names_[name].turn + 1;
  }
  ghosts_.CountHits(text_);
  if (!text.starts) return;
  for (BlockUse& use : text.uses) use.turn = turn;
}

// From the tail, as sequences are released: of one text the head is the newest.
void ScoredPolicy::NoteText(const TextNote& text, TickMs now) {
  Recall(text);
  for (size_t i = text.names.size(); i-- > 0;) {
    if (names_.IsWatched(text.names[i])) Watch(text.names[i], text.uses[i], now);
  }
  if (watched_since_rebuild_ >= rebuild_after_) RebuildModel(now);
}

void ScoredPolicy::Watch(uint64_t name, const BlockUse& use, TickMs now) {
  uint32_t i = names_.Find(name);
  if (i != kNone) {
    model_.CountReuse(names_[i].kind, now - names_[i].last_use);
    ghosts_.Forget(i);
    names_.MakeNewest(i);
  } else {
    if (names_.full()) {
      const NamedUse& oldest = names_[names_.oldest()];
      model_.CountNoReuse(oldest.kind, now - oldest.last_use);
      ghosts_.Forget(names_.oldest());
    }
    i = names_.Insert(name);
  }
  NamedUse& entry = names_[i];
  entry.last_use = now;
  entry.hits = use.hits;
  entry.turn = use.turn;
  entry.kind = ReuseModel::ClassOf(use);
  ghosts_.NoteNewest(i, now);
  ++watched_since_rebuild_;
}

void ScoredPolicy::RebuildModel(TickMs now) {
  ReuseModel::Survivors survivors{};
  for (uint32_t i = names_.newest(); i != kNone; i = names_[i].older) {
    ++survivors[names_[i].kind][ReuseModel::AgeBin(now - names_[i].last_use)];
  }
  model_.Rebuild(survivors);
  watched_since_rebuild_ = 0;
  rebuild_after_ = std::min(rebuild_after_ * 2, kRebuildAfter);
}

void ScoredPolicy::CheckInvariants() const {
  names_.CheckInvariants();
  ghosts_.CheckInvariants();
  for (const std::vector<Leaf>& leaves : leaves_) {
    for (uint32_t i = 0; i < leaves.size(); ++i) {
      QUIRE_CHECK(places_[Index(leaves[i].block)] == i, "a leaf is not where its place says");
    }
  }
}

}  // namespace quire
