// quire session: the conversations that a server keeps, from the command line.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
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

struct SessionFlags {
  ServerFlags server;
  std::string id;
  std::string new_id;
  std::string search;
  std::string file;
  std::string to;
  bool as_json = false;
  bool kv = false;
  bool force = false;
};

constexpr const char* kSessions = "/v1/sessions";

std::string PathOf(const SessionFlags& flags, const char* action = "") {
  return std::string(kSessions) + "/" + ServerCaller::Escape(flags.id) + action;
}

std::string TimeOf(const json& session, const char* name) {
  const auto found = session.find(name);
  if (found == session.end() || !found->is_number()) return "-";
  const auto when = found->get<std::time_t>();
  std::tm local{};
  localtime_r(&when, &local);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local)};
}

Status List(const SessionFlags& flags, const ServerCaller& caller) {
  constexpr auto kRow = "{:<36} {:>8} {:>8}  {:<16}  {:<16}  {}\n";
  bool has_head = flags.as_json;
  std::string after;
  for (;;) {
    QUIRE_TRY(const std::string answer,
              caller.Call("GET", std::string(kSessions) +
                                     "?limit=1000&search=" + ServerCaller::Escape(flags.search) +
                                     "&after=" + ServerCaller::Escape(after)));
    const json page = json::parse(answer, nullptr, false);
    if (!page.is_object() || !page.contains("data") || !page["data"].is_array()) {
      return Refuse(ErrorCode::kIo, "this server's list of sessions cannot be read");
    }
    if (!std::exchange(has_head, true)) {
      fmt::print(kRow, "ID", "TOKENS", "MESSAGES", "LAST USED", "EXPIRES", "MODEL");
    }
    for (const json& session : page["data"]) {
      after = session.value("id", "");
      if (flags.as_json) {
        fmt::print("{}\n", session.dump());
      } else {
        fmt::print(kRow, after, session.value("tokens", 0), session.value("messages", 0),
                   TimeOf(session, "last_used"), TimeOf(session, "expires"),
                   session.value("model", ""));
      }
    }
    if (page["data"].empty() || !page.value("has_more", false)) return {};
  }
}

Status Show(const SessionFlags& flags, const ServerCaller& caller) {
  QUIRE_TRY(const std::string answer, caller.Call("GET", PathOf(flags)));
  const json session = json::parse(answer, nullptr, false);
  fmt::print("{}\n", flags.as_json ? session.dump() : session.dump(2));
  return {};
}

Status Fork(const SessionFlags& flags, const ServerCaller& caller) {
  json body = json::object();
  if (!flags.new_id.empty()) body["id"] = flags.new_id;
  const std::string text = body.dump();
  QUIRE_TRY(const std::string answer, caller.Call("POST", PathOf(flags, "/fork"), &text));
  fmt::print("{}\n", json::parse(answer, nullptr, false).value("id", ""));
  return {};
}

Status Remove(const SessionFlags& flags, const ServerCaller& caller) {
  const auto removed = caller.Call("DELETE", PathOf(flags, flags.force ? "?force=true" : ""));
  return removed ? Status() : std::unexpected(removed.error());
}

Status Reclaim(const SessionFlags& flags, const ServerCaller& caller) {
  const std::string body = "{}";
  QUIRE_TRY(
      const std::string answer,
      caller.Call("POST", PathOf(flags, flags.force ? "/reclaim?force=true" : "/reclaim"), &body));
  const json session = json::parse(answer, nullptr, false);
  fmt::print("{}\n", session.is_object() ? session.value("id", "") : "");
  return {};
}

// Under another name first: a file that is there is whole.
Status Export(const SessionFlags& flags, const ServerCaller& caller) {
  QUIRE_TRY(const std::string bytes,
            caller.Call("GET", PathOf(flags, flags.kv ? "/export?kv=true" : "/export")));
  if (flags.file == "-") {
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
    return written ? Status() : Refuse(ErrorCode::kIo, "cannot write to standard output");
  }
  const std::string file = flags.file.empty() ? flags.id + ".quire" : flags.file;
  const std::string draft = file + ".part";
  std::ofstream out(draft, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out || std::rename(draft.c_str(), file.c_str()) != 0) {
    std::remove(draft.c_str());
    return Refuse(ErrorCode::kIo, fmt::format("cannot write '{}'", file));
  }
  fmt::print("{}\n", file);
  return {};
}

Status Import(const SessionFlags& flags, const ServerCaller& caller) {
  std::ifstream in(flags.file, std::ios::binary);
  if (!in) return Refuse(ErrorCode::kNotFound, fmt::format("cannot read '{}'", flags.file));
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string query = flags.new_id.empty() ? "" : "?id=" + ServerCaller::Escape(flags.new_id);
  QUIRE_TRY(const std::string answer,
            caller.Call("POST", std::string(kSessions) + "/import" + query, &bytes));
  const json told = json::parse(answer, nullptr, false);
  if (!told.is_object()) return Refuse(ErrorCode::kIo, "this server's answer cannot be read");
  fmt::print("{}\n", told.value("id", ""));
  const json kv = told.value("kv", json::object());
  if (kv.contains("refused") && kv["refused"].is_string()) {
    fmt::print(stderr, "of {} blocks of KV {} were taken, the rest is computed again: {}\n",
               kv.value("blocks", 0), kv.value("taken", 0), kv["refused"].get<std::string>());
  }
  return {};
}

Status HandOver(const SessionFlags& flags, const ServerCaller& caller) {
  json wish = json::object();
  wish["to"] = flags.to;
  const std::string body = wish.dump();
  QUIRE_TRY(const std::string answer, caller.Call("POST", PathOf(flags, "/handoff"), &body));
  const json told = json::parse(answer, nullptr, false);
  if (!told.is_object()) return Refuse(ErrorCode::kIo, "this server's answer cannot be read");
  if (flags.as_json) {
    fmt::print("{}\n", told.dump());
    return {};
  }
  const json kv = told.value("kv", json::object());
  fmt::print("{}\n", told.value("moved_to", ""));
  fmt::print(stderr, "{} tokens; of {} blocks of KV {} were there, {} were sent\n",
             told.value("tokens", 0), kv.value("blocks", 0), kv.value("held", 0),
             kv.value("sent", 0));
  if (kv.contains("recomputed") && kv["recomputed"].is_string()) {
    fmt::print(stderr, "the rest is computed again: {}\n", kv["recomputed"].get<std::string>());
  }
  return {};
}

using Action = Status (*)(const SessionFlags&, const ServerCaller&);

CLI::App* AddAction(CLI::App& parent, const char* name, const char* description,
                    SessionFlags& flags) {
  CLI::App* app = parent.add_subcommand(name, description);
  AddServerFlags(*app, flags.server);
  return app;
}

CLI::App* WithId(CLI::App* app, SessionFlags& flags) {
  app->add_option("ID", flags.id, "the session")->required();
  return app;
}

int RunAction(Action action, const SessionFlags& flags) {
  const Status done = action(flags, ServerCaller(flags.server));
  return done ? FinishOutput() : Fail(done.error());
}

}  // namespace

Command AddSession(CLI::App& parent) {
  auto flags = std::make_shared<SessionFlags>();
  CLI::App* app = parent.add_subcommand("session", "The conversations that a server keeps.");
  app->footer(
      "Examples:\n"
      "  quire session ls --search chat\n"
      "  quire session export chat.1 chat.1.quire\n"
      "  quire session import chat.1.quire --id copy --server http://other:8080\n"
      "  quire session handoff chat.1 other\n\n"
      "An exported file holds the conversation in the clear.");
  app->require_subcommand(1);
  CLI::App* list = AddAction(*app, "ls", "All sessions.", *flags);
  list->add_option("--search", flags->search, "only ids that hold this")->type_name("TEXT");
  CLI::App* show = WithId(AddAction(*app, "show", "One session.", *flags), *flags);
  CLI::App* over =
      WithId(AddAction(*app, "handoff", "Gives a session to another server, which goes on with it.",
                       *flags),
             *flags);
  over->add_option("PEER", flags->to, "name of that server, as the first one knows it")->required();
  for (CLI::App* one : {list, show, over})
    one->add_flag("--json", flags->as_json, "one line of JSON each");
  CLI::App* fork =
      WithId(AddAction(*app, "fork", "A new session that shares all so far.", *flags), *flags);
  CLI::App* remove = WithId(AddAction(*app, "rm", "Deletes a session.", *flags), *flags);
  remove->add_flag("--force", flags->force,
                   "also while it is not settled which server has it: the other one is asked once "
                   "more, and if it says nothing, nobody gets the session any more");
  CLI::App* reclaim = WithId(
      AddAction(*app, "reclaim", "Takes a session whose hand-off was broken off.", *flags), *flags);
  reclaim->add_flag("--force", flags->force,
                    "the other server is gone for good: take the session without its word");
  CLI::App* to = WithId(AddAction(*app, "export", "Writes a session into a file.", *flags), *flags);
  to->add_option("FILE", flags->file, "the file; -: standard output (default: ID.quire)");
  to->add_flag("--kv", flags->kv, "with the KV that is there, for servers of the same master key");
  CLI::App* from = AddAction(*app, "import", "Takes a session from a file.", *flags);
  from->add_option("FILE", flags->file, "the file")->required();
  for (CLI::App* one : {fork, from}) {
    one->add_option("--id", flags->new_id, "id of the new session")->type_name("ID");
  }
  return {app, [=](const Settings&) -> int {
            const std::pair<CLI::App*, Action> actions[] = {
                {list, List}, {show, Show},   {fork, Fork},     {remove, Remove},
                {to, Export}, {from, Import}, {over, HandOver}, {reclaim, Reclaim}};
            for (const auto& [one, action] : actions) {
              if (one->parsed()) return RunAction(action, *flags);
            }
            return kExitUsage;
          }};
}

}  // namespace quire
