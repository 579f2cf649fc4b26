#include "plan/serving_replay.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cache/eviction/random_draw.h"

namespace quire {

namespace {

constexpr uint32_t kVocabulary = 50'000;

std::vector<TokenId> TokensOf(const Trace& trace, const TraceRequest& request) {
  std::vector<TokenId> tokens;
  tokens.reserve(request.prompt_tokens);
  ForEachBlock(request, [&](uint32_t block) {
    const uint64_t first = uint64_t{block} * trace.block_tokens + 1;
    for (uint32_t i = 0; i < trace.block_tokens && tokens.size() < request.prompt_tokens; ++i) {
      tokens.push_back(static_cast<TokenId>(MixBits(first + i) % kVocabulary));
    }
  });
  // A prompt may be longer than its blocks say: the rest is its own.
  while (tokens.size() < request.prompt_tokens) {
    const uint64_t own = request.arrival << 32 | tokens.size();
    tokens.push_back(static_cast<TokenId>(MixBits(~own) % kVocabulary));
  }
  return tokens;
}

Scope ScopeOf(uint32_t tenant) {
  Scope scope;
  for (size_t i = 0; i < 4; ++i) {
    scope.root.bytes[i] = static_cast<std::byte>((tenant + 1) >> (8 * i));
  }
  return scope;
}

class ServingReplay {
 public:
  ServingReplay(const Trace& trace, const ServingOptions& options)
      : trace_(trace),
        options_(options),
        server_(ServerOptions(options), [this](const ServedRequest& s) { NoteEnd(s); }) {
    result_.tenants.resize(options.tenants);
    for (uint32_t i = 1; i < options.tenants; ++i) server_.AddOwner({}, {});
  }

  ServingResult Run() {
    size_t next = 0;
    const std::vector<TraceRequest>& requests = trace_.requests;
    while (next < requests.size() || !server_.idle()) {
      while (next < requests.size() && ArrivalOf(requests[next]) <= server_.now_ms()) {
        Submit(requests[next++]);
        if (options_.progress) options_.progress(next);
      }
      if (!server_.Step() && next < requests.size()) {
        server_.WaitUntil(ArrivalOf(requests[next]));
      }
    }
    result_.steps = server_.num_steps();
    result_.seconds = server_.now_ms() / 1000;
    result_.preemptions = server_.scheduler().num_preemptions();
    std::ranges::sort(result_.ttft_ms);
    for (TenantResult& tenant : result_.tenants) std::ranges::sort(tenant.ttft_ms);
    return std::move(result_);
  }

 private:
  static VirtualServerOptions ServerOptions(const ServingOptions& options) {
    VirtualServerOptions server;
    server.cache = {
        .capacity_blocks = static_cast<uint32_t>(options.capacity_tokens / options.block_tokens),
        .block_tokens = options.block_tokens};
    server.budget = options.budget;
    server.prefill_beside_decodes = options.prefill_beside_decodes;
    server.queue_limit = options.queue_limit;
    server.eviction = options.eviction;
    server.rates = options.rates;
    return server;
  }

  double ArrivalOf(const TraceRequest& request) const {
    return static_cast<double>(request.arrival - trace_.requests[0].arrival) / options_.speed;
  }

  void Submit(const TraceRequest& request) {
    const uint32_t tenant = request.tenant % options_.tenants;
    SequenceSpec spec;
    spec.owner = OwnerId{tenant};
    spec.scope = ScopeOf(tenant);
    spec.prompt = TokensOf(trace_, request);
    spec.max_tokens = std::max(1u, request.output_tokens);
    ++result_.tenants[tenant].requests;
    if (server_.Submit(std::move(spec))) return;
    ++result_.refused;
    ++result_.tenants[tenant].refused;
  }

  void NoteEnd(const ServedRequest& served) {
    if (served.end != RequestEnd::kDone) return;
    const double ttft = served.first_token_ms - served.arrival_ms;
    TenantResult& tenant = result_.tenants[Index(served.owner)];
    result_.ttft_ms.push_back(ttft);
    tenant.ttft_ms.push_back(ttft);
    tenant.computed_tokens += served.prompt_tokens - served.cached_tokens;
    result_.prompt_tokens += served.prompt_tokens;
    result_.cached_tokens += served.cached_tokens;
  }

  const Trace& trace_;
  const ServingOptions& options_;
  VirtualServer server_;
  ServingResult result_;
};

}  // namespace

double ServingResult::hit_ratio() const {
  return prompt_tokens == 0
             ? 0
             : static_cast<double>(cached_tokens) / static_cast<double>(prompt_tokens);
}

double ServingResult::fairness() const {
  double sum = 0;
  double squares = 0;
  for (const TenantResult& tenant : tenants) {
    const double median = PercentileOf(tenant.ttft_ms, 0.5);
    sum += median;
    squares += median * median;
  }
  return squares == 0 ? 1 : sum * sum / (static_cast<double>(tenants.size()) * squares);
}

ServingResult Serve(const Trace& trace, const ServingOptions& options) {
  return ServingReplay(trace, options).Run();
}

double PercentileOf(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double at = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[std::min(sorted.size(), std::max<size_t>(1, static_cast<size_t>(at))) - 1];
}

}  // namespace quire
