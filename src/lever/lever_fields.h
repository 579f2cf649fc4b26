// lever/lever_fields.h -- reads the fields of one lever of levers.toml.
//
// Errors  kInvalidArgument with file, line, lever and field.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lever/lever.h"

namespace quire {

// Where in the file a message points to.
struct LeverPlace {
  const std::string& path;
  std::string lever;  // empty until its name is known

  std::unexpected<Error> Refuse(const toml::source_region& at, std::string_view what) const;
};

Result<std::string> ReadLeverName(const LeverPlace& place, const toml::table& table);
// Any field but the name.
Status ReadLeverField(const LeverPlace& place, std::string_view field, const toml::node& node,
                      Lever& lever);

}  // namespace quire
