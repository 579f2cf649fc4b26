// How a step loop looks from outside: StepLoop::View and Tree.
#include <algorithm>

#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"
#include "engine/view/prefix_survey.h"

namespace quire {

std::vector<std::string> StepLoop::TenantNames() const {
  const auto usage = accounts_.usage();
  std::vector<std::string> names(cache_.pool().num_owners());
  for (const TenantAccounts::Usage& one : usage) names[Index(one.owner)] = one.tenant;
  return names;
}

RequestView StepLoop::ViewOf(const ActiveRequest& request) const {
  const GenerationRequest& asked = request.request();
  RequestView view{.id = request.id(), .route = asked.route, .choices = asked.choices};
  if (const auto* account = accounts_.Find(asked.tenant)) view.tenant = Index(account->owner);
  view.age_seconds = std::max(0.0, options_.clock() - request.arrived_seconds());
  view.prompt_tokens = static_cast<uint32_t>(asked.prompt.size());
  view.max_tokens = asked.max_tokens;
  if (request.leader() == kNoSequence) {
    view.phase = RequestPhase::kDisk;
    return view;
  }
  for (uint32_t i = 0; i < request.num_choices(); ++i) {
    const SequenceId id{static_cast<uint64_t>(request.leader()) + i};
    if (!places_.contains(id)) continue;
    const Sequence& sequence = scheduler_.Get(id);
    view.blocks += sequence.table.size();
    view.preemptions += sequence.counts.preemptions;
    if (!sequence.tokens.empty()) view.generated_tokens += sequence.num_generated();
    view.computed_tokens =
        std::max(view.computed_tokens, std::min(sequence.num_computed, sequence.num_prompt));
    view.cached_tokens = std::max(view.cached_tokens, sequence.counts.cached_tokens);
    if (sequence.state != SequenceState::kRunning) continue;
    const bool reads = sequence.num_computed < sequence.num_prompt;
    view.phase = std::max(view.phase, reads ? RequestPhase::kPrefill : RequestPhase::kDecode);
  }
  return view;
}

EngineView StepLoop::View() const {
  EngineView view;
  view.stats = stats_;
  view.tenants = TenantNames();
  const uint32_t capacity = cache_.pool().capacity();
  view.map_blocks =
      std::max(1u, (capacity + EngineView::kMostPieces - 1) / EngineView::kMostPieces);
  view.map = MapOf(cache_.pool(), view.map_blocks);
  for (const auto& [id, request] : requests_) view.requests.push_back(ViewOf(*request));
  std::ranges::sort(view.requests, {}, &RequestView::id);
  if (view.requests.size() > EngineView::kMostRequests) {
    view.requests_left_out =
        static_cast<uint32_t>(view.requests.size() - EngineView::kMostRequests);
    view.requests.resize(EngineView::kMostRequests);
  }
  return view;
}

PrefixTree StepLoop::Tree(const std::optional<std::string>& tenant) const {
  TreeWish wish;
  if (tenant) {
    const TenantAccounts::Account* account = accounts_.Find(*tenant);
    if (account == nullptr) return {};
    wish.owner = account->owner;
  }
  if (options_.disk != nullptr) {
    wish.on_disk = [this](const BlockName& name) { return options_.disk->Contains(name); };
  }
  PrefixTree tree = TreeOf(cache_, wish);
  tree.tenants = TenantNames();
  return tree;
}

}  // namespace quire
