#include "apps/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/Error.hpp>
#include <CLI/Option.hpp>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

namespace quire {
namespace {

bool TakesPart(const CLI::Option& option) {
  const auto& names = option.get_lnames();
  return !names.empty() && names[0] != "help" && names[0] != "config" &&
         names[0] != "print-config" && !option.get_positional();
}

// Gives `option` the values as if they stood on the command line.
Status Give(CLI::Option& option, const std::vector<std::string>& values, const std::string& where) {
  try {
    for (const std::string& value : values) option.add_result(value);
    option.run_callback();
  } catch (const CLI::Error& error) {
    return Refuse(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where, error.what()),
                  option.get_lnames()[0]);
  }
  return {};
}

std::string Text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  std::ostringstream out;
  node.visit([&out](const auto& value) { out << value; });
  return out.str();
}

std::vector<std::string> Values(const toml::node& node) {
  if (const auto* array = node.as_array()) {
    std::vector<std::string> out;
    for (const toml::node& element : *array) out.push_back(Text(element));
    return out;
  }
  return {Text(node)};
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
    if (Status given = Give(*option, {value}, variable); !given) return given;
    origin_[name] = "environment " + variable;
  }
  return {};
}

Status Settings::ApplyFile(const std::string& path) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string where = fmt::format("{}:{}: {}", path, key.source().begin.line, name);
    CLI::Option* option = app_.get_option_no_throw("--" + name);
    if (option == nullptr || !TakesPart(*option)) {
      return Refuse(ErrorCode::kInvalidArgument,
                    where + " is not a setting; `quire serve --print-config` lists them", name);
    }
    if (node.is_table()) return Refuse(ErrorCode::kInvalidArgument, where + " takes a value", name);
    if (option->count() > 0) continue;
    if (Status given = Give(*option, Values(node), where); !given) return given;
    origin_[name] = "file " + path;
  }
  return {};
}

Status Settings::Resolve(const std::string& config_path) {
  for (const CLI::Option* option : app_.get_options()) {
    if (TakesPart(*option) && option->count() > 0) origin_[option->get_lnames()[0]] = "flag";
  }
  if (Status applied = ApplyEnvironment(); !applied) return applied;
  if (!config_path.empty()) return ApplyFile(config_path);
  std::error_code ignored;
  if (std::filesystem::exists("quire.toml", ignored)) return ApplyFile("quire.toml");
  return {};
}

std::string Settings::Describe() const {
  std::string out;
  for (const CLI::Option* option : app_.get_options()) {
    if (!TakesPart(*option)) continue;
    const std::string& name = option->get_lnames()[0];
    const auto found = origin_.find(name);
    std::string value;
    if (option->count() > 0) {
      for (const std::string& part : option->results()) value += (value.empty() ? "" : ", ") + part;
    } else {
      value = option->get_default_str();
    }
    out += fmt::format("{} = \"{}\"  # {}\n", name, value,
                       found == origin_.end() ? "default" : found->second);
  }
  return out;
}

}  // namespace quire
