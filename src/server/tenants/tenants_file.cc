#include "server/tenants/tenants_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>
#include <utility>

#include "base/mapped_file.h"
#include "base/size.h"
#include "base/toml/toml_place.h"
#include "server/tenants/tenant_key.h"

namespace quire {
namespace {

constexpr size_t kMostNameBytes = 64;
constexpr size_t kMostTenants = 10000;  // each is looked at for every key
constexpr size_t kMostKeys = 64;        // of one tenant
constexpr double kMostWeight = 1e6;

constexpr std::string_view kParam = "tenants";

TomlPlace PlaceIn(const std::string& path, std::string tenant = {}) {
  return {path, kParam, "tenant", std::move(tenant)};
}

Result<uint64_t> ReadBytes(const TomlPlace& place, std::string_view field, const toml::node& node) {
  if (const auto whole = node.value_exact<int64_t>(); whole && *whole >= 0) {
    return static_cast<uint64_t>(*whole);
  }
  const auto text = node.value_exact<std::string>();
  if (!text) {
    return place.Refuse(node.source(), fmt::format("{} must be a size such as \"1GiB\"", field));
  }
  const auto size = ParseSize(*text);
  if (!size) return place.Refuse(node.source(), fmt::format("{}: {}", field, size.error().message));
  return *size;
}

Result<uint64_t> ReadWhole(const TomlPlace& place, std::string_view field, const toml::node& node,
                           uint64_t least, uint64_t most) {
  const auto whole = node.value_exact<int64_t>();
  if (whole && *whole >= 0 && static_cast<uint64_t>(*whole) >= least &&
      static_cast<uint64_t>(*whole) <= most) {
    return static_cast<uint64_t>(*whole);
  }
  return place.Refuse(node.source(),
                      fmt::format("{} must be a whole number from {} to {}{}", field, least, most,
                                  least > 0 ? "; leave it out for no limit" : ""));
}

Result<double> ReadWeight(const TomlPlace& place, const toml::node& node) {
  const auto weight = node.is_number() ? node.value<double>() : std::nullopt;
  if (weight && std::isfinite(*weight) && *weight > 0 && *weight <= kMostWeight) return *weight;
  return place.Refuse(node.source(), "weight must be a number above 0, 1000000 at most");
}

Result<std::vector<std::string>> ReadHashes(const TomlPlace& place, const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return place.Refuse(node.source(), "key_hashes must be a list of texts");
  if (list->size() > kMostKeys) {
    return place.Refuse(node.source(), fmt::format("key_hashes has more than {} keys", kMostKeys));
  }
  std::vector<std::string> hashes;
  for (const toml::node& one : *list) {
    auto hash = one.value_exact<std::string>();
    if (hash) {
      std::ranges::transform(*hash, hash->begin(),
                             [](char c) { return c >= 'A' && c <= 'F' ? char(c + 32) : c; });
    }
    // The text is not repeated: somebody may have put the key itself there.
    if (!hash || !IsKeyHash(*hash)) {
      return place.Refuse(one.source(), fmt::format("key_hashes must be BLAKE2b-256 hashes in hex, "
                                                    "{} digits each; `quire tenant add` makes them",
                                                    kKeyHashDigits));
    }
    hashes.push_back(*std::move(hash));
  }
  return hashes;
}

// One field of a tenant, but its name.
Status ReadField(const TomlPlace& place, std::string_view field, const toml::node& node,
                 TenantRecord& record) {
  constexpr uint64_t kMost32 = std::numeric_limits<uint32_t>::max();
  constexpr uint64_t kMost64 = std::numeric_limits<int64_t>::max();
  Tenant& tenant = record.tenant;
  if (field == "key_hashes") {
    QUIRE_TRY(record.key_hashes, ReadHashes(place, node));
  } else if (field == "generation") {
    QUIRE_TRY(tenant.generation, ReadWhole(place, field, node, 0, kMost64));
  } else if (field == "weight") {
    QUIRE_TRY(tenant.weight, ReadWeight(place, node));
  } else if (field == "kv_guaranteed") {
    QUIRE_TRY(tenant.kv_guaranteed_bytes, ReadBytes(place, field, node));
  } else if (field == "kv_limit") {
    QUIRE_TRY(tenant.kv_limit_bytes, ReadBytes(place, field, node));
  } else if (field == "kv_pinned") {
    QUIRE_TRY(tenant.kv_pinned_bytes, ReadBytes(place, field, node));
  } else if (field == "disk_limit") {
    QUIRE_TRY(record.tenant.disk_limit_bytes, ReadBytes(place, field, node));
  } else if (field == "max_concurrent") {
    QUIRE_TRY(const uint64_t most, ReadWhole(place, field, node, 1, kMost32));
    tenant.max_concurrent = static_cast<uint32_t>(most);
  } else if (field == "max_context") {
    QUIRE_TRY(const uint64_t most, ReadWhole(place, field, node, 1, kMost32));
    tenant.max_context = static_cast<uint32_t>(most);
  } else if (field == "tokens_per_minute") {
    QUIRE_TRY(tenant.tokens_per_minute, ReadWhole(place, field, node, 1, kMost64));
  } else if (field == "admin") {
    const auto admin = node.value_exact<bool>();
    if (!admin) return place.Refuse(node.source(), "admin must be true or false");
    record.admin = *admin;
  } else {
    return place.Refuse(node.source(), fmt::format("there is no field '{}'", field));
  }
  return {};
}

Result<std::string> ReadName(const TomlPlace& place, const toml::table& table) {
  const toml::node* node = table.get("name");
  if (node == nullptr) return place.Refuse(table.source(), "a tenant without name");
  const auto name = node->value_exact<std::string>();
  if (!name) return place.Refuse(node->source(), "name must be a text");
  const Status fine = CheckTenantName(*name);
  if (!fine) return place.Refuse(node->source(), fine.error().message);
  return *name;
}

Result<TenantRecord> ReadTenant(const std::string& path, const toml::table& table) {
  TomlPlace place = PlaceIn(path);
  TenantRecord record;
  QUIRE_TRY(record.tenant.name, ReadName(place, table));
  place.name = record.tenant.name;
  Tenant& tenant = record.tenant;
  for (const auto& [key, node] : table) {
    if (key.str() == "name") continue;
    const Status read = ReadField(place, key.str(), node, record);
    if (!read) return std::unexpected(read.error());
  }
  if (!table.contains("key_hashes")) {
    return place.Refuse(table.source(), "key_hashes is missing");
  }
  if (tenant.kv_guaranteed_bytes > tenant.kv_limit_bytes) {
    return place.Refuse(table.source(), fmt::format("kv_guaranteed ({}) is more than kv_limit ({})",
                                                    FormatSize(tenant.kv_guaranteed_bytes),
                                                    FormatSize(tenant.kv_limit_bytes)));
  }
  // Pins take from everybody else, so without a word only what is the tenant's own.
  if (!table.contains("kv_pinned")) tenant.kv_pinned_bytes = tenant.kv_guaranteed_bytes;
  return record;
}

Result<PublicText> ReadPublicText(const std::string& path, const toml::table& table) {
  const TomlPlace place = PlaceIn(path);
  PublicText prefix;
  for (const auto& [key, node] : table) {
    if (key.str() == "text" && node.is_string()) {
      prefix.text = node.value<std::string>().value();
    } else if (key.str() == "messages" && node.is_array()) {
      std::ostringstream json;
      json << toml::json_formatter(*node.as_array());
      prefix.messages = json.str();
    } else {
      return place.Refuse(key.source(), "a public_prefix has a text or a list of messages");
    }
  }
  if (prefix.text.empty() == prefix.messages.empty()) {
    return place.Refuse(table.source(), "a public_prefix has either text or messages");
  }
  return prefix;
}

// The tables of a list of tables.
Result<std::vector<const toml::table*>> TablesOf(const TomlPlace& place, std::string_view name,
                                                 const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr || !(list->empty() || list->is_homogeneous<toml::table>())) {
    return place.Refuse(node.source(), fmt::format("'{0}' is written as [[{0}]]", name));
  }
  if (list->size() > kMostTenants) {
    return place.Refuse(node.source(), fmt::format("more than {} of '{}'", kMostTenants, name));
  }
  std::vector<const toml::table*> tables;
  for (const toml::node& one : *list) tables.push_back(one.as_table());
  return tables;
}

struct Seen {
  std::set<std::string> names;
  std::set<std::string> hashes;
};

Status CheckUnique(const std::string& path, const toml::table& table, const TenantRecord& record,
                   Seen& seen) {
  const TomlPlace place = PlaceIn(path, record.tenant.name);
  if (!seen.names.insert(record.tenant.name).second) {
    return place.Refuse(table.get("name")->source(), "there are two of this name");
  }
  const toml::array& hashes = *table.get_as<toml::array>("key_hashes");
  for (size_t i = 0; i < record.key_hashes.size(); ++i) {
    if (!seen.hashes.insert(record.key_hashes[i]).second) {
      return place.Refuse(hashes[i].source(), "key_hashes has a key that is there before");
    }
  }
  return {};
}

}  // namespace

Status CheckTenantName(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kMostNameBytes || !std::ranges::all_of(name, plain) ||
      name[0] == '.' || name[0] == '-') {
    return Refuse(ErrorCode::kInvalidArgument,
                  "a tenant's name has 1 to 64 letters, digits, '.', '_' and '-', and begins with "
                  "a letter, digit or '_'",
                  "name");
  }
  if (name == kPublicTenant) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "\"public\" is the name of what all tenants share; choose another", "name");
  }
  return {};
}

const TenantRecord* TenantsFile::Find(std::string_view name) const {
  const auto found = std::ranges::find(
      tenants, name,
      [](const TenantRecord& record) -> const std::string& { return record.tenant.name; });
  return found == tenants.end() ? nullptr : &*found;
}

Result<TenantsFile> TenantsFile::Parse(std::string_view text, const std::string& path) {
  QUIRE_TRY(const toml::table table, ParseToml(text, path, kParam));
  const TomlPlace place = PlaceIn(path);
  TenantsFile file;
  Seen seen;
  for (const auto& [key, node] : table) {
    const bool is_public = key.str() == "public_prefix";
    if (!is_public && key.str() != "tenant") {
      return place.Refuse(
          key.source(),
          fmt::format("there is no field '{}'; tenants are written as [[tenant]]", key.str()));
    }
    QUIRE_TRY(const auto tables, TablesOf(place, key.str(), node));
    for (const toml::table* one : tables) {
      if (is_public) {
        QUIRE_TRY(PublicText prefix, ReadPublicText(path, *one));
        file.public_texts.push_back(std::move(prefix));
      } else {
        QUIRE_TRY(TenantRecord record, ReadTenant(path, *one));
        const Status unique = CheckUnique(path, *one, record, seen);
        if (!unique) return std::unexpected(unique.error());
        file.tenants.push_back(std::move(record));
      }
    }
  }
  return file;
}

Result<std::string> ReadTextFile(const std::string& path) {
  QUIRE_TRY(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<TenantsFile> TenantsFile::Load(const std::string& path) {
  QUIRE_TRY(const std::string text, ReadTextFile(path));
  return Parse(text, path);
}

}  // namespace quire
