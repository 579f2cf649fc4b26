// apps/command.h -- one subcommand of `quire`.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <memory>

#include "apps/flags/settings.h"

namespace quire {

// Registers one subcommand: its flags on a new CLI subcommand, and what to run if it is chosen.
// `run` returns the process's exit code (apps/exit_code.h). A command with a flag --config gets
// what the command line left open from the environment and the file.
struct Command {
  CLI::App* app = nullptr;
  std::function<int(const Settings&)> run;
};

Command AddServe(CLI::App& parent);
Command AddChat(CLI::App& parent);
Command AddRun(CLI::App& parent);
Command AddTokenize(CLI::App& parent);
Command AddRender(CLI::App& parent);
Command AddInfo(CLI::App& parent);
Command AddBench(CLI::App& parent);
Command AddReplay(CLI::App& parent);
Command AddPlan(CLI::App& parent);
Command AddTenant(CLI::App& parent);
Command AddCache(CLI::App& parent);
Command AddSession(CLI::App& parent);
Command AddLedger(CLI::App& parent);
Command AddLever(CLI::App& parent);
Command AddTop(CLI::App& parent);

}  // namespace quire
