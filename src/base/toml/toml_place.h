// base/toml/toml_place.h -- a TOML file that a person has written: reading it, and saying where it
// is wrong.
//
// Errors  kInvalidArgument with file and line.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace quire {

// Where in the file a message points to.
struct TomlPlace {
  const std::string& path;
  std::string_view param;  // of the error: the option that names the file
  std::string_view noun;   // what `name` is the name of: "tenant"
  std::string name;        // empty until it is known

  std::unexpected<Error> Refuse(const toml::source_region& at, std::string_view what) const;
};

Result<toml::table> ParseToml(std::string_view text, const std::string& path,
                              std::string_view param);

}  // namespace quire
