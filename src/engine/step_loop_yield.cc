// When the engine leaves a step between two layers (pace.h says why).
#include <algorithm>

#include "engine/step_loop.h"

namespace quire {

bool StepLoop::IsMostlyFor(std::span<const RequestId> requests) const {
  size_t all = 0;
  size_t theirs = 0;
  for (size_t i = 0; i < batch_.size(); ++i) {
    all += batch_[i].tokens.size();
    const bool is_theirs = std::ranges::find(requests, batch_requests_[i]) != requests.end();
    theirs += is_theirs ? batch_[i].tokens.size() : 0;
  }
  return theirs > 0 && 2 * theirs >= all;
}

bool StepLoop::HasLongToGo() const {
  return nobody_is_answered_ && pace_.HasLongToGo(ShapeOfBatch(), options_.clock() - step_started_);
}

// A step that gives somebody a token is mostly short, and leaving it would hold that one up. A
// newcomer that would not run in the next one wins nothing. The prompt is hashed last: it is long
// work for a place where others wait for the engine.
bool StepLoop::IsWorthLeavingFor(const GenerationRequest& newcomer) const {
  if (scheduler_.num_waiting() > 0 ||
      scheduler_.num_running() + newcomer.choices > options_.budget.step_sequences) {
    return false;
  }
  const StepShape step = ShapeOfBatch();
  const double elapsed = options_.clock() - step_started_;
  const auto wants_logits = [](const BatchItem& item) { return item.num_logit_rows > 0; };
  if (!HasLongToGo() && std::ranges::any_of(batch_, wants_logits)) return false;
  if (!pace_.IsWorthLeaving(step, elapsed, {})) return false;
  uint32_t found = 0;
  const TenantAccounts::Account* account = accounts_.Find(newcomer.tenant);
  if (options_.prefix_cache && account != nullptr) {
    const BlockNames names(ScopeOf(newcomer, *account), PublicPrefixOf(newcomer));
    found = cache_.CountCached(names, newcomer.prompt);
  }
  const uint32_t rows = static_cast<uint32_t>(newcomer.prompt.size()) - found;
  return pace_.IsWorthLeaving(step, elapsed, {rows, uint64_t{rows} * (found + rows / 2)});
}

StepShape StepLoop::ShapeOfBatch() const {
  StepShape shape;
  for (const BatchItem& item : batch_) {
    const uint64_t rows = item.tokens.size();
    shape.rows += static_cast<uint32_t>(rows);
    shape.positions += rows * (item.first_position + rows / 2);
  }
  return shape;
}

}  // namespace quire
