#include "plan/capacity/machine_profile.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace quire {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr size_t kMostBytes = size_t{4} << 20;
constexpr size_t kMostPoints = 64;
constexpr size_t kMostModels = 256;  // of more, the longest unmeasured go

std::unexpected<Error> NotAsExpected(const std::string& what) {
  return Refuse(ErrorCode::kCorrupt, "the profile of this machine is not as expected: " + what);
}

// A number that can be a time or a rate.
bool IsAmount(const json& value) {
  return value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() >= 0;
}

double Amount(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && IsAmount(*found) ? found->get<double>() : -1;
}

bool ReadPoints(const json& object, const char* name, std::vector<StepPoint>& points) {
  const auto list = object.find(name);
  if (list == object.end() || !list->is_array() || list->empty() || list->size() > kMostPoints) {
    return false;
  }
  for (const json& one : *list) {
    if (!one.is_array() || one.size() != 3 || !one[0].is_number_unsigned() || !IsAmount(one[1]) ||
        !IsAmount(one[2])) {
      return false;
    }
    const uint64_t rows = one[0].get<uint64_t>();
    const uint32_t before = points.empty() ? 0 : points.back().rows;
    if (rows <= before || rows > 65536) return false;
    points.push_back({static_cast<uint32_t>(rows), one[1].get<double>(), one[2].get<double>()});
  }
  return true;
}

bool ReadAttention(const json& object, std::map<KvFormat, AttentionTimes>& attention) {
  const auto formats = object.find("attention");
  if (formats == object.end() || !formats->is_object()) return false;
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kK16V8, KvFormat::kQ8}) {
    const auto times = formats->find(std::string(KvFormatName(format)));
    if (times == formats->end()) continue;
    if (!times->is_array() || times->size() != 2 || !IsAmount((*times)[0]) ||
        !IsAmount((*times)[1])) {
      return false;
    }
    attention[format] = {(*times)[0].get<double>(), (*times)[1].get<double>()};
  }
  return !attention.empty();
}

std::string Text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<ModelTimes> ReadTimes(const json& object) {
  if (!object.is_object()) return std::nullopt;
  ModelTimes times;
  times.name = Text(object, "name");
  times.measured = Text(object, "measured");
  const double layers = Amount(object, "stand_in_layers");
  times.stand_in_layers = static_cast<uint32_t>(std::clamp(layers, 0.0, 1e6));
  if (!ReadPoints(object, "decode", times.decode) || !ReadPoints(object, "chunk", times.chunk) ||
      !ReadAttention(object, times.attention)) {
    return std::nullopt;
  }
  return times;
}

json Points(const std::vector<StepPoint>& points) {
  json list = json::array();
  for (const StepPoint& point : points) list.push_back({point.rows, point.layers, point.output});
  return list;
}

}  // namespace

Result<MachineProfile> MachineProfile::Parse(std::string_view text) {
  if (text.size() > kMostBytes) return NotAsExpected("it is too large");
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return NotAsExpected("it is no JSON object");
  if (object.value("format", json()) != json(kFormat)) return NotAsExpected("another format");
  const auto machine = object.find("machine");
  const auto peaks = object.find("peaks");
  const auto models = object.find("models");
  for (const auto& part : {machine, peaks, models}) {
    if (part == object.end() || !part->is_object()) return NotAsExpected("a part is missing");
  }
  MachineProfile profile;
  const double threads = Amount(*machine, "threads");
  if (threads < 1 || threads > 4096) return NotAsExpected("the number of threads");
  profile.machine = {.cpu = Text(*machine, "cpu"),
                     .isa = Text(*machine, "isa"),
                     .threads = static_cast<uint32_t>(threads),
                     .build = Text(*machine, "build")};
  profile.measured = Text(object, "measured");
  profile.peaks = {.dot_ops = Amount(*peaks, "dot_ops"),
                   .fma_ops = Amount(*peaks, "fma_ops"),
                   .read_bytes = Amount(*peaks, "read_bytes"),
                   .disk_read_bytes = Amount(*peaks, "disk_read_bytes")};
  const auto& all = {profile.peaks.dot_ops, profile.peaks.fma_ops, profile.peaks.read_bytes,
                     profile.peaks.disk_read_bytes};
  if (std::ranges::min(all) < 0) return NotAsExpected("a peak");
  for (const auto& [key, value] : models->items()) {
    auto times = ReadTimes(value);
    if (!times) return NotAsExpected("the times of a model");
    profile.models[key] = *std::move(times);
  }
  return profile;
}

std::string MachineProfile::Json() const {
  json all = json::object();
  for (const auto& [key, times] : models) {
    json attention = json::object();
    for (const auto& [format, one] : times.attention) {
      attention[std::string(KvFormatName(format))] = {one.decode, one.chunk};
    }
    all[key] = {{"name", times.name},
                {"measured", times.measured},
                {"stand_in_layers", times.stand_in_layers},
                {"decode", Points(times.decode)},
                {"chunk", Points(times.chunk)},
                {"attention", std::move(attention)}};
  }
  const json object{{"format", kFormat},
                    {"machine",
                     {{"cpu", machine.cpu},
                      {"isa", machine.isa},
                      {"threads", machine.threads},
                      {"build", machine.build}}},
                    {"measured", measured},
                    {"peaks",
                     {{"dot_ops", peaks.dot_ops},
                      {"fma_ops", peaks.fma_ops},
                      {"read_bytes", peaks.read_bytes},
                      {"disk_read_bytes", peaks.disk_read_bytes}}},
                    {"models", std::move(all)}};
  return object.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<MachineProfile> MachineProfile::Load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Refuse(ErrorCode::kNotFound, "there is no " + path);
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return Parse(text);
}

Status MachineProfile::Save(const std::string& path) const {
  MachineProfile kept = *this;
  while (kept.models.size() > kMostModels) {
    kept.models.erase(std::ranges::min_element(kept.models, {}, [](const auto& entry) {
      return std::string_view(entry.second.measured);
    }));
  }
  const std::string text = kept.Json();
  const std::string fresh = fmt::format("{}.{}", path, getpid());
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(fresh, path, error);
  if (out && !error) return {};
  const std::string why = error ? error.message() : std::strerror(errno);
  std::filesystem::remove(fresh, error);
  return Refuse(ErrorCode::kIo, fmt::format("what was measured is not kept: {}: {}", path, why));
}

std::string ProfilePath(const std::string& data_folder, const MachineName& machine) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {};
  std::string name;
  for (const char* c = host.data(); *c != '\0' && name.size() < 64; ++c) {
    const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                       (*c >= '0' && *c <= '9') || *c == '-';
    name += plain ? *c : '_';
  }
  return fmt::format("{}/plan-{}-{}.json", data_folder, name.empty() ? "host" : name,
                     machine.threads);
}

}  // namespace quire
