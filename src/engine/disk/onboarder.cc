#include "engine/disk/onboarder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/disk/disk_owner.h"

namespace quire {
namespace {

constexpr double kMostHeldSeconds = 2;
constexpr uint32_t kTryAgainAfter = 16;  // spans that were computed instead
constexpr uint32_t kMostGroups = 4;
// Reading the groups behind the first one may take so long; at kUsualRate until it is measured.
constexpr double kMostAheadSeconds = 0.5;
constexpr double kUsualRate = 512 << 20;
// What was brought up is not evicted before the request had its turn, if anything else will do.
constexpr TickMs kKeepMs = 10'000;

}  // namespace

Onboarder::Wanted Onboarder::Want(KvCache& cache, OnboardWish wish, double prefill_rate,
                                  double now) {
  const RequestId request = wish.request;
  Entry entry;
  entry.since = now;
  entry.wish = std::move(wish);
  entry.table = BlockTable(entry.wish.owner);
  const uint32_t found =
      cache.CountCached(entry.wish.names, entry.wish.prompt) / cache.block_tokens();
  tier_.NoteUsed(NamesOf(entry, 0, found));
  const uint32_t blocks = tier_.CountFirst(NamesFrom(entry, found));
  if (blocks == 0) return {};
  if (!IsWorthLoading(blocks, prefill_rate)) {
    return {false, {found, found + blocks, MissReason::kBreakEven}};
  }
  Entry& kept = entries_.emplace(request, std::move(entry)).first->second;
  Start started = Start::kNothing;
  try {
    started = TryStart(cache, kept);
  } catch (...) {
    entries_.erase(request);
    throw;
  }
  if (started == Start::kNothing) entries_.erase(request);
  return {started != Start::kNothing};
}

std::vector<BlockName> Onboarder::NamesOf(const Entry& entry, uint32_t first, uint32_t end) const {
  std::vector<BlockName> names;
  for (uint32_t i = first; i < end; ++i) {
    names.push_back(entry.wish.names.Of(i, entry.wish.prompt, kBlockTokens));
  }
  return names;
}

// Of the prompt's blocks that can be looked up: its last token is computed in any case.
std::vector<BlockName> Onboarder::NamesFrom(const Entry& entry, uint32_t first) const {
  return NamesOf(entry, first,
                 static_cast<uint32_t>((entry.wish.prompt.size() - 1) / kBlockTokens));
}

bool Onboarder::IsWorthLoading(uint32_t blocks, double prefill_rate) {
  const double read_rate = tier_.counts().read_bytes_per_second;
  const bool known = read_rate > 0 && prefill_rate > 0;
  const double bytes = static_cast<double>(blocks) * static_cast<double>(view_.shape.block_bytes());
  const double tokens = static_cast<double>(blocks) * kBlockTokens;
  if (known && bytes / read_rate > tokens / prefill_rate && ++computed_in_a_row_ < kTryAgainAfter) {
    ++counts_.computed_spans;
    return false;
  }
  computed_in_a_row_ = 0;
  ++counts_.loaded_spans;
  return true;
}

bool Onboarder::IsRead(const BlockName& name, const Entry& by) const {
  return std::ranges::any_of(entries_, [&](const auto& item) {
    const Entry& other = item.second;
    if (&other == &by || !other.reading || other.asked() == 0) return false;
    return other.wish.names.Of(other.first, other.wish.prompt, kBlockTokens) == name;
  });
}

Onboarder::Start Onboarder::TryStart(KvCache& cache, Entry& entry) {
  const OnboardWish& wish = entry.wish;
  const uint32_t found = cache.CountCached(wish.names, wish.prompt) / cache.block_tokens();
  std::vector<BlockName> names = NamesFrom(entry, found);
  names.resize(tier_.CountFirst(names));
  entry.loss = {found, found + static_cast<uint32_t>(names.size()), MissReason::kTierBusy};
  if (names.empty()) return Start::kNothing;
  if (IsRead(names.front(), entry)) return Start::kNotNow;
  entry.arrived.reserve(names.size());
  try {
    return Read(cache, entry, found, names);
  } catch (...) {
    cache.Release(entry.table);  // or its blocks would be nobody's
    throw;
  }
}

// One group of all layers, unless reading several of them one after the other may win something.
std::vector<LayerRange> Onboarder::GroupsFor(const Entry& entry, uint32_t blocks) const {
  const uint32_t layers = view_.shape.layers;
  const uint64_t block_bytes = view_.shape.block_bytes();
  const uint64_t parts = block_bytes / std::max<uint64_t>(least_part_bytes_, 1);
  auto count = static_cast<uint32_t>(std::min<uint64_t>({parts, kMostGroups, layers}));
  const double measured = tier_.counts().read_bytes_per_second;
  const double rest = static_cast<double>(blocks * block_bytes) * (count - 1.0) / count;
  const bool is_short = rest <= kMostAheadSeconds * (measured > 0 ? measured : kUsualRate);
  if (!entry.wish.alone || entries_.size() > 1 || count < 2 || !is_short) count = 1;
  std::vector<LayerRange> groups;
  for (uint32_t i = 0; i < count; ++i) {
    groups.push_back({layers * i / count, layers * (i + 1) / count});
  }
  return groups;
}

Onboarder::Start Onboarder::Read(KvCache& cache, Entry& entry, uint32_t found,
                                 std::span<const BlockName> names) {
  const auto blocks = static_cast<uint32_t>(names.size());
  const std::vector<LayerRange> groups = GroupsFor(entry, blocks);
  // Blocks of which something is missing must not be copied to the disk.
  entry.table.SetGoesBelow(groups.size() == 1);
  cache.Match(entry.wish.names, entry.wish.prompt, entry.table);
  if (!cache.Grow(entry.table, (found + blocks) * cache.block_tokens(), EvictionReason::kPrefill)) {
    cache.Release(entry.table);
    return Start::kNotNow;
  }
  // Nothing may fail once reads have begun: they write to the blocks.
  entry.ticket = ++last_ticket_;
  entry.groups.clear();
  for (const LayerRange& layers : groups) entry.groups.push_back({.layers = layers});
  remains_.reserve(remains_.size() + entries_.size());
  std::vector<std::byte*> places;
  for (uint32_t i = 0; i < blocks; ++i) {
    places.push_back(view_.block(Index(entry.table[found + i])));
  }
  const uint32_t asked = tier_.Load(entry.ticket, entry.wish.disk_owner, names, groups, places);
  entry.arrived.assign(asked, 0);
  entry.reading = true;
  entry.first = found;
  entry.loss = {found, found + asked, MissReason::kTierFailed};
  return Start::kReading;
}

std::vector<Onboarder::Ready> Onboarder::Work(KvCache& cache, double now, bool may_hold,
                                              bool alone) {
  TakeArrived(cache);
  std::vector<Ready> ready;
  bool reads = std::ranges::any_of(entries_, [](const auto& item) { return item.second.reading; });
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    bool done = false;
    uint32_t tokens = 0;
    if (entry.reading && entry.to_come() == 0) {
      done = true;
      tokens = Finish(cache, entry);
    } else if (entry.reading) {
      if (alone && ready.empty() && MayGoAhead(cache, entry)) {
        ready.push_back({it->first, GoAhead(cache, entry), now - entry.since, {}});
      }
    } else {
      const Start started = TryStart(cache, entry);
      reads = reads || started == Start::kReading;
      const bool held_long = now - entry.since > kMostHeldSeconds;
      done = started == Start::kNothing ||
             (started == Start::kNotNow && (held_long || !(may_hold || reads)));
    }
    if (!done) {
      ++it;
      continue;
    }
    ready.push_back({it->first, tokens, now - entry.since, entry.loss});
    it = entries_.erase(it);
  }
  std::ranges::sort(ready, {}, &Ready::request);
  return ready;
}

void Onboarder::TakeArrived(KvCache& cache) {
  while (auto blocks = tier_.Take()) {
    const auto found = std::ranges::find_if(entries_, [&](const auto& item) {
      return item.second.reading && item.second.ticket == blocks->ticket;
    });
    const auto gone = std::ranges::find(remains_, blocks->ticket, &Remains::ticket);
    if (found != entries_.end()) {
      Account(found->second, *blocks);
    } else if (gone != remains_.end()) {
      gone->to_come -= blocks->asked;
      if (gone->to_come == 0) {
        cache.Release(gone->table);
        remains_.erase(gone);
      }
    } else if (others_) {
      others_(*blocks);
    }
    tier_.GiveBack(*std::move(blocks));
  }
}

uint32_t Onboarder::Entry::to_come() const {
  uint32_t blocks = 0;
  for (const Group& group : groups) blocks += asked() - group.accounted;
  return blocks;
}

void Onboarder::Account(Entry& entry, const ReadBlocks& blocks) {
  const auto group = std::ranges::find(entry.groups, blocks.layers, &Group::layers);
  QUIRE_CHECK(group != entry.groups.end(), "layers that nobody asked for");
  group->accounted += blocks.asked;
  uint32_t good = 0;
  while (good < blocks.count && IsSame(entry, blocks, good)) {
    ++entry.arrived[blocks.first + good++];
  }
  group->good += good;
  const bool is_purged = good < blocks.asked && blocks.flaw == ReadFlaw::kPurged;
  const bool is_corrupt = good < blocks.count || blocks.flaw == ReadFlaw::kCorrupt;
  if (is_purged || is_corrupt) {
    entry.loss.reason = is_purged ? MissReason::kPurged : MissReason::kCorrupt;
  }
}

// The tier has compared names; an equal name is not yet an equal block.
bool Onboarder::IsSame(const Entry& entry, const ReadBlocks& blocks, uint32_t i) const {
  const OnboardWish& wish = entry.wish;
  const uint32_t block = entry.first + blocks.first + i;
  if (blocks.root_tag != RootTag(wish.names.RootOf(block))) return false;
  BlockName parent;
  if (block > 0) parent = wish.names.Of(block - 1, wish.prompt, kBlockTokens);
  if (i == 0 && blocks.parent != parent) return false;
  const auto tokens =
      std::as_bytes(wish.prompt.subspan(size_t{block} * kBlockTokens, kBlockTokens));
  return std::ranges::equal(tokens,
                            std::span(blocks.notes).subspan(i * tokens.size(), tokens.size()));
}

// What has arrived without a gap becomes findable. Returns its tokens.
uint32_t Onboarder::Finish(KvCache& cache, Entry& entry) {
  const auto whole = [&entry](uint32_t groups) { return groups == entry.groups.size(); };
  const auto gap = std::ranges::find_if_not(entry.arrived, whole);
  const auto good = static_cast<uint32_t>(gap - entry.arrived.begin());
  counts_.loaded_blocks += good;
  counts_.failed_blocks += entry.arrived.size() - good;
  entry.loss.first = entry.first + good;
  const uint32_t tokens = (entry.first + good) * cache.block_tokens();
  entry.table.SetGoesBelow(true);
  cache.Commit(entry.wish.names, entry.wish.prompt, tokens, entry.table);
  cache.Keep(entry.table, {.kept_until = cache.now() + kKeepMs});
  cache.Release(entry.table);
  return good * cache.block_tokens();
}

// Where somebody has computed one of the blocks meanwhile, that one would take the place of ours.
bool Onboarder::MayGoAhead(const KvCache& cache, const Entry& entry) const {
  return entry.wish.alone && entries_.size() == 1 && entry.groups.size() > 1 && entry.asked() > 0 &&
         entry.groups.front().good == entry.asked() &&
         cache.CountCached(entry.wish.names, entry.wish.prompt) ==
             entry.first * cache.block_tokens();
}

// As Finish, of blocks of which the first layers are there. Returns their tokens.
uint32_t Onboarder::GoAhead(KvCache& cache, Entry& entry) {
  ahead_ = entry.wish.request;
  const uint32_t tokens = (entry.first + entry.asked()) * cache.block_tokens();
  cache.Commit(entry.wish.names, entry.wish.prompt, tokens, entry.table);
  return entry.asked() * cache.block_tokens();
}

std::optional<Onboarder::Ahead> Onboarder::ahead() const {
  if (!ahead_) return std::nullopt;
  return Ahead{*ahead_, entries_.at(*ahead_).asked() * kBlockTokens};
}

Onboarder::LayerState Onboarder::StateOf(KvCache& cache, uint32_t layer) {
  if (!ahead_) return LayerState::kThere;
  TakeArrived(cache);
  Entry& entry = entries_.at(*ahead_);
  for (const Group& group : entry.groups) {
    if (group.good < group.accounted) return LayerState::kFailed;
    if (group.layers.first <= layer && group.accounted < entry.asked()) {
      return LayerState::kReading;
    }
  }
  if (entry.to_come() == 0) {
    counts_.loaded_blocks += entry.asked();
    ++counts_.ahead_spans;
    cache.Release(entry.table);
    entries_.erase(*std::exchange(ahead_, std::nullopt));
  }
  return LayerState::kThere;
}

void Onboarder::GiveUp(KvCache& cache) {
  if (!ahead_) return;
  Entry& entry = entries_.at(*std::exchange(ahead_, std::nullopt));
  entry.wish.alone = false;  // there is a sequence now that waits for it
  cache.Forget(entry.table, entry.first);
}

void Onboarder::Leave(KvCache& cache, Entries::iterator it) {
  Entry& entry = it->second;
  if (ahead_ == it->first) {
    cache.Forget(entry.table, entry.first);
    ahead_.reset();
  }
  const uint32_t to_come = entry.reading ? entry.to_come() : 0;
  if (to_come > 0) {
    remains_.push_back({entry.ticket, std::move(entry.table), to_come});
    tier_.Drop(entry.ticket);
  } else {
    cache.Release(entry.table);
  }
  entries_.erase(it);
}

void Onboarder::Cancel(KvCache& cache, RequestId request) {
  const auto found = entries_.find(request);
  if (found != entries_.end()) Leave(cache, found);
}

}  // namespace quire
