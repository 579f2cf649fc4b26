// apps/flags/help_formatter.h -- what --help looks like: what it is, how it is called, the flags
// with their defaults, examples; 80 columns wide.
#pragma once

#include <CLI/App.hpp>
#include <CLI/FormatterFwd.hpp>
#include <string>

namespace quire {

// A default is added to a description that does not speak of it itself. Examples are the app's
// footer.
class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

}  // namespace quire
