#include "lever/levers_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/mapped_file.h"
#include "lever/lever_fields.h"

namespace quire {

namespace {

constexpr size_t kMostLevers = 64;  // each is asked for every request
constexpr std::array<std::string_view, 8> kNeeded = {"owner", "relieves", "creates",   "change",
                                                     "share", "by",       "guardrail", "rollback"};

constexpr std::string_view kParam = "levers";

TomlPlace PlaceIn(const std::string& path, std::string lever = {}) {
  return {path, kParam, "lever", std::move(lever)};
}

Result<Lever> ReadLever(const std::string& path, const toml::table& table) {
  TomlPlace place = PlaceIn(path);
  Lever lever;
  QUIRE_TRY(lever.name, ReadLeverName(place, table));
  place.name = lever.name;
  for (const auto& [key, node] : table) {
    if (key.str() == "name") continue;
    const Status read = ReadLeverField(place, key.str(), node, lever);
    if (!read) return std::unexpected(read.error());
  }
  for (const std::string_view field : kNeeded) {
    if (!table.contains(field)) {
      return place.Refuse(table.source(), fmt::format("{} is missing", field));
    }
  }
  return lever;
}

bool Meet(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  if (some.empty() || others.empty()) return true;
  return std::ranges::any_of(
      some, [&](const std::string& one) { return std::ranges::find(others, one) != others.end(); });
}

// Two levers that could change the same thing of one request: neither arm would be what it says.
Status CheckApart(const std::string& path, const toml::source_region& at, const Lever& lever,
                  const Lever& before) {
  const TomlPlace place = PlaceIn(path, lever.name);
  if (lever.name == before.name) return place.Refuse(at, "there are two of this name");
  if (lever.change.kind != before.change.kind) return {};
  if (!Meet(lever.tenants, before.tenants) || !Meet(lever.routes, before.routes)) return {};
  return place.Refuse(at, fmt::format("it and \"{}\" change {} of the same requests; give them "
                                      "tenants or routes that differ, or one after the other",
                                      before.name, LeverKindName(lever.change.kind)));
}

Result<const toml::array*> ListOf(const TomlPlace& place, const toml::table& table) {
  for (const auto& [key, node] : table) {
    if (key.str() != "lever") {
      return place.Refuse(
          key.source(),
          fmt::format("there is no field '{}'; levers are written as [[lever]]", key.str()));
    }
    const toml::array* list = node.as_array();
    if (list == nullptr || !(list->empty() || list->is_homogeneous<toml::table>())) {
      return place.Refuse(node.source(), "levers are written as [[lever]]");
    }
    if (list->size() > kMostLevers) {
      return place.Refuse(node.source(), fmt::format("more than {} levers", kMostLevers));
    }
    return list;
  }
  return nullptr;
}

}  // namespace

Result<std::vector<Lever>> ParseLevers(std::string_view text, const std::string& path) {
  QUIRE_TRY(const toml::table table, ParseToml(text, path, kParam));
  QUIRE_TRY(const toml::array* const list, ListOf(PlaceIn(path), table));
  std::vector<Lever> levers;
  if (list == nullptr) return levers;
  for (const toml::node& one : *list) {
    QUIRE_TRY(Lever lever, ReadLever(path, *one.as_table()));
    for (const Lever& before : levers) {
      if (Status apart = CheckApart(path, one.source(), lever, before); !apart) {
        return std::unexpected(apart.error());
      }
    }
    levers.push_back(std::move(lever));
  }
  // In this order their arms are written down.
  std::ranges::sort(levers, {}, &Lever::name);
  return levers;
}

Result<std::vector<Lever>> LoadLevers(const std::string& path) {
  QUIRE_TRY(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  return ParseLevers({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace quire
