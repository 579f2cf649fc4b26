#include "apps/flags/help_formatter.h"

#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <string_view>

namespace quire {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kColumn = 27;  // where descriptions begin: behind the longest usual flag

// `term`, then `text` in a column of its own, broken between words.
std::string Entry(const std::string& term, std::string_view text) {
  std::string out = "  " + term;
  size_t used = out.size();
  if (used + 2 > kColumn) {
    out += '\n';
    used = 0;
  }
  out += std::string(kColumn - used, ' ');
  used = kColumn;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (used > kColumn && used + 1 + end > kWidth) {
      out += '\n' + std::string(kColumn, ' ');
      used = kColumn;
    }
    if (used > kColumn) {
      out += ' ';
      ++used;
    }
    out += text.substr(0, end);
    used += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + '\n';
}

std::string Term(const CLI::Option& option) {
  std::string term;
  for (const std::string& name : option.get_snames()) term += "-" + name + ", ";
  for (const std::string& name : option.get_lnames()) term += "--" + name + ", ";
  term.resize(term.size() - 2);
  if (option.get_expected_min() > 0) term += " " + option.get_type_name();
  return term;
}

std::string Describe(const CLI::Option& option) {
  std::string text = option.get_description();
  const std::string value = option.get_default_str();
  if (!value.empty() && text.find("default") == std::string::npos) {
    text += fmt::format(" (default {})", value);
  }
  return text;
}

std::string Usage(const CLI::App& app, const std::string& name, bool root) {
  // A subcommand is called with its parent's name in front already.
  std::string line = fmt::format("Usage: {} {}", name.empty() ? app.get_name() : name,
                                 root ? "COMMAND [OPTIONS]" : "[OPTIONS]");
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const std::string term = option->get_name(true);
    line += option->get_required() ? " " + term : " [" + term + "]";
  }
  return line + "\n";
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode /*mode*/) const {
  const auto commands = app->get_subcommands([](const CLI::App*) { return true; });
  std::string out =
      app->get_description() + "\n\n" + Usage(*app, name, app->get_parent() == nullptr);
  if (!commands.empty()) out += "\nCommands:\n";
  for (const CLI::App* command : commands) {
    out += Entry(command->get_name(), command->get_description());
  }
  std::string positionals;
  std::string options;
  for (const CLI::Option* option : app->get_options()) {
    if (option->get_positional()) {
      positionals += Entry(option->get_name(true), option->get_description());
    } else {
      options += Entry(Term(*option), Describe(*option));
    }
  }
  if (!positionals.empty()) out += "\n" + positionals;
  out += "\nOptions:\n" + options;
  if (!app->get_footer().empty()) out += "\n" + app->get_footer() + "\n";
  return out;
}

}  // namespace quire
