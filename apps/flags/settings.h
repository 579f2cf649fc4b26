// apps/flags/settings.h -- where the value of a flag comes from: flag > environment > file >
// default.
//
// Every flag `--kv-memory` is also the key `kv-memory` of the TOML file and the environment
// variable QUIRE_KV_MEMORY. All three go through the same parser and the same checks, so a value
// that is wrong is refused with the name of the place that holds it.
#pragma once

#include <CLI/App.hpp>
#include <map>
#include <string>

#include "base/result.h"

namespace quire {

class Settings {
 public:
  // Options added to `app` before Resolve take part; positional arguments and --help do not.
  explicit Settings(CLI::App& app) : app_(app) {}

  // Fills in, after the command line was parsed, what it left open. The file is --config's, or
  // ./quire.toml if it exists. A key that no command has is an error naming it and its line; one
  // that only other commands have is passed over, so that a file can serve all of them.
  Status Resolve();

  // One line of TOML per option: `kv-memory = "4GiB"  # environment QUIRE_KV_MEMORY`.
  std::string Describe() const;

 private:
  Status ApplyEnvironment();
  Status ApplyFile(const std::string& path);
  bool IsKnownElsewhere(const std::string& name) const;

  CLI::App& app_;
  std::map<std::string, std::string> origin_;  // long option name -> where its value came from
};

// "kv-memory" -> "QUIRE_KV_MEMORY"
std::string EnvironmentName(const std::string& option);

}  // namespace quire
