// quire lever: what a server tries on a share of its traffic, and how it goes.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apps/client/server_caller.h"
#include "apps/client/server_flags.h"
#include "apps/command.h"
#include "apps/exit_code.h"

namespace quire {
namespace {

using nlohmann::json;

struct LeverFlags {
  ServerFlags server;
  std::string name;
  std::string why;
  bool as_json = false;
};

constexpr const char* kLevers = "/v1/levers";
constexpr int64_t kMsPerSecond = 1000;

std::string PathOf(const std::string& name, const char* action = "") {
  return std::string(kLevers) + "/" + ServerCaller::Escape(name) + action;
}

Result<json> Parse(const std::string& answer) {
  json parsed = json::parse(answer, nullptr, false);
  if (parsed.is_object()) return parsed;
  return Refuse(ErrorCode::kIo, "this server's answer cannot be read");
}

std::string LocalTime(const json& ms) {
  const std::time_t when = ms.is_number() ? ms.get<int64_t>() / kMsPerSecond : 0;
  std::tm local{};
  localtime_r(&when, &local);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local)};
}

std::string Number(const json& value) {
  return value.is_number() ? fmt::format("{:.4g}", value.get<double>()) : "-";
}

std::string Text(const json& object, const char* name) { return object.value(name, ""); }

Status List(const LeverFlags& flags, const ServerCaller& caller) {
  constexpr auto kRow = "{:<24} {:<11} {:>6}  {:<6}  {:>8} {:>9}  {}\n";
  QUIRE_TRY(const std::string answer, caller.Call("GET", kLevers));
  QUIRE_TRY(const json told, Parse(answer));
  const json levers = told.value("levers", json::array());
  if (flags.as_json) {
    for (const json& lever : levers) fmt::print("{}\n", lever.dump());
    return {};
  }
  fmt::print(kRow, "LEVER", "STATE", "SHARE", "BY", "CONTROL", "TREATMENT", "CHANGE");
  for (const json& lever : levers) {
    const json requests = lever.value("requests", json::object());
    fmt::print(kRow, Text(lever, "name"), Text(lever, "state"), lever.value("share", 0.0),
               Text(lever, "by"), requests.value("control", 0), requests.value("treatment", 0),
               Text(lever, "change"));
  }
  if (!told.value("applied", true)) {
    fmt::print(stderr, "none is applied now: the ledger cannot be read, or loses rows\n");
  }
  return {};
}

void PrintFigures(const json& figures) {
  constexpr auto kRow = "  {:<20} {:>12} {:>12} {:>12} {:>12} {:>8}  {}\n";
  fmt::print(kRow, "", "CONTROL", "p95", "TREATMENT", "p95", "RATIO", "");
  for (const json& figure : figures) {
    const json control = figure.value("control", json::object());
    const json treatment = figure.value("treatment", json::object());
    const json ratio = figure.value("times_worse", json());
    std::string verdict;
    if (ratio.is_number() && ratio.get<double>() < 1) verdict = "better";
    if (ratio.is_number() && ratio.get<double>() > 1) verdict = "worse";
    fmt::print(kRow, Text(figure, "metric"), Number(control.value("mean", json())),
               Number(control.value("p95", json())), Number(treatment.value("mean", json())),
               Number(treatment.value("p95", json())), Number(ratio), verdict);
  }
}

void PrintReport(const json& report) {
  const json lever = report.value("lever", json::object());
  const json guardrail = lever.value("guardrail", json::object());
  const json finding = report.value("finding", json::object());
  fmt::print("{}: {} since {}\n", Text(lever, "name"), Text(lever, "state"),
             LocalTime(lever.value("changed_ms", json())));
  fmt::print("  {}\n", Text(lever, "why"));
  fmt::print("  change     {}, for {:g} of all by {}\n", Text(lever, "change"),
             lever.value("share", 0.0), Text(lever, "by"));
  fmt::print("  relieves   {}\n", Text(lever, "relieves"));
  fmt::print("  creates    {}\n", Text(lever, "creates"));
  fmt::print("  owner      {}\n", Text(lever, "owner"));
  fmt::print("  guardrail  {}\n", Text(guardrail, "says"));
  fmt::print("  finding    {}: {}\n", Text(finding, "verdict"), Text(finding, "why"));
  fmt::print("\nRequests of this run, from {}; means, and what 19 of 20 stay within:\n",
             LocalTime(lever.value("since_ms", json())));
  PrintFigures(report.value("figures", json::array()));
  fmt::print("\n");
  for (const json& event : report.value("events", json::array())) {
    fmt::print("  {}  {:<11} {}\n", LocalTime(event.value("at_ms", json())), Text(event, "state"),
               Text(event, "why"));
  }
}

Status ReportOne(const LeverFlags& flags, const ServerCaller& caller, const std::string& name) {
  QUIRE_TRY(const std::string answer, caller.Call("GET", PathOf(name)));
  QUIRE_TRY(const json report, Parse(answer));
  if (flags.as_json) {
    fmt::print("{}\n", report.dump());
  } else {
    PrintReport(report);
  }
  return {};
}

Status Report(const LeverFlags& flags, const ServerCaller& caller) {
  if (!flags.name.empty()) return ReportOne(flags, caller, flags.name);
  QUIRE_TRY(const std::string answer, caller.Call("GET", kLevers));
  QUIRE_TRY(const json told, Parse(answer));
  bool first = true;
  for (const json& lever : told.value("levers", json::array())) {
    if (!std::exchange(first, false) && !flags.as_json) fmt::print("\n");
    const Status done = ReportOne(flags, caller, Text(lever, "name"));
    if (!done) return done;
  }
  return {};
}

Status Change(const LeverFlags& flags, const ServerCaller& caller, const char* action) {
  json wish = json::object();
  if (!flags.why.empty()) wish["why"] = flags.why;
  const std::string body = wish.dump();
  QUIRE_TRY(const std::string answer, caller.Call("POST", PathOf(flags.name, action), &body));
  QUIRE_TRY(const json lever, Parse(answer));
  fmt::print("{}: {}: {}\n", Text(lever, "name"), Text(lever, "state"), Text(lever, "why"));
  return {};
}

Status StartIt(const LeverFlags& flags, const ServerCaller& caller) {
  return Change(flags, caller, "/start");
}

Status StopIt(const LeverFlags& flags, const ServerCaller& caller) {
  return Change(flags, caller, "/stop");
}

using Action = Status (*)(const LeverFlags&, const ServerCaller&);

CLI::App* AddAction(CLI::App& parent, const char* name, const char* description,
                    LeverFlags& flags) {
  CLI::App* app = parent.add_subcommand(name, description);
  AddServerFlags(*app, flags.server);
  return app;
}

}  // namespace

Command AddLever(CLI::App& parent) {
  auto flags = std::make_shared<LeverFlags>();
  CLI::App* app =
      parent.add_subcommand("lever", "What a server tries on a share of its traffic (--levers).");
  app->footer(
      "Examples:\n"
      "  quire lever ls\n"
      "  quire lever report keep-support\n"
      "  quire lever stop keep-support --why 'the demo is on'\n\n"
      "With tenants, the key of an admin is needed. A lever that was stopped, or rolled back by\n"
      "its guardrail, stays so until it is started, whatever the file says and over restarts.");
  app->require_subcommand(1);
  CLI::App* list = AddAction(*app, "ls", "All levers, and whether they run.", *flags);
  CLI::App* report = AddAction(*app, "report",
                               "Both arms of a lever, side by side; of all without LEVER.", *flags);
  report->add_option("LEVER", flags->name, "the lever");
  for (CLI::App* one : {list, report}) {
    one->add_flag("--json", flags->as_json, "one line of JSON each");
  }
  CLI::App* start = AddAction(*app, "start", "Tries a lever, from now on and anew.", *flags);
  CLI::App* stop = AddAction(*app, "stop", "Treats everybody alike from now on.", *flags);
  for (CLI::App* one : {start, stop}) {
    one->add_option("LEVER", flags->name, "the lever")->required();
  }
  stop->add_option("--why", flags->why, "for whoever reads the report")->type_name("TEXT");
  return {app, [=](const Settings&) -> int {
            const std::pair<CLI::App*, Action> actions[] = {
                {list, List}, {report, Report}, {start, StartIt}, {stop, StopIt}};
            for (const auto& [one, action] : actions) {
              if (!one->parsed()) continue;
              const Status done = action(*flags, ServerCaller(flags->server));
              return done ? FinishOutput() : Fail(done.error());
            }
            return kExitUsage;
          }};
}

}  // namespace quire
