// apps/command.h -- one subcommand of `quire`.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <memory>

namespace quire {

// Registers one subcommand: its flags on a new CLI subcommand, and what to run if it is chosen.
// `run` returns the process's exit code (apps/exit_code.h).
struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

Command AddServe(CLI::App& parent);
Command AddChat(CLI::App& parent);
Command AddRun(CLI::App& parent);
Command AddTokenize(CLI::App& parent);
Command AddRender(CLI::App& parent);
Command AddInfo(CLI::App& parent);

}  // namespace quire
