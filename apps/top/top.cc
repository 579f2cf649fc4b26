// quire top: a running server in the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "apps/client/server_flags.h"
#include "apps/command.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "apps/top/feed_poller.h"
#include "apps/top/live_screen.h"

namespace quire {
namespace {

struct TopFlags {
  ServerFlags server;
  double interval_seconds = 1;
  bool once = false;
  bool no_color = false;
};

// As https://no-color.org has it: set, and not empty.
bool WantsColour(const TopFlags& flags) {
  const char* const no_color = std::getenv("NO_COLOR");
  return !flags.no_color && (no_color == nullptr || *no_color == '\0');
}

int ShowOnce(const ServerFlags& flags) {
  const ServerCaller caller(flags, {.timeout_seconds = 60});
  const Result<FeedNews> news = AskOnce(caller);
  if (!news) return Fail(news.error());
  fmt::print("{}", DrawText(PictureOf(*news, caller.url())));
  return FinishOutput();
}

}  // namespace

Command AddTop(CLI::App& parent) {
  auto flags = std::make_shared<TopFlags>();
  CLI::App* app = parent.add_subcommand("top", "What a running server is doing, in the terminal.");
  app->footer(
      "Examples:\n"
      "  quire top\n"
      "  OPENAI_API_KEY=... quire top --url http://other:8080 --interval 0.5\n"
      "  quire top --once | grep '^tiers'\n\n"
      "? shows the keys. A tenant's key shows what is the tenant's, an admin's everything.");
  AddServerFlags(*app, flags->server);
  Real(app->add_option("--interval", flags->interval_seconds, "seconds between two pictures"), 0.25,
       60)
      ->default_str("1");
  app->add_flag("--once", flags->once,
                "print one picture as text; so it is where there is no terminal");
  app->add_flag("--no-color", flags->no_color, "no colours; NO_COLOR in the environment does too");
  return {app, [flags](const Settings&) {
            const bool terminal = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
            if (flags->once || !terminal) return ShowOnce(flags->server);
            const LiveScreenOptions options{
                .server = flags->server,
                .interval =
                    std::chrono::milliseconds(static_cast<int64_t>(flags->interval_seconds * 1000)),
                .with_colour = WantsColour(*flags)};
            return RunLiveScreen(options);
          }};
}

}  // namespace quire
