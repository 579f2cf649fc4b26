#include "lever/lever_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "ledger/arms.h"

namespace quire {

namespace {

constexpr size_t kMostTextBytes = 500;
constexpr size_t kMostLabelBytes = 64;  // as long as a label may be
constexpr size_t kMostLabels = 1000;
constexpr uint32_t kMostChunk = 1 << 20;
constexpr uint32_t kMostKeepSeconds = 7 * 24 * 3600;
constexpr double kMostMargin = 100;
constexpr double kMostRatio = 1e6;
constexpr double kMostSlack = 1e15;
constexpr uint32_t kMostAtLeast = 10'000;  // of each arm: what is read holds both
constexpr uint32_t kMostWindowSeconds = 30 * 24 * 3600;

struct Bounds {
  double least;
  double most;
};

Result<std::string> ReadText(const TomlPlace& place, std::string_view field, const toml::node& node,
                             size_t most_bytes) {
  const auto text = node.value_exact<std::string>();
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (!text || text->empty() || text->size() > most_bytes || std::ranges::any_of(*text, control)) {
    return place.Refuse(node.source(), fmt::format("{} must be one line of text of 1 to {} bytes",
                                                   field, most_bytes));
  }
  return *text;
}

Result<double> ReadNumber(const TomlPlace& place, std::string_view field, const toml::node& node,
                          const Bounds& bounds) {
  const auto number = node.is_number() ? node.value<double>() : std::nullopt;
  if (number && std::isfinite(*number) && *number >= bounds.least && *number <= bounds.most) {
    return *number;
  }
  return place.Refuse(node.source(), fmt::format("{} must be a number from {} to {}", field,
                                                 bounds.least, bounds.most));
}

Result<uint32_t> ReadWhole(const TomlPlace& place, std::string_view field, const toml::node& node,
                           uint32_t most) {
  const auto whole = node.value_exact<int64_t>();
  if (whole && *whole >= 1 && *whole <= int64_t{most}) return static_cast<uint32_t>(*whole);
  return place.Refuse(node.source(),
                      fmt::format("{} must be a whole number from 1 to {}", field, most));
}

Result<std::vector<std::string>> ReadLabels(const TomlPlace& place, std::string_view field,
                                            const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->empty() || list->size() > kMostLabels) {
    return place.Refuse(node.source(),
                        fmt::format("{} must be a list of 1 to {} texts; leave it out for all",
                                    field, kMostLabels));
  }
  std::vector<std::string> labels;
  for (const toml::node& one : *list) {
    QUIRE_TRY(std::string label, ReadText(place, field, one, kMostLabelBytes));
    labels.push_back(std::move(label));
  }
  return labels;
}

// What keeps one from being a lever, for those that change answers.
std::optional<std::string_view> WhyNoLever(std::string_view change) {
  if (change == "kv_format") {
    return "kv_format changes answers, and the memory of a server has one format; run a second "
           "server with --kv-format on a share of the traffic and compare the two ledgers "
           "(`quire ledger cost --data DIR`)";
  }
  if (change == "window" || change == "window_tokens" || change == "attention_window") {
    return "a window changes answers, so it is nothing to be tried unseen; ask for one where it is "
           "wanted, with a stream session, or compare two routes in the ledger";
  }
  if (change == "speculation") return "speculation is not there to be changed in this version";
  return std::nullopt;
}

Status ReadEviction(const TomlPlace& place, const toml::node& node, LeverChange& change) {
  constexpr std::string_view kForms =
      "eviction of some requests is { keep_seconds = N } or { store = false }";
  if (node.is_string()) {
    return place.Refuse(node.source(),
                        fmt::format("one memory has one eviction policy, which learns from all "
                                    "traffic; {}; to compare policies run a second server with "
                                    "--eviction",
                                    kForms));
  }
  const toml::table* table = node.as_table();
  if (table == nullptr || table->size() != 1) return place.Refuse(node.source(), kForms);
  const auto first = table->begin();
  const toml::node& value = first->second;
  if (first->first.str() == "keep_seconds") {
    QUIRE_TRY(change.keep_seconds,
              ReadWhole(place, "eviction.keep_seconds", value, kMostKeepSeconds));
    return {};
  }
  if (first->first.str() != "store" || value.value_exact<bool>() != false) {
    return place.Refuse(value.source(), kForms);
  }
  change.store = false;
  return {};
}

Status ReadChange(const TomlPlace& place, const toml::node& node, LeverChange& change) {
  constexpr std::string_view kForms =
      "change has exactly one of chunk_tokens, offload, eviction and admission_margin";
  const toml::table* table = node.as_table();
  if (table == nullptr || table->size() != 1) return place.Refuse(node.source(), kForms);
  const auto first = table->begin();
  const std::string_view name = first->first.str();
  const toml::node& value = first->second;
  if (const auto why = WhyNoLever(name)) return place.Refuse(value.source(), *why);
  if (name == "chunk_tokens") {
    change.kind = LeverKind::kChunkTokens;
    QUIRE_TRY(change.chunk_tokens, ReadWhole(place, name, value, kMostChunk));
  } else if (name == "offload") {
    change.kind = LeverKind::kOffload;
    const auto offload = value.value_exact<bool>();
    if (!offload) return place.Refuse(value.source(), "offload must be true or false");
    change.offload = *offload;
  } else if (name == "eviction") {
    change.kind = LeverKind::kEviction;
    return ReadEviction(place, value, change);
  } else if (name == "admission_margin") {
    change.kind = LeverKind::kAdmissionMargin;
    QUIRE_TRY(change.admission_margin, ReadNumber(place, name, value, {0, kMostMargin}));
  } else {
    return place.Refuse(value.source(), fmt::format("there is no change '{}'; {}", name, kForms));
  }
  return {};
}

Status ReadGuardrail(const TomlPlace& place, const toml::node& node, Guardrail& guardrail) {
  const toml::table* table = node.as_table();
  if (table == nullptr || !table->contains("metric")) {
    return place.Refuse(node.source(), "guardrail is written as { metric = \"first_token_ms\" }");
  }
  for (const auto& [key, value] : *table) {
    const auto text = value.value_exact<std::string>();
    if (key.str() == "metric") {
      const auto metric = text ? FindLeverMetric(*text) : std::nullopt;
      if (!metric) {
        std::string names;
        for (const LeverMetricInfo& info : kLeverMetricInfos) {
          names.append(names.empty() ? "" : ", ").append(info.name);
        }
        return place.Refuse(value.source(), "guardrail.metric must be one of " + names);
      }
      guardrail.metric = *metric;
    } else if (key.str() == "statistic") {
      if (text != "mean" && text != "p95") {
        return place.Refuse(value.source(), "guardrail.statistic must be \"mean\" or \"p95\"");
      }
      guardrail.statistic = text == "mean" ? LeverStatistic::kMean : LeverStatistic::kP95;
    } else {
      return place.Refuse(value.source(), fmt::format("guardrail has no field '{}'", key.str()));
    }
  }
  const LeverMetricInfo& info = InfoOf(guardrail.metric);
  if (info.only_mean && guardrail.statistic != LeverStatistic::kMean) {
    return place.Refuse(node.source(),
                        fmt::format("of {} only the mean says something", info.name));
  }
  return {};
}

Status ReadRollback(const TomlPlace& place, const toml::node& node, RollbackTrigger& trigger) {
  const toml::table* table = node.as_table();
  if (table == nullptr || !table->contains("ratio")) {
    return place.Refuse(node.source(),
                        "rollback is written as { ratio = 1.2 }: how many times "
                        "worse than the control the treatment may be");
  }
  for (const auto& [key, value] : *table) {
    if (key.str() == "ratio") {
      QUIRE_TRY(trigger.ratio, ReadNumber(place, "rollback.ratio", value, {1, kMostRatio}));
    } else if (key.str() == "slack") {
      QUIRE_TRY(trigger.slack, ReadNumber(place, "rollback.slack", value, {0, kMostSlack}));
    } else if (key.str() == "at_least") {
      QUIRE_TRY(trigger.at_least, ReadWhole(place, "rollback.at_least", value, kMostAtLeast));
    } else if (key.str() == "window_seconds") {
      QUIRE_TRY(trigger.window_seconds,
                ReadWhole(place, "rollback.window_seconds", value, kMostWindowSeconds));
    } else {
      return place.Refuse(value.source(), fmt::format("rollback has no field '{}'", key.str()));
    }
  }
  return {};
}

Status ReadUnit(const TomlPlace& place, const toml::node& node, LeverUnit& unit) {
  const auto text = node.value_exact<std::string>();
  if (text != "tenant" && text != "route") {
    return place.Refuse(node.source(), "by must be \"tenant\" or \"route\"");
  }
  unit = text == "tenant" ? LeverUnit::kTenant : LeverUnit::kRoute;
  return {};
}

}  // namespace

Result<std::string> ReadLeverName(const TomlPlace& place, const toml::table& table) {
  const toml::node* node = table.get("name");
  if (node == nullptr) return place.Refuse(table.source(), "a lever without name");
  const auto name = node->value_exact<std::string>();
  if (!name || !IsLeverName(*name)) {
    return place.Refuse(node->source(),
                        "a lever's name has 1 to 48 of a-z, 0-9, '.', '_' and '-', "
                        "and begins with a letter, digit or '_'");
  }
  return *name;
}

Status ReadLeverField(const TomlPlace& place, std::string_view field, const toml::node& node,
                      Lever& lever) {
  if (field == "owner" || field == "relieves" || field == "creates") {
    std::string& text = field == "owner"      ? lever.owner
                        : field == "relieves" ? lever.relieves
                                              : lever.creates;
    QUIRE_TRY(text, ReadText(place, field, node, kMostTextBytes));
  } else if (field == "change") {
    return ReadChange(place, node, lever.change);
  } else if (field == "share") {
    QUIRE_TRY(lever.share, ReadNumber(place, field, node, {0, 1}));
  } else if (field == "by") {
    return ReadUnit(place, node, lever.by);
  } else if (field == "tenants") {
    QUIRE_TRY(lever.tenants, ReadLabels(place, field, node));
  } else if (field == "routes") {
    QUIRE_TRY(lever.routes, ReadLabels(place, field, node));
  } else if (field == "guardrail") {
    return ReadGuardrail(place, node, lever.guardrail);
  } else if (field == "rollback") {
    return ReadRollback(place, node, lever.guardrail.trigger);
  } else {
    return place.Refuse(node.source(), fmt::format("there is no field '{}'", field));
  }
  return {};
}

}  // namespace quire
