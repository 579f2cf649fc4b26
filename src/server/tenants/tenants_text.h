// server/tenants/tenants_text.h -- changes the text of a tenants file and leaves the rest of it, so
// comments too, as it is.
//
// Each returns the new text, which TenantsFile::Parse accepts; errors are those of Parse, kNotFound
// for a tenant that is not there, kConflict for one that is.
//
// Threads  pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace quire {

// Field and value as TOML writes it: {"kv_limit", "\"1GiB\""}.
using TomlField = std::pair<std::string, std::string>;

struct TenantsText {
  std::string text;
  std::string path;  // for messages

  // At the end of the file.
  Result<std::string> Add(const std::string& name, const std::vector<TomlField>& fields) const;
  Result<std::string> Remove(const std::string& name) const;
  Result<std::string> SetGeneration(const std::string& name, uint64_t generation) const;
};

// Replaces the file, or makes it for its owner alone (0600): there is the old text or the new one,
// whatever happens. An existing file keeps mode and owner.
Status WriteTextFile(const std::string& path, std::string_view text);

}  // namespace quire
