#include "apps/top/view/request_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <variant>

#include "apps/top/view/amounts.h"
#include "apps/top/view/rates.h"

namespace quire {
namespace {

using SortKey = std::variant<double, std::string>;

bool Waits(const TopRequest& request) {
  return request.phase == "queued" || request.phase == "disk";
}

uint64_t ComputedOf(const TopRequest& request) {
  return request.computed_tokens - std::min(request.computed_tokens, request.cached_tokens);
}

double WaitOf(const TopRequest& request) { return Waits(request) ? request.age_seconds : 0; }

struct RequestColumn {
  Column column;
  SortKey (*key)(const TopRequest&);
  std::string (*cell)(const TopRequest&);
};

const std::vector<RequestColumn>& Definitions() {
  using R = const TopRequest&;
  static const std::vector<RequestColumn> kColumns = {
      {{"ID", Align::kRight},  // numbers tell no order: the oldest first
       [](R r) -> SortKey { return -r.age_seconds; },
       [](R r) { return std::to_string(r.id); }},
      {{"TENANT", Align::kLeft, 6},
       [](R r) -> SortKey { return r.tenant; },
       [](R r) { return r.tenant; }},
      {{"ROUTE", Align::kLeft, 5},
       [](R r) -> SortKey { return r.route; },
       [](R r) { return r.route.empty() ? "-" : r.route; }},
      {{"PHASE"}, [](R r) -> SortKey { return r.phase; }, [](R r) { return r.phase; }},
      {{"PROMPT", Align::kRight},
       [](R r) -> SortKey { return static_cast<double>(r.prompt_tokens); },
       [](R r) { return std::to_string(r.prompt_tokens); }},
      {{"FOUND", Align::kRight},
       [](R r) -> SortKey { return static_cast<double>(r.cached_tokens); },
       [](R r) { return std::to_string(r.cached_tokens); }},
      {{"COMPUTED", Align::kRight},
       [](R r) -> SortKey { return static_cast<double>(ComputedOf(r)); },
       [](R r) { return std::to_string(ComputedOf(r)); }},
      {{"GENERATED", Align::kRight},
       [](R r) -> SortKey { return static_cast<double>(r.generated_tokens); },
       [](R r) { return fmt::format("{}/{}", r.generated_tokens, r.max_tokens); }},
      {{"WAIT", Align::kRight},
       [](R r) -> SortKey { return WaitOf(r); },
       [](R r) { return Waits(r) ? SecondsText(r.age_seconds) : std::string("-"); }},
      {{"AGE", Align::kRight},
       [](R r) -> SortKey { return r.age_seconds; },
       [](R r) { return SecondsText(r.age_seconds); }},
      {{"BLOCKS", Align::kRight},
       [](R r) -> SortKey { return static_cast<double>(r.blocks); },
       [](R r) { return std::to_string(r.blocks); }},
  };
  return kColumns;
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

const std::vector<Column>& RequestColumns() {
  static const std::vector<Column> kColumns = [] {
    std::vector<Column> columns;
    for (const RequestColumn& one : Definitions()) columns.push_back(one.column);
    return columns;
  }();
  return kColumns;
}

std::vector<std::string> RequestCells(const TopRequest& request) {
  std::vector<std::string> cells;
  for (const RequestColumn& one : Definitions()) cells.push_back(one.cell(request));
  return cells;
}

std::vector<TopRequest> ShownRequests(const std::vector<TopRequest>& requests,
                                      const ViewState& view) {
  const std::string wanted = Lower(view.filter);
  const auto passes = [&](const TopRequest& request) {
    return Lower(request.tenant + "\n" + request.route + "\n" + std::to_string(request.id))
        .contains(wanted);
  };
  std::vector<TopRequest> shown;
  std::ranges::copy_if(requests, std::back_inserter(shown), passes);
  const auto key = Definitions()[view.sort_column % Definitions().size()].key;
  std::ranges::sort(shown, [&](const TopRequest& a, const TopRequest& b) {
    const SortKey left = key(a);
    const SortKey right = key(b);
    if (left != right) return view.reversed ? right < left : left < right;
    return view.reversed ? b.id < a.id : a.id < b.id;
  });
  return shown;
}

const std::vector<Column>& TenantColumns() {
  static const std::vector<Column> kColumns = {
      {"TENANT", Align::kLeft, 6}, {"REQUESTS", Align::kRight},   {"LIVE", Align::kRight},
      {"IDLE", Align::kRight},     {"PINNED", Align::kRight},     {"DISK", Align::kRight},
      {"LIMIT", Align::kRight},    {"GUARANTEED", Align::kRight}, {"FOUND", Align::kRight},
      {"PROMPT", Align::kRight},   {"GENERATED", Align::kRight}};
  return kColumns;
}

std::vector<std::string> TenantCells(const TopTenant& tenant, const std::vector<TopRequest>& all) {
  const auto requests = std::ranges::count(all, tenant.name, &TopRequest::tenant);
  return {tenant.name,
          std::to_string(requests),
          BytesText(tenant.live_bytes),
          BytesText(tenant.idle_bytes),
          BytesText(tenant.pinned_bytes),
          BytesText(tenant.disk_bytes),
          tenant.limit_bytes ? BytesText(*tenant.limit_bytes) : "-",
          tenant.guaranteed_bytes > 0 ? BytesText(tenant.guaranteed_bytes) : "-",
          ShareText(FoundShare(tenant.tokens)),
          CountText(tenant.tokens.prompt()),
          CountText(tenant.tokens.generated)};
}

}  // namespace quire
