#include "apps/flags/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/Error.hpp>
#include <CLI/Option.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <vector>

#include "apps/flags/flag_values.h"
#include "base/mapped_file.h"
#include "base/toml/toml_place.h"

namespace quire {
namespace {

bool TakesPart(const CLI::Option& option) {
  const auto& names = option.get_lnames();
  return !names.empty() && names[0] != "help" && names[0] != "print-config";
}

bool IsFlag(const CLI::Option& option) { return option.get_expected_min() == 0; }
bool IsList(const CLI::Option& option) { return option.get_expected_max() > 1; }
bool IsNumber(const CLI::Option& option) {
  return option.get_type_name() == kWholeType || option.get_type_name() == kRealType;
}

// Gives `option` the values as if they stood on the command line.
Status Give(CLI::Option& option, const std::vector<std::string>& values, const std::string& where) {
  const auto refuse = [&](const std::string& why) {
    return Refuse(ErrorCode::kInvalidArgument, where + ": " + why, option.get_lnames()[0]);
  };
  if (IsFlag(option) && values[0] != "true" && values[0] != "false") {
    return refuse(fmt::format("'{}' is neither true nor false", values[0]));
  }
  try {
    for (const std::string& value : values) option.add_result(value);
    option.run_callback();
  } catch (const CLI::Error& error) {
    std::string why = error.what();  // it begins with the name of the flag, which `where` has
    const std::string name = option.get_name() + ": ";
    if (why.starts_with(name)) why.erase(0, name.size());
    return refuse(why);
  }
  return {};
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string Text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  std::ostringstream out;
  node.visit([&out](const auto& value) { out << value; });
  return out.str();
}

const char* KindOf(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  if (node.is_string()) return "a text";
  if (node.is_boolean()) return "true or false";
  return node.is_number() ? "a number" : "a date or time";
}

const char* WantedKind(const CLI::Option& option) {
  if (IsFlag(option)) return "true or false";
  if (option.get_type_name() == kPeerType) {
    return "texts \"NAME=URL\", or tables with name, url and maybe secret_file";
  }
  if (IsList(option)) return "a list of texts";
  if (option.get_type_name() == kSizeType) return "a size such as \"4GiB\"";
  return IsNumber(option) ? "a number" : "a text in quotes";
}

// Whether a value of this TOML type can be one for `option`; its range is not looked at.
bool Fits(const CLI::Option& option, const toml::node& node) {
  if (IsFlag(option)) return node.is_boolean();
  if (IsNumber(option) || option.get_type_name() == kSizeType) {
    return node.is_number() || node.is_string();
  }
  return node.is_string();
}

// A peer as one text, which the flag takes; empty: a table that is none.
std::string PeerText(const toml::table& table) {
  const auto name = table["name"].value<std::string>();
  const auto url = table["url"].value<std::string>();
  const auto file = table["secret_file"].value<std::string>();
  if (!name || !url || table.size() != (file ? 3 : 2)) return "";
  return *name + "=" + *url + (file ? " " + *file : "");
}

// The values in `node`, or none if it is of a wrong type.
std::vector<std::string> Values(const CLI::Option& option, const toml::node& node) {
  if (!node.is_array() || !IsList(option)) {
    return Fits(option, node) ? std::vector{Text(node)} : std::vector<std::string>{};
  }
  std::vector<std::string> out;
  for (const toml::node& element : *node.as_array()) {
    const bool peer = element.is_table() && option.get_type_name() == kPeerType;
    const std::string text = peer ? PeerText(*element.as_table()) : "";
    if (!text.empty()) {
      out.push_back(text);
      continue;
    }
    if (!Fits(option, element)) return {};
    out.push_back(Text(element));
  }
  return out;
}

// As TOML writes it, so that what --print-config shows can be a file.
std::string Written(const CLI::Option& option) {
  std::vector<std::string> values = option.results();
  if (values.empty() && !IsList(option)) values = {option.get_default_str()};
  if (IsFlag(option)) return values[0] == "true" ? "true" : "false";
  if (IsNumber(option)) return values[0].empty() ? "\"\"" : values[0];
  const nlohmann::json json = IsList(option) ? nlohmann::json(values) : nlohmann::json(values[0]);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string EnvironmentName(const std::string& option) {
  std::string name = "QUIRE_";
  for (char c : option) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

Status Settings::ApplyEnvironment() {
  for (CLI::Option* option : app_.get_options()) {
    if (!TakesPart(*option) || option->count() > 0) continue;
    const std::string& name = option->get_lnames()[0];
    const std::string variable = EnvironmentName(name);
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') continue;
    const auto values = IsList(*option) ? SplitAtCommas(value) : std::vector<std::string>{value};
    if (Status given = Give(*option, values, variable); !given) return given;
    origin_[name] = "environment " + variable;
  }
  return {};
}

bool Settings::IsKnownElsewhere(const std::string& name) const {
  const auto all = app_.get_parent()->get_subcommands([](const CLI::App*) { return true; });
  return std::ranges::any_of(all, [&](const CLI::App* other) {
    const CLI::Option* option = other->get_option_no_throw("--" + name);
    return option != nullptr && TakesPart(*option) && name != "config";
  });
}

Status Settings::ApplyFile(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (!file) {
    return Refuse(ErrorCode::kInvalidArgument, "settings: " + file.error().message, "config");
  }
  const auto bytes = file->bytes();
  QUIRE_TRY(const toml::table table,
            ParseToml({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, "config"));
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string where = fmt::format("{}:{}: {}", path, key.source().begin.line, name);
    CLI::Option* option = app_.get_option_no_throw("--" + name);
    if (option == nullptr || !TakesPart(*option) || name == "config") {
      if (IsKnownElsewhere(name)) continue;
      return Refuse(ErrorCode::kInvalidArgument,
                    where + " is not a setting; `quire serve --print-config` lists them", name);
    }
    const std::vector<std::string> values = Values(*option, node);
    const bool empty_list = node.is_array() && node.as_array()->empty() && IsList(*option);
    if (values.empty() && !empty_list) {
      return Refuse(ErrorCode::kInvalidArgument,
                    fmt::format("{} takes {}, not {}", where, WantedKind(*option), KindOf(node)),
                    name);
    }
    if (option->count() > 0 || empty_list) continue;
    if (Status given = Give(*option, values, where); !given) return given;
    origin_[name] = "file " + path;
  }
  return {};
}

Status Settings::Resolve() {
  for (const CLI::Option* option : app_.get_options()) {
    if (TakesPart(*option) && option->count() > 0) origin_[option->get_lnames()[0]] = "flag";
  }
  if (Status applied = ApplyEnvironment(); !applied) return applied;
  const CLI::Option* config = app_.get_option("--config");
  if (config->count() > 0) return ApplyFile(config->as<std::string>());
  std::error_code ignored;
  if (std::filesystem::exists("quire.toml", ignored)) return ApplyFile("quire.toml");
  return {};
}

std::string Settings::Describe() const {
  std::string out;
  for (const CLI::Option* option : app_.get_options()) {
    const bool named = !option->get_lnames().empty() && option->get_lnames()[0] == "config";
    if (!TakesPart(*option) || named) continue;
    const std::string& name = option->get_lnames()[0];
    const auto found = origin_.find(name);
    out += fmt::format("{} = {}  # {}\n", name, Written(*option),
                       found == origin_.end() ? "default" : found->second);
  }
  return out;
}

}  // namespace quire
