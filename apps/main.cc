// quire: one binary, one subcommand per job.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <string>
#include <system_error>
#include <vector>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "apps/flags/help_formatter.h"
#include "apps/flags/settings.h"
#include "kernels/dispatch.h"

#ifndef QUIRE_VERSION
#define QUIRE_VERSION "dev"
#endif

namespace quire {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  quire serve model.gguf                      an OpenAI-compatible server\n"
    "  quire chat model.gguf                       talk to a model in the terminal\n"
    "  quire run model.gguf -p 'Once upon a time'  one answer to stdout\n"
    "  quire info model.gguf                       what a file is and what it needs\n"
    "  quire bench model.gguf                      how fast it is here, and could be\n"
    "  quire replay trace.jsonl                    what caches would have hit\n"
    "  quire tenant add acme                       a key for one who may use a server\n"
    "  quire session ls                            what conversations a server keeps\n"
    "  quire top                                   what a running server is doing\n"
    "  quire COMMAND --help                        more about one command";

// What the parser says, in our words where its own would not help.
std::string Explain(const CLI::ParseError& error, const std::string& first) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && text.starts_with("A sub")) {
    return first.empty() || first[0] == '-' ? "which command"
                                            : fmt::format("there is no command '{}'", first);
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const size_t list = text.find(": ");
    if (list != std::string::npos) return "not expected here: " + text.substr(list + 2);
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const std::string flag = text.substr(0, text.find(':'));
    if (text.find("At Most") != std::string::npos) return flag + " may be given once";
    return flag + " needs a value";
  }
  return text;
}

int FailToParse(const CLI::App& app, const CLI::ParseError& error, const std::string& first) {
  std::string help = "quire";
  for (const CLI::App* command : app.get_subcommands()) help += " " + command->get_name();
  return Fail({ErrorCode::kInvalidArgument,
               fmt::format("{}; see `{} --help`", Explain(error, first), help), ""});
}

int Run(const Command& command) {
  Settings settings(*command.app);
  if (command.app->get_option_no_throw("--config") != nullptr) {
    if (Status resolved = settings.Resolve(); !resolved) return Fail(resolved.error());
  }
  if (Status selected = SelectIsaFromEnvironment(); !selected) return Fail(selected.error());
  try {
    return command.run(settings);
  } catch (const std::system_error& error) {  // fmt::print, when a write fails; or a thread
    if (error.code() == std::errc::broken_pipe) return kExitFailed;
    if (error.code() == std::errc::resource_unavailable_try_again) {
      return Fail({ErrorCode::kIo,
                   "the system lets no more threads start; raise the limit on processes (ulimit "
                   "-u, or pids.max of the container), or ask for fewer --threads",
                   ""});
    }
    return Fail({ErrorCode::kIo, error.what(), ""});
  }
}

int Main(int argc, char** argv) {
  // A client that goes away must not take the process with it.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Quire serves language models on CPUs and never reads the same text twice.",
               "quire");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kExamples);
  app.set_version_flag("--version", "quire " QUIRE_VERSION, "show the version and exit");
  app.set_help_flag("-h,--help", "show this help and exit");
  app.require_subcommand(1);
  const std::vector<Command> commands = {
      AddServe(app), AddChat(app),    AddRun(app),    AddTokenize(app), AddRender(app),
      AddInfo(app),  AddBench(app),   AddReplay(app), AddPlan(app),     AddTenant(app),
      AddCache(app), AddSession(app), AddLedger(app), AddLever(app),    AddTop(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& shown) {  // --help, --version
    app.exit(shown);
    return FinishOutput();
  } catch (const CLI::ParseError& error) {
    return FailToParse(app, error, argc > 1 ? argv[1] : "");
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return Run(command);
  }
  return kExitUsage;
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) { return quire::Main(argc, argv); }
