#include "apps/top/view/rates.h"

namespace quire {
namespace {

std::optional<double> Divide(double part, double whole) {
  if (whole <= 0 || part < 0) return std::nullopt;
  return part / whole;
}

std::optional<double> MeanBetween(const Total& before, const Total& now) {
  return Divide(now.sum - before.sum, now.count - before.count);
}

TokenCounts operator-(const TokenCounts& a, const TokenCounts& b) {
  return {.ram = a.ram - b.ram,
          .disk = a.disk - b.disk,
          .remote = a.remote - b.remote,
          .computed = a.computed - b.computed,
          .generated = a.generated - b.generated};
}

Rates Means(const TopServer& before, const TopServer& now) {
  Rates rates;
  rates.found_share = FoundShare(now.tokens - before.tokens);
  rates.step_seconds = MeanBetween(before.step_seconds, now.step_seconds);
  rates.step_tokens = MeanBetween(before.step_tokens, now.step_tokens);
  rates.first_token_seconds = MeanBetween(before.first_token_seconds, now.first_token_seconds);
  rates.inter_token_seconds = MeanBetween(before.inter_token_seconds, now.inter_token_seconds);
  rates.queue_seconds = MeanBetween(before.queue_seconds, now.queue_seconds);
  return rates;
}

}  // namespace

std::optional<double> FoundShare(const TokenCounts& tokens) {
  if (tokens.computed < 0) return std::nullopt;
  return Divide(tokens.found(), tokens.prompt());
}

Rates RatesBetween(const LiveState& before, const LiveState& now) {
  if (!before.server || !now.server) return {};
  const double seconds = now.time_seconds - before.time_seconds;
  if (now.server->step_seconds.count < before.server->step_seconds.count) return {};
  Rates rates = Means(*before.server, *now.server);
  const TokenCounts tokens = now.server->tokens - before.server->tokens;
  rates.prompt_per_second = Divide(tokens.prompt(), seconds);
  rates.generated_per_second = Divide(tokens.generated, seconds);
  rates.read_bytes_per_second =
      Divide(now.server->disk_read_bytes - before.server->disk_read_bytes, seconds);
  rates.write_bytes_per_second =
      Divide(now.server->disk_write_bytes - before.server->disk_write_bytes, seconds);
  return rates;
}

Rates RatesSinceStart(const LiveState& now) {
  if (!now.server) return {};
  return Means(TopServer(), *now.server);
}

}  // namespace quire
