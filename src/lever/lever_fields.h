// lever/lever_fields.h -- reads the fields of one lever of levers.toml.
//
// Errors  kInvalidArgument with file, line, lever and field.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/toml/toml_place.h"
#include "lever/lever.h"

namespace quire {

Result<std::string> ReadLeverName(const TomlPlace& place, const toml::table& table);
// Any field but the name.
Status ReadLeverField(const TomlPlace& place, std::string_view field, const toml::node& node,
                      Lever& lever);

}  // namespace quire
