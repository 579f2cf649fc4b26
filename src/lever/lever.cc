#include "lever/lever.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace quire {

namespace {

bool IsIn(const std::vector<std::string>& list, std::string_view value) {
  return list.empty() || std::ranges::find(list, value) != list.end();
}

}  // namespace

std::string_view LeverKindName(LeverKind kind) {
  switch (kind) {
    case LeverKind::kChunkTokens:
      return "chunk_tokens";
    case LeverKind::kOffload:
      return "offload";
    case LeverKind::kEviction:
      return "eviction";
    case LeverKind::kAdmissionMargin:
      return "admission_margin";
  }
  return "";
}

std::string_view LeverUnitName(LeverUnit unit) {
  return unit == LeverUnit::kTenant ? "tenant" : "route";
}

std::string LeverChange::Describe() const {
  switch (kind) {
    case LeverKind::kChunkTokens:
      return fmt::format("chunk_tokens = {}", chunk_tokens);
    case LeverKind::kOffload:
      return fmt::format("offload = {}", offload);
    case LeverKind::kEviction:
      return store ? fmt::format("eviction = {{ keep_seconds = {} }}", keep_seconds)
                   : "eviction = { store = false }";
    case LeverKind::kAdmissionMargin:
      return fmt::format("admission_margin = {}", admission_margin);
  }
  return "";
}

std::string Guardrail::Describe() const {
  const std::string name = fmt::format("{} of {}", StatisticName(statistic), InfoOf(metric).name);
  std::string text = InfoOf(metric).lower_is_better
                         ? fmt::format("{} at most {} times the control's", name, trigger.ratio)
                         : fmt::format("{} at least 1/{} of the control's", name, trigger.ratio);
  if (trigger.slack > 0) text += fmt::format(", {} to spare", trigger.slack);
  return text;
}

bool Lever::Concerns(std::string_view tenant, std::string_view route) const {
  if (by == LeverUnit::kRoute && route.empty()) return false;
  return IsIn(tenants, tenant) && IsIn(routes, route);
}

std::string Lever::Digest() const {
  return fmt::format("{}; {} by {}; tenants {}; routes {}", change.Describe(), share,
                     LeverUnitName(by), tenants, routes);
}

}  // namespace quire
