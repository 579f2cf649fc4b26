#include "sim/random_world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

constexpr uint32_t kMostOwners = 4;

}  // namespace

void WorldCounts::Add(const WorldCounts& other) {
  steps += other.steps;
  requests += other.requests;
  refused += other.refused;
  done += other.done;
  cancelled += other.cancelled;
  never_fitted += other.never_fitted;
  preemptions += other.preemptions;
  cached_tokens += other.cached_tokens;
  evictions += other.evictions;
  pins += other.pins;
  failed_steps += other.failed_steps;
  awaited += other.awaited;
}

VirtualServerOptions RandomWorld::RandomOptions(std::mt19937_64& random) {
  VirtualServerOptions options;
  options.cache = {.capacity_blocks = static_cast<uint32_t>(12 + random() % 60), .block_tokens = 4};
  options.budget.step_sequences = static_cast<uint32_t>(1 + random() % 8);
  options.budget.step_tokens = options.budget.step_sequences + static_cast<uint32_t>(random() % 40);
  options.budget.step_logit_rows = options.budget.step_sequences;
  options.budget.prefill_chunk = static_cast<uint32_t>(1 + random() % 32);
  options.queue_limit = static_cast<uint32_t>(random() % 12);
  options.prefill_beside_decodes = static_cast<uint32_t>(1 + random() % 16);
  options.eviction = static_cast<EvictionKind>(random() % 3);
  options.rates = {.prefill_tokens_per_s = 1000, .step_ms = static_cast<double>(random() % 20)};
  return options;
}

RandomWorld::RandomWorld(uint64_t seed)
    : random_(seed),
      server_(RandomOptions(random_), [this](const ServedRequest& served) { NoteEnd(served); }) {
  server_.SetAfterPlan([this] { CheckTurns(); });
  AddOwners();
}

Quota RandomWorld::RandomQuota() {
  const uint32_t capacity = server_.cache().pool().capacity();
  Quota quota;
  if (OneIn(2)) quota.guaranteed_blocks = static_cast<uint32_t>(Below(capacity / kMostOwners + 1));
  if (OneIn(2)) {
    quota.limit_blocks = quota.guaranteed_blocks + static_cast<uint32_t>(Below(capacity));
  }
  quota.pinned_blocks = static_cast<uint32_t>(Below(capacity / 4));
  quota.weight = 1 + static_cast<double>(Below(3));
  return quota;
}

void RandomWorld::AddOwners() {
  const uint64_t count = 1 + Below(kMostOwners);
  for (uint64_t i = 0; i < count; ++i) {
    Owner owner;
    owner.scope.root.bytes[0] = static_cast<std::byte>(i + 1);
    if (i > 0) {
      OwnerLimits limits{.weight = 1 + static_cast<double>(Below(3))};
      if (OneIn(3)) limits.max_running = static_cast<uint32_t>(1 + Below(3));
      server_.AddOwner(RandomQuota(), limits);
    }
    owners_.push_back(std::move(owner));
  }
}

WorldCounts RandomWorld::Run(uint32_t steps) {
  for (uint32_t i = 0; i < steps; ++i) {
    if (OneIn(3)) SubmitOne();
    if (OneIn(25)) CancelOne();
    if (OneIn(30)) PinOne();
    if (OneIn(40)) UnpinOne();
    if (OneIn(200)) ChangeQuota();
    const bool fails = OneIn(40);
    if (!StepAndCheck(fails)) server_.WaitUntil(server_.now_ms() + static_cast<double>(Below(500)));
  }
  Drain();
  counts_.steps = server_.num_steps();
  counts_.preemptions = server_.scheduler().num_preemptions();
  for (const uint64_t evictions : server_.cache().counts().evictions) {
    counts_.evictions += evictions;
  }
  return counts_;
}

// New, or a text of the owner that is gone on with, all or part of it.
std::vector<TokenId> RandomWorld::RandomPrompt(OwnerId owner) {
  const std::vector<std::vector<TokenId>>& texts = owners_[Index(owner)].texts;
  std::vector<TokenId> prompt;
  if (!texts.empty() && !OneIn(4)) {
    prompt = texts[Below(texts.size())];
    if (OneIn(3)) prompt.resize(1 + Below(prompt.size()));
  }
  const uint64_t more = OneIn(8) ? Below(150) : 1 + Below(24);
  for (uint64_t i = 0; i < more || prompt.empty(); ++i) {
    prompt.push_back(static_cast<TokenId>(Below(3)));
  }
  return prompt;
}

void RandomWorld::SubmitOne() {
  const OwnerId owner{static_cast<uint32_t>(Below(owners_.size()))};
  SequenceSpec spec;
  spec.owner = owner;
  spec.scope = owners_[Index(owner)].scope;
  spec.prompt = RandomPrompt(owner);
  spec.max_tokens = static_cast<uint32_t>(Below(20));
  spec.choices = OneIn(6) ? static_cast<uint32_t>(2 + Below(3)) : 1;
  spec.lookup = !OneIn(10);
  spec.store = !OneIn(10);
  if (OneIn(5)) spec.keep_ms = Below(5000);
  const uint32_t prompt_tokens = static_cast<uint32_t>(spec.prompt.size());
  const uint32_t choices = spec.choices;
  const auto id = server_.Submit(std::move(spec));
  if (!id) {
    ++counts_.refused;
    return;
  }
  for (uint32_t i = 0; i < choices; ++i) {
    open_.push_back({.id = SequenceId{static_cast<uint64_t>(*id) + i},
                     .owner = owner,
                     .arrival_ms = server_.now_ms(),
                     .prompt_tokens = prompt_tokens});
    ++owners_[Index(owner)].open;
    ++counts_.requests;
  }
}

void RandomWorld::CancelOne() {
  if (open_.empty()) return;
  server_.Cancel(open_[Below(open_.size())].id);
}

void RandomWorld::PinOne() {
  if (open_.empty()) return;
  const Sequence& sequence = server_.scheduler().Get(open_[Below(open_.size())].id);
  const uint32_t named = sequence.table.num_named();
  PinId pin{};
  if (named == 0 || !server_.cache().Pin(sequence.table, 1 + Below(named), pin)) return;
  pins_.push_back(pin);
  ++counts_.pins;
}

void RandomWorld::UnpinOne() {
  if (pins_.empty()) return;
  std::swap(pins_[Below(pins_.size())], pins_.back());
  server_.cache().Unpin(pins_.back());
  pins_.pop_back();
}

void RandomWorld::ChangeQuota() {
  if (owners_.size() < 2) return;
  const uint32_t owner = static_cast<uint32_t>(1 + Below(owners_.size() - 1));
  server_.cache().SetQuota(OwnerId{owner}, RandomQuota());
  owners_[owner].limit_lowered = true;
}

void RandomWorld::NoteEnd(const ServedRequest& served) {
  QUIRE_CHECK(ended_.insert(static_cast<uint64_t>(served.id)).second, "W1: a request ended twice");
  const auto asked = std::ranges::find(open_, served.id, &Asked::id);
  QUIRE_CHECK(asked != open_.end(), "W1: nobody asked for what ended");
  open_.erase(asked);
  Owner& owner = owners_[Index(served.owner)];
  --owner.open;
  counts_.done += served.end == RequestEnd::kDone;
  counts_.cancelled += served.end == RequestEnd::kCancelled;
  counts_.never_fitted += served.end == RequestEnd::kNeverFits;
  counts_.cached_tokens += served.cached_tokens;
  if (served.end != RequestEnd::kDone || served.tokens.size() > 200) return;
  if (owner.texts.size() < 6) {
    owner.texts.push_back(served.tokens);
  } else {
    owner.texts[Below(owner.texts.size())] = served.tokens;
  }
}

bool RandomWorld::StepAndCheck(bool fails) {
  std::vector<uint32_t> used;
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    used.push_back(server_.cache().pool().counts(OwnerId{i}).used());
  }
  std::vector<bool> was_idle;
  for (const Owner& owner : owners_) was_idle.push_back(owner.open == 0);
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    if (!was_idle[i]) used[i] = 0;  // its own work may give blocks back
  }
  const bool did = fails ? server_.StepInVain() : server_.Step();
  counts_.failed_steps += fails && did;
  server_.CheckInvariants();
  CheckGuarantees(used);
  CheckLimits();
  return did;
}

void RandomWorld::CheckGuarantees(const std::vector<uint32_t>& used_before) {
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    const OwnerId owner{i};
    const uint32_t guaranteed = server_.cache().quota(owner).guaranteed_blocks;
    QUIRE_CHECK(server_.cache().pool().counts(owner).used() >= std::min(used_before[i], guaranteed),
                "W3: guaranteed blocks were taken");
  }
}

// Who waits although it could run was not passed by much later ones.
void RandomWorld::CheckTurns() {
  const Scheduler& scheduler = server_.scheduler();
  for (Asked& asked : open_) {
    const Sequence& sequence = scheduler.Get(asked.id);
    counts_.awaited += sequence.awaits != kNoSequence;
    if (asked.started || sequence.state != SequenceState::kRunning) continue;
    asked.started = true;
    for (const Asked& other : open_) {
      if (other.owner != asked.owner || other.started) continue;
      const Sequence& passed = scheduler.Get(other.id);
      if (passed.awaits != kNoSequence || passed.state == SequenceState::kRunning) continue;
      QUIRE_CHECK(asked.arrival_ms < other.arrival_ms + other.prompt_tokens + 1,
                  "W4: passed by who came much later");
    }
  }
}

void RandomWorld::CheckLimits() {
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    const OwnerId owner{i};
    if (owners_[i].limit_lowered) continue;
    QUIRE_CHECK(
        server_.cache().pool().counts(owner).used() <= server_.cache().quota(owner).limit_blocks,
        "W2: an owner is beyond its limit");
  }
}

void RandomWorld::Drain() {
  uint64_t steps = 0;
  while (!server_.idle()) {
    QUIRE_CHECK(++steps < 1'000'000, "no progress");
    StepAndCheck(false);
  }
  QUIRE_CHECK(open_.empty() && ended_.size() == counts_.requests, "W1: a request never ended");
  for (const PinId pin : pins_) server_.cache().Unpin(pin);
  pins_.clear();
  const BlockPool& pool = server_.cache().pool();
  QUIRE_CHECK(pool.num_free() + pool.num_idle() == pool.capacity(), "W2: a block leaked");
  server_.CheckInvariants();
}

}  // namespace quire
