#include "cache/eviction/ghost_caches.h"

#include <algorithm>

#include "base/check.h"
#include "cache/eviction/random_draw.h"

namespace quire {

namespace {

constexpr uint32_t kNone = NameDirectory::kNone;
constexpr uint32_t kSample = 32;
// Half of what is remembered is from the last so many names asked for.
constexpr double kHalfLife = 4.0 * NameDirectory::kEntries;

}  // namespace

GhostCaches::GhostCaches(const NameDirectory& names, const ReuseModel& model,
                         uint32_t capacity_blocks)
    : names_(names),
      model_(model),
      capacity_(std::max(1u, static_cast<uint32_t>(capacity_blocks * names.rate()))),
      in_lru_(NameDirectory::kEntries),
      scored_place_(NameDirectory::kEntries, kNone) {
  scored_.reserve(capacity_ + 1);
}

void GhostCaches::CountHits(const std::vector<uint32_t>& text) {
  bool lru = true;
  bool scored = true;
  double lead = 0;
  for (const uint32_t name : text) {
    lru = lru && name != kNone && in_lru_[name];
    scored = scored && name != kNone && scored_place_[name] != kNone;
    lead += scored - lru;
  }
  lead_ += lead;
  spread_ += lead * lead;
  if (lead_ * lead_ > spread_) prefers_lru_ = lead_ < 0;
  asked_ += static_cast<double>(text.size());
  if (asked_ < kHalfLife) return;
  asked_ /= 2;
  lead_ /= 2;
  spread_ /= 4;
}

void GhostCaches::Forget(uint32_t name) {
  if (in_lru_[name]) {
    if (lru_oldest_ == name) lru_oldest_ = names_[name].newer;
    in_lru_[name] = false;
    --lru_size_;
  }
  if (scored_place_[name] != kNone) DropScored(name);
}

void GhostCaches::NoteNewest(uint32_t name, TickMs now) {
  if (!in_lru_[name]) {
    in_lru_[name] = true;
    if (++lru_size_ == 1) lru_oldest_ = name;
  }
  LimitLru();
  if (scored_place_[name] != kNone) return;
  scored_place_[name] = static_cast<uint32_t>(scored_.size());
  scored_.push_back(name);
  if (scored_.size() > capacity_) DropWorst(now);
}

// A name that moved to the front may have been the oldest: whoever is behind all that are in it is
// found from the front only when it must be.
void GhostCaches::LimitLru() {
  while (lru_size_ > capacity_) {
    const uint32_t oldest = lru_oldest_;
    in_lru_[oldest] = false;
    --lru_size_;
    lru_oldest_ = names_[oldest].newer;
  }
}

void GhostCaches::DropWorst(TickMs now) {
  uint32_t worst = kNone;
  float least = 0;
  const bool all = scored_.size() <= kSample;
  const uint32_t count = all ? static_cast<uint32_t>(scored_.size()) : kSample;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t at = all ? i : DrawBelow(++draws_, static_cast<uint32_t>(scored_.size()));
    const NamedUse& use = names_[scored_[at]];
    const float value = model_.Value(use.kind, now - use.last_use);
    if (worst != kNone && value >= least) continue;
    worst = scored_[at];
    least = value;
  }
  DropScored(worst);
}

void GhostCaches::DropScored(uint32_t name) {
  const uint32_t at = scored_place_[name];
  scored_[at] = scored_.back();
  scored_place_[scored_[at]] = at;
  scored_.pop_back();
  scored_place_[name] = kNone;
}

void GhostCaches::CheckInvariants() const {
  uint32_t newest = 0;
  uint32_t i = names_.newest();
  for (; i != kNone && in_lru_[i]; i = names_[i].older) ++newest;
  QUIRE_CHECK(newest == lru_size_ && newest == std::min(capacity_, names_.size()), "G1");
  QUIRE_CHECK(scored_.size() <= capacity_, "G2");
  for (uint32_t k = 0; k < scored_.size(); ++k) QUIRE_CHECK(scored_place_[scored_[k]] == k, "G2");
}

}  // namespace quire
