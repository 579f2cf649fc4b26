// quire: one binary, one subcommand per job.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <vector>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "kernels/dispatch.h"

#ifndef QUIRE_VERSION
#define QUIRE_VERSION "dev"
#endif

namespace quire {
namespace {

constexpr const char* kAbout =
    "Quire serves language models on CPUs and never reads the same text twice.\n"
    "\n"
    "Examples:\n"
    "  quire serve model.gguf                      an OpenAI-compatible server on port 8080\n"
    "  quire chat model.gguf                       talk to a model in the terminal\n"
    "  quire run model.gguf -p 'Once upon a time'  one answer to stdout\n"
    "  quire info model.gguf                       what a file is and what it will need\n"
    "  quire COMMAND --help                        more about one command";

int Main(int argc, char** argv) {
  // A client that goes away must not take the process with it.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(kAbout, "quire");
  app.set_version_flag("--version", "quire " QUIRE_VERSION);
  app.require_subcommand(1);
  const std::vector<Command> commands = {AddServe(app),    AddChat(app),   AddRun(app),
                                         AddTokenize(app), AddRender(app), AddInfo(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitFine : kExitUsage;
  }
  if (Status selected = SelectIsaFromEnvironment(); !selected) return Fail(selected.error());
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return kExitUsage;
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) { return quire::Main(argc, argv); }
