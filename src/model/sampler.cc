#include "model/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "base/check.h"
#include "kernels/ops.h"
#include "model/counter_random.h"
#include "model/weighed_row.h"

namespace quire {
namespace {

// At or below this a draw could only ever take the likeliest token: greedy, without dividing by it.
constexpr float kGreedyTemperature = 1e-5f;
// Tokens less likely than e^-40 times the likeliest: all of a vocabulary together fall below the
// resolution of a draw.
constexpr float kNegligible = 40;
constexpr float kNever = -std::numeric_limits<float>::infinity();

Status RefuseUnless(bool fine, const char* field, std::string_view range) {
  if (fine) return {};
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("{} must be {}", field, range), field);
}

Status CheckTokens(const SamplingParams& params, uint32_t vocab_size) {
  const auto known = [vocab_size](TokenId token) {
    return token >= 0 && static_cast<uint32_t>(token) < vocab_size;
  };
  for (const auto& [token, bias] : params.logit_bias) {
    if (!known(token) || !(bias >= -100 && bias <= 100)) {
      return Refuse(ErrorCode::kInvalidArgument,
                    fmt::format("logit_bias must map token ids below {} to values between -100 and "
                                "100; it has {}: {}",
                                vocab_size, token, bias),
                    "logit_bias");
    }
  }
  QUIRE_CHECK(std::ranges::all_of(params.banned, known), "a banned token is not in the vocabulary");
  return {};
}

// What a row is drawn with: of a thread, which draws from one row at a time, so that there is no
// vocabulary's worth of memory for every answer.
struct Scratch {
  std::vector<float> adjusted;
  std::vector<Candidate> candidates;
  WeighedRow row;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

Weighing WeighingOf(const SamplingParams& params, float max) {
  return {.max = max,
          .temperature = params.temperature,
          .floor = max - kNegligible * params.temperature};
}

// A floor for those who weigh at least min_p: a little below, since weights are rounded.
float FloorOfMinP(const SamplingParams& params, float max) {
  const double below = params.temperature * (0.01 - double{Log(params.min_p)});
  return static_cast<float>(max - below - 1e-5 * std::abs(double{max}));
}

void KeepMinP(float min_p, std::vector<Candidate>& candidates) {
  if (min_p <= 0) return;  // the likeliest token weighs 1
  std::erase_if(candidates, [min_p](const Candidate& c) { return c.weight < min_p; });
}

// By the definition: one token after another.
void SelectCandidates(std::span<const float> logits, const SamplingParams& params, float max,
                      std::vector<Candidate>& candidates) {
  Weighing weighing = WeighingOf(params, max);
  if (params.top_k > 0 && params.top_k < logits.size()) {
    SelectTop(logits, params.top_k, candidates);
    Weigh(weighing, candidates);
  } else {
    if (params.top_p >= 1 && params.min_p > 0) {
      weighing.floor = std::max(weighing.floor, FloorOfMinP(params, max));
    }
    SelectAbove(logits, weighing, candidates);
  }
  if (params.top_p < 1) KeepNucleus(params.top_p, TotalWeight(candidates), candidates);
  KeepMinP(params.min_p, candidates);
}

// The same token from a row weighed as a whole, unless rounding might decide.
std::optional<TokenId> DrawFromRow(std::span<const float> logits, const SamplingParams& params,
                                   float max, double unit) {
  if (params.top_k > 0 && params.top_k < logits.size()) return std::nullopt;
  if (params.top_p >= 1 && params.min_p > 0) return std::nullopt;
  auto& [adjusted, candidates, row] = ThreadScratch();
  row.Weigh(logits, WeighingOf(params, max));
  if (params.top_p >= 1) return row.Draw(unit);
  if (!row.KeepNucleus(params.top_p, candidates)) return std::nullopt;
  KeepMinP(params.min_p, candidates);
  return Draw(candidates, unit);
}

bool IsAllowed(std::span<const uint64_t> allowed, TokenId token) {
  return (allowed[static_cast<size_t>(token) / 64] >> static_cast<size_t>(token) % 64 & 1) != 0;
}

TokenId FirstAllowed(std::span<const uint64_t> allowed) {
  const auto word = std::ranges::find_if(allowed, [](uint64_t bits) { return bits != 0; });
  QUIRE_CHECK(word != allowed.end(), "at least one token is allowed");
  return static_cast<TokenId>((word - allowed.begin()) * 64 + std::countr_zero(*word));
}

// Words of a mask are mostly all one or all zero.
void KeepAllowed(std::span<const uint64_t> allowed, std::span<float> logits) {
  for (size_t first = 0; first < logits.size(); first += 64) {
    const uint64_t bits = allowed[first / 64];
    const auto part = logits.subspan(first, std::min<size_t>(64, logits.size() - first));
    if (bits == 0) std::ranges::fill(part, kNever);
    if (bits == 0 || bits == ~uint64_t{0}) continue;
    for (size_t i = 0; i < part.size(); ++i) {
      if ((bits >> i & 1) == 0) part[i] = kNever;
    }
  }
}

TokenId Choose(std::span<const float> logits, const SamplingParams& params, const DrawKey& key) {
  const TokenId best = ArgMax(logits);
  const float max = logits[static_cast<size_t>(best)];
  if (params.temperature <= kGreedyTemperature || !std::isfinite(max)) return best;
  const double unit = RandomUnit(key);
  if (const auto drawn = DrawFromRow(logits, params, max, unit)) return *drawn;
  std::vector<Candidate>& candidates = ThreadScratch().candidates;
  SelectCandidates(logits, params, max, candidates);
  return candidates.empty() ? best : Draw(candidates, unit);
}

}  // namespace

Status Validate(const SamplingParams& params, uint32_t vocab_size) {
  const auto within = [](float value, float low, float high) {
    return value >= low && value <= high;  // false for NaN
  };
  const Status checks[] = {
      RefuseUnless(within(params.temperature, 0, 2), "temperature", "between 0 and 2"),
      RefuseUnless(within(params.top_p, 0, 1) && params.top_p > 0, "top_p",
                   "greater than 0 and at most 1"),
      RefuseUnless(within(params.min_p, 0, 1) && params.min_p < 1, "min_p",
                   "at least 0 and less than 1"),
      RefuseUnless(within(params.repetition_penalty, 1e-3f, 1e3f), "repetition_penalty",
                   "greater than 0 (0.001 to 1000)"),
      RefuseUnless(within(params.presence_penalty, -2, 2), "presence_penalty", "between -2 and 2"),
      RefuseUnless(within(params.frequency_penalty, -2, 2), "frequency_penalty",
                   "between -2 and 2"),
      CheckTokens(params, vocab_size),
  };
  for (const Status& check : checks) {
    if (!check) return check;
  }
  return {};
}

Sampler::Sampler(SamplingParams params, uint32_t choice, uint32_t vocab_size)
    : params_(std::move(params)),
      choice_(choice),
      changes_logits_(params_.repetition_penalty != 1 || params_.presence_penalty != 0 ||
                      params_.frequency_penalty != 0 || !params_.logit_bias.empty()) {
  if (params_.repetition_penalty != 1) prompt_seen_.assign(vocab_size, false);
}

void Sampler::ObservePrompt(std::span<const TokenId> prompt) {
  if (prompt_seen_.empty()) return;
  for (const TokenId token : prompt) {
    if (prompt_seen_[static_cast<size_t>(token)]) continue;
    prompt_seen_[static_cast<size_t>(token)] = true;
    prompt_tokens_.push_back(token);
  }
}

void Sampler::ObserveAnswer(std::span<const TokenId> answer) {
  if (!changes_logits_) return;
  for (const TokenId token : answer) CountGenerated(token);
}

void Sampler::CountGenerated(TokenId token) {
  const auto at =
      std::ranges::lower_bound(generated_, token, {}, &std::pair<TokenId, uint32_t>::first);
  if (at != generated_.end() && at->first == token) {
    ++at->second;
  } else {
    generated_.insert(at, {token, 1});
  }
}

// The logits with bias, penalties and bans; the same span if there are none.
std::span<const float> Sampler::Adjusted(std::span<const float> logits, const Ask& ask) {
  const bool bans = ask.ban_end && !params_.banned.empty();
  if (!changes_logits_ && !bans && ask.allowed.empty()) return logits;
  std::vector<float>& work = ThreadScratch().adjusted;
  work.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : params_.logit_bias) work[static_cast<size_t>(token)] += bias;
  const auto repeat = [this](float& logit) {
    logit = logit > 0 ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
  };
  for (const TokenId token : prompt_tokens_) repeat(work[static_cast<size_t>(token)]);
  for (const auto& [token, count] : generated_) {
    const size_t index = static_cast<size_t>(token);
    if (!prompt_seen_.empty() && !prompt_seen_[index]) repeat(work[index]);
    work[index] -= params_.frequency_penalty * static_cast<float>(count);
    work[index] -= params_.presence_penalty;
  }
  if (bans) {
    for (const TokenId token : params_.banned) work[static_cast<size_t>(token)] = kNever;
  }
  if (!ask.allowed.empty()) KeepAllowed(ask.allowed, work);
  return work;
}

SampledToken Sampler::Sample(std::span<const float> logits, const Ask& ask) {
  const std::span<const float> adjusted = Adjusted(logits, ask);
  const DrawKey key{.seed = params_.seed, .choice = choice_, .position = ask.position};
  TokenId token = Choose(adjusted, params_, key);
  if (!ask.allowed.empty() && !IsAllowed(ask.allowed, token)) token = FirstAllowed(ask.allowed);
  if (changes_logits_) CountGenerated(token);
  if (ask.want_logprob || ask.num_top > 0) return LogprobOf(logits, token, ask.num_top);
  SampledToken sampled;
  sampled.token = token;
  return sampled;
}

SampledToken LogprobOf(std::span<const float> logits, TokenId token, uint32_t num_top) {
  const SoftmaxStats stats = SoftmaxOf(logits);
  const float log_sum = Log(stats.sum);
  const auto logprob = [&](float logit) { return logit - stats.max - log_sum; };
  SampledToken result;
  result.token = token;
  result.logprob = logprob(logits[static_cast<size_t>(token)]);
  std::vector<Candidate> top;
  SelectTop(logits, num_top, top);
  for (const Candidate& candidate : top) {
    result.top.push_back({.token = candidate.token, .logprob = logprob(candidate.logit)});
  }
  return result;
}

}  // namespace quire
