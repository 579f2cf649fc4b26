// apps/settings.h -- where the value of a flag comes from: flag > environment > file > default.
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
  // Options added to `app` afterwards take part; positional arguments and --help do not.
  explicit Settings(CLI::App& app) : app_(app) {}

  // Fills in, after the command line was parsed, what it left open. `config_path` empty: no file
  // unless ./quire.toml exists. An unknown key in the file is an error naming it and its line.
  Status Resolve(const std::string& config_path);

  // One line per option: `kv-memory = "4GiB"  # environment QUIRE_KV_MEMORY`.
  std::string Describe() const;

 private:
  Status ApplyEnvironment();
  Status ApplyFile(const std::string& path);

  CLI::App& app_;
  std::map<std::string, std::string> origin_;  // long option name -> where its value came from
};

// "kv-memory" -> "QUIRE_KV_MEMORY"
std::string EnvironmentName(const std::string& option);

}  // namespace quire
