#include "base/toml/toml_place.h"

#include <fmt/format.h>

namespace quire {

std::unexpected<Error> TomlPlace::Refuse(const toml::source_region& at,
                                         std::string_view what) const {
  const std::string who = name.empty() ? "" : fmt::format("{} \"{}\": ", noun, name);
  return quire::Refuse(ErrorCode::kInvalidArgument,
                       fmt::format("{}:{}: {}{}", path, at.begin.line, who, what),
                       std::string(param));
}

Result<toml::table> ParseToml(std::string_view text, const std::string& path,
                              std::string_view param) {
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    const TomlPlace place{path, param, {}, {}};
    return place.Refuse(error.source(), fmt::format("this is not TOML: {}", error.description()));
  }
}

}  // namespace quire
