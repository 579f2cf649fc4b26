#include "apps/top/view/live_state.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/top/view/shown_text.h"

namespace quire {
namespace {

using nlohmann::json;

// A map of more pieces than any server draws is somebody else's joke.
constexpr size_t kMostPieces = size_t{1} << 16;

const json& Field(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

double Real(const json& object, const char* key) {
  const json& value = Field(object, key);
  const double number = value.is_number() ? value.get<double>() : 0;
  return std::isfinite(number) ? number : 0;
}

uint64_t Whole(const json& object, const char* key) {
  constexpr double kMost = 9e15;  // whole numbers below are exact
  return static_cast<uint64_t>(std::clamp(Real(object, key), 0.0, kMost));
}

std::string Text(const json& object, const char* key) {
  const json& value = Field(object, key);
  return value.is_string() ? Printable(value.get<std::string>()) : "";
}

TokenCounts TokensOf(const json& object) {
  const json& tokens = Field(object, "tokens");
  return {.ram = Real(tokens, "ram"),
          .disk = Real(tokens, "disk"),
          .remote = Real(tokens, "remote"),
          .computed = Real(tokens, "computed"),
          .generated = Real(tokens, "generated")};
}

Total TotalOf(const json& object, const char* key) {
  const json& total = Field(object, key);
  return {.count = Real(total, "count"), .sum = Real(total, "sum")};
}

TopTenant TenantOf(const json& one) {
  TopTenant tenant;
  tenant.name = Text(one, "tenant");
  const json& tiers = Field(one, "tiers");
  const json& ram = Field(tiers, "ram");
  tenant.live_bytes = Whole(ram, "live_bytes");
  tenant.idle_bytes = Whole(ram, "idle_bytes");
  tenant.pinned_bytes = Whole(ram, "pinned_bytes");
  tenant.disk_bytes = Whole(Field(tiers, "disk"), "bytes");
  tenant.guaranteed_bytes = Whole(one, "guaranteed_bytes");
  if (Field(one, "limit_bytes").is_number()) tenant.limit_bytes = Whole(one, "limit_bytes");
  tenant.tokens = TokensOf(one);
  return tenant;
}

TopRequest RequestOf(const json& one) {
  TopRequest request;
  request.id = Whole(one, "id");
  request.tenant = Text(one, "tenant");
  request.route = Text(one, "route");
  request.phase = Text(one, "phase");
  request.age_seconds = Real(one, "age_seconds");
  request.prompt_tokens = Whole(one, "prompt_tokens");
  request.cached_tokens = Whole(one, "cached_tokens");
  request.computed_tokens = Whole(one, "computed_tokens");
  request.generated_tokens = Whole(one, "generated_tokens");
  request.max_tokens = Whole(one, "max_tokens");
  request.blocks = Whole(one, "blocks");
  request.preemptions = Whole(one, "preemptions");
  return request;
}

// Runs of (how many, what): 0 is free, else 1 + 3 * tenant + 0 live, 1 idle, 2 pinned.
std::vector<char> MapOf(const json& runs) {
  constexpr std::string_view kLetters = "LIP";
  std::vector<char> map;
  if (!runs.is_array()) return map;
  for (size_t i = 0; i + 1 < runs.size(); i += 2) {
    if (!runs[i].is_number_unsigned() || !runs[i + 1].is_number_unsigned()) return {};
    const auto pieces = runs[i].get<uint64_t>();
    const auto code = runs[i + 1].get<uint64_t>();
    if (pieces > kMostPieces - map.size()) return {};
    map.insert(map.end(), pieces, code == 0 ? 'F' : kLetters[(code - 1) % kLetters.size()]);
  }
  return map;
}

TopServer ServerOf(const json& one) {
  TopServer server;
  server.blocks = Whole(one, "blocks");
  server.free_blocks = Whole(one, "free_blocks");
  server.live_blocks = Whole(one, "live_blocks");
  server.idle_blocks = Whole(one, "idle_blocks");
  server.pinned_blocks = Whole(one, "pinned_blocks");
  server.running = Whole(one, "running");
  server.waiting = Whole(one, "waiting");
  server.preemptions = Real(one, "preemptions");
  server.evicted_blocks = Real(one, "evicted_blocks");
  server.rejections = Real(one, "rejections");
  server.map_blocks = std::max<uint64_t>(1, Whole(one, "map_blocks"));
  server.map = MapOf(Field(one, "map"));
  server.tokens = TokensOf(one);
  server.step_seconds = TotalOf(one, "step_seconds");
  server.step_tokens = TotalOf(one, "step_tokens");
  server.first_token_seconds = TotalOf(one, "time_to_first_token_seconds");
  server.inter_token_seconds = TotalOf(one, "inter_token_seconds");
  server.queue_seconds = TotalOf(one, "request_queue_seconds");
  const json& disk = Field(one, "disk");
  server.disk_bytes = Whole(disk, "bytes");
  server.disk_limit_bytes = Whole(disk, "limit_bytes");
  server.disk_read_bytes = Real(disk, "read_bytes");
  server.disk_write_bytes = Real(disk, "write_bytes");
  return server;
}

}  // namespace

Result<LiveState> ParseLive(const std::string& text) {
  constexpr double kMsPerSecond = 1000;
  const json live = json::parse(text, nullptr, false);
  if (!Field(live, "requests").is_array() || !Field(live, "tenants").is_array()) {
    return Refuse(ErrorCode::kIo,
                  "what answers there is no Quire server: /v1/live has no requests");
  }
  LiveState state;
  state.time_seconds = Real(live, "time_ms") / kMsPerSecond;
  state.tenant = Text(live, "tenant");
  state.admin = Field(live, "admin") == true;
  state.block_tokens = Whole(live, "block_tokens");
  state.block_bytes = Whole(live, "block_bytes");
  for (const json& one : live["tenants"]) state.tenants.push_back(TenantOf(one));
  for (const json& one : live["requests"]) state.requests.push_back(RequestOf(one));
  state.requests_left_out = Whole(live, "requests_left_out");
  if (Field(live, "server").is_object()) state.server = ServerOf(live["server"]);
  return state;
}

ServerFacts ParseFacts(const std::string& models, const std::string& version) {
  ServerFacts facts;
  const json list = json::parse(models, nullptr, false);
  const json& data = Field(list, "data");
  if (data.is_array() && !data.empty()) {
    facts.model = Text(data[0], "id");
    facts.ready_since = Real(data[0], "created");
  }
  const json build = json::parse(version, nullptr, false);
  facts.version = Text(build, "version");
  facts.instruction_set = Text(build, "instruction_set");
  return facts;
}

std::map<std::string, uint64_t> ParseVerdicts(const std::string& text) {
  std::map<std::string, uint64_t> verdicts;
  const json summary = json::parse(text, nullptr, false);
  const json& groups = Field(summary, "groups");
  if (!groups.is_array()) return verdicts;
  for (const json& group : groups) verdicts[Text(group, "key")] += Whole(group, "requests");
  return verdicts;
}

}  // namespace quire
