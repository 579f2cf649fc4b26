// server/tenants/tenants_file.h -- who may use a server, and how much: what the tenants file says.
//
//   [[tenant]]
//   name = "acme"                 # letters, digits, '.', '_', '-'; up to 64
//   key_hashes = ["9f3c..."]      # BLAKE2b-256 of the keys, in hex; never a key
//   generation = 1764000000       # a new one makes all KV of the tenant unreachable
//   weight = 2
//   kv_guaranteed = "256MiB"
//   kv_limit = "1GiB"
//   kv_pinned = "128MiB"          # what pins may hold; as much as is guaranteed
//   disk_limit = "8GiB"
//   max_concurrent = 16
//   max_context = 32768
//   tokens_per_minute = 200000
//   admin = false
//
// Only name and key_hashes are needed; what is left out has no limit. Beside them may stand
//
//   [[public_prefix]]             # either
//   text = "You are ..."
//   messages = [{role = "system", content = "You are ..."}]
//
// Errors   kInvalidArgument with file, line, tenant and field for whatever else stands there: a
//          misspelt limit must not be no limit. kNotFound, kIo: the file cannot be read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/tenant.h"

namespace quire {

// What all tenants may share the KV of, though they share nothing else.
struct PublicText {
  std::string text;      // of completions, or
  std::string messages;  // of chats: a JSON list
};

struct TenantRecord {
  Tenant tenant;
  std::vector<std::string> key_hashes;  // lower case
  bool admin = false;                   // sees all tenants
};

struct TenantsFile {
  std::vector<TenantRecord> tenants;
  std::vector<PublicText> public_texts;

  // `path` is for messages.
  static Result<TenantsFile> Parse(std::string_view text, const std::string& path);
  static Result<TenantsFile> Load(const std::string& path);

  const TenantRecord* Find(std::string_view name) const;
};

Status CheckTenantName(std::string_view name);

// The whole text of a file.
Result<std::string> ReadTextFile(const std::string& path);

}  // namespace quire
