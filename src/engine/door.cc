#include "engine/door.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

constexpr double kMinute = 60;
// As long as none has ended. A request without a wish may have all that is left of its context,
// which says nothing of how much it will take.
constexpr uint32_t kUsualAnswer = 256;
constexpr uint32_t kMostRetrySeconds = 600;        // of a queue: by then it is another one
constexpr uint32_t kMostQuotaSeconds = 24 * 3600;  // of a quota, whose end is known

uint32_t WholeSeconds(double seconds, uint32_t most) {
  return static_cast<uint32_t>(std::clamp(std::ceil(seconds), 1.0, static_cast<double>(most)));
}

std::unexpected<Error> Later(ErrorCode code, std::string message, uint32_t seconds) {
  return std::unexpected(Error{code, std::move(message), {}, seconds});
}

}  // namespace

void Door::Describe(std::span<const Tenant> tenants) {
  std::unordered_map<std::string, Account> described;
  for (const Tenant& tenant : tenants) {
    Account& account = described[tenant.name];
    if (const auto known = accounts_.find(tenant.name); known != accounts_.end()) {
      account.bucket = known->second.bucket;
    }
    account.tenant = tenant;
  }
  accounts_ = std::move(described);
}

void Door::Fill(Account& account, double now) {
  Bucket& bucket = account.bucket;
  const double most = static_cast<double>(account.tenant.tokens_per_minute);
  if (bucket.filled_at < 0) bucket.level = most;
  const double seconds = bucket.filled_at < 0 ? 0 : std::max(now - bucket.filled_at, 0.0);
  bucket.level = std::min(bucket.level + most * seconds / kMinute, most);
  bucket.filled_at = now;
}

void Door::NoteComputed(const std::string& tenant, uint64_t tokens, double now) {
  const auto found = accounts_.find(tenant);
  if (found == accounts_.end()) return;
  Account& account = found->second;
  if (account.tenant.tokens_per_minute == Tenant::kUnlimited) return;
  Fill(account, now);
  account.bucket.level -= static_cast<double>(tokens);
}

void Door::CutToTenant(GenerationRequest& request) const {
  const auto found = accounts_.find(request.tenant);
  if (found == accounts_.end() || !request.cut_max_tokens || request.max_tokens == 0) return;
  const Tenant& tenant = found->second.tenant;
  const uint64_t prompt = request.prompt.size();
  const uint64_t held = tenant.kv_limit_bytes / limits_.block_bytes * limits_.block_tokens;
  // The last token is never read, so it needs no KV.
  const uint64_t all = std::min<uint64_t>(tenant.max_context, held + 1);
  const uint64_t room = all > prompt ? all - prompt : 1;  // one too many is refused by Enter
  request.max_tokens = static_cast<uint32_t>(std::min<uint64_t>(request.max_tokens, room));
}

Status Door::CheckTenant(const GenerationRequest& request, double now) {
  const auto found = accounts_.find(request.tenant);
  if (found == accounts_.end()) return {};
  Account& account = found->second;
  const Tenant& tenant = account.tenant;
  const uint64_t tokens = request.prompt.size() + uint64_t{request.max_tokens};
  if (tokens > tenant.max_context) {
    return Refuse(
        ErrorCode::kContextLength,
        fmt::format("the prompt has {} tokens and {} are to be generated: {} in all, but "
                    "this key may use {} in one request; shorten one of them",
                    request.prompt.size(), request.max_tokens, tokens, tenant.max_context),
        "prompt");
  }
  const uint64_t held = request.prompt.size() + std::max(request.max_tokens, 1u) - 1;
  const uint64_t blocks = (held + limits_.block_tokens - 1) / limits_.block_tokens;
  if (blocks * limits_.block_bytes > tenant.kv_limit_bytes) {
    return Refuse(ErrorCode::kNeverFits,
                  fmt::format("{} tokens need {} blocks of {} bytes of KV memory, {} in all, but "
                              "this key may hold {}; shorten the prompt or max_tokens",
                              held, blocks, limits_.block_bytes, blocks * limits_.block_bytes,
                              tenant.kv_limit_bytes),
                  "prompt");
  }
  if (tenant.tokens_per_minute == Tenant::kUnlimited) return {};
  Fill(account, now);
  if (account.bucket.level > 0) return {};
  const double rate = static_cast<double>(tenant.tokens_per_minute) / kMinute;
  const uint32_t seconds = rate > 0
                               ? WholeSeconds((1 - account.bucket.level) / rate, kMostQuotaSeconds)
                               : kMostQuotaSeconds;
  return Later(ErrorCode::kQuotaExceeded,
               fmt::format("the {} tokens that may be computed in a minute with this key are used "
                           "up; retry in {} s (cached tokens do not count)",
                           tenant.tokens_per_minute, seconds),
               seconds);
}

// Where there are several tenants, each may take as much of the room as it leaves free: a flood
// finds it full before the others do.
Status Door::CheckQueue(const GenerationRequest& request, const Arriving& arriving) const {
  const uint64_t present = uint64_t{load_.running} + load_.waiting + arriving.choices;
  const uint64_t room = uint64_t{limits_.queue_limit} + limits_.max_running;
  const uint32_t seconds = RetryAfterSeconds(arriving, request.max_tokens);
  if (load_.unstarted + arriving.choices > 0 && present + request.choices > room) {
    return Later(ErrorCode::kOverloaded,
                 fmt::format("{} answers are waiting or being computed, {} at most; retry in "
                             "about {} s",
                             present, room, seconds),
                 seconds);
  }
  const auto found = present_.find(request.tenant);
  const uint64_t own = found == present_.end() ? 0 : std::min(found->second, present);
  if (accounts_.size() > 1 && own > 0 && 2 * own + request.choices > room - (present - own)) {
    return Later(ErrorCode::kOverloaded,
                 fmt::format("{} answers of this key are waiting or being computed, which is as "
                             "much as it may take of a queue that is shared; retry in about {} s",
                             own, seconds),
                 seconds);
  }
  return {};
}

void Door::NoteEnded(const std::string& tenant, uint32_t choices) {
  const auto found = present_.find(tenant);
  QUIRE_CHECK(found != present_.end() && found->second >= choices, "more ended than came in");
  found->second -= choices;
  if (found->second == 0) present_.erase(found);
}

Status Door::Check(const GenerationRequest& request, const Arriving& arriving, double now) {
  if (const Status status = CheckTenant(request, now); !status) return status;
  return CheckQueue(request, arriving);
}

Result<Forecast> Door::Enter(const GenerationRequest& request, const Arriving& arriving,
                             double now) {
  if (const Status status = Check(request, arriving, now); !status) {
    return std::unexpected(status.error());
  }
  present_[request.tenant] += request.choices;
  return ForecastOf(request, arriving);
}

// Short work passes long work (sched/waiting_queue.h): of what waits ahead in tokens no more counts
// than as many times its own length as there are others. Nobody passes those that run, if one of
// them has to end.
Forecast Door::ForecastOf(const GenerationRequest& request, const Arriving& arriving) const {
  const uint32_t ahead = load_.unstarted + arriving.choices;
  const double own = static_cast<double>(request.prompt.size());
  const auto running = static_cast<double>(load_.running_tokens);
  const auto waiting = static_cast<double>(load_.waiting_tokens + arriving.tokens);
  const auto queued = static_cast<double>(load_.waiting + arriving.choices);

  const uint64_t places = uint64_t{load_.running} + load_.waiting + arriving.choices;
  const uint64_t beyond = places + 1 > limits_.max_running ? places + 1 - limits_.max_running : 0;
  const double needed = own + request.handling.admission_margin * request.max_tokens;
  const bool no_memory = load_.running > 0 && needed > static_cast<double>(load_.free_tokens);
  const uint64_t ends = std::max<uint64_t>(beyond, no_memory ? ahead + 1 : 0);

  const double passing = ends > 0 ? running + std::min(waiting, own * queued)
                                  : std::min(running + waiting, own * (queued + load_.running));
  std::optional<double> wait =
      SecondsUntil(passing, static_cast<double>(ends), request.max_tokens,
                   no_memory ? load_.seconds_per_token : load_.seconds_per_token_full);
  const std::optional<double> own_turn = OwnTurn(request);
  wait = wait && own_turn ? std::optional(std::max(*wait, *own_turn)) : std::nullopt;
  return {ahead, wait, KvBytesOf(request)};
}

// Until so many tokens of prompts are read, and so many answers have ended. A prompt is read no
// slower than its tokens would be generated.
std::optional<double> Door::SecondsUntil(double tokens, double ends, uint32_t max_tokens,
                                         double seconds_per_token) const {
  if (tokens == 0 && ends == 0) return 0;
  if (seconds_per_token == 0) return std::nullopt;
  const double reading =
      load_.tokens_per_second > 0 ? tokens / load_.tokens_per_second : tokens * seconds_per_token;
  const double answer =
      load_.tokens_per_choice > 0 ? load_.tokens_per_choice : std::min(max_tokens, kUsualAnswer);
  return reading + ends * answer * seconds_per_token;
}

// Who may run few at once waits for its own to end, which are as rare among all ends as they are
// among those that run.
std::optional<double> Door::OwnTurn(const GenerationRequest& request) const {
  const auto found = accounts_.find(request.tenant);
  const auto present = present_.find(request.tenant);
  if (found == accounts_.end() || present == present_.end()) return 0;
  const uint64_t most = found->second.tenant.max_concurrent;
  const uint64_t before = present->second - request.choices;  // it is counted already
  if (most == 0 || before < most) return 0;
  const double share =
      std::max(1.0, static_cast<double>(load_.running) / static_cast<double>(most));
  return SecondsUntil(0, static_cast<double>(before + 1 - most) * share, request.max_tokens,
                      load_.seconds_per_token);
}

// Choices share the full blocks of the prompt. The last token of each is never read.
uint64_t Door::KvBytesOf(const GenerationRequest& request) const {
  const uint64_t held = request.prompt.size() + std::max(request.max_tokens, 1u) - 1;
  const uint64_t blocks = (held + limits_.block_tokens - 1) / limits_.block_tokens;
  const uint64_t shared = request.prompt.size() / limits_.block_tokens;
  const uint64_t others = request.max_tokens == 0 ? 0 : request.choices - 1;
  return (blocks + others * (blocks - std::min(blocks, shared))) * limits_.block_bytes;
}

uint32_t Door::RetryAfterSeconds(const Arriving& arriving, uint32_t max_tokens) const {
  // Half of the queue: one place is soon taken by somebody else.
  const uint32_t ends = (load_.unstarted + arriving.choices) / 2 + 1;
  const auto tokens =
      static_cast<double>(load_.waiting_tokens + load_.running_tokens + arriving.tokens);
  const std::optional<double> seconds =
      SecondsUntil(tokens / 2, ends, max_tokens, load_.seconds_per_token_full);
  return seconds ? WholeSeconds(*seconds, kMostRetrySeconds) : kUnmeasuredRetrySeconds;
}

}  // namespace quire
