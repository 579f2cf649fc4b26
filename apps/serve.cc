// quire serve: an OpenAI-compatible server.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "apps/attention_page.h"
#include "apps/command.h"
#include "apps/data_folder.h"
#include "apps/disk_flags.h"
#include "apps/engine_flags.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "apps/flags/settings.h"
#include "apps/plan_page.h"
#include "apps/trace_flags.h"
#include "base/size.h"
#include "base/spare_memory.h"
#include "base/threads.h"
#include "kernels/dispatch.h"
#include "ledger/ledger.h"
#include "lever/lever_board.h"
#include "lever/levers_file.h"
#include "reply/reply_format.h"
#include "server/server.h"
#include "server/tenants/master_key.h"
#include "server/tenants/tenant_directory.h"
#include "session/session_store.h"

namespace quire {
namespace {

// Beside the workers: engine, signals, loading, parsing, masks, check of the file, disk (2),
// ledger, levers, traces (2).
constexpr uint32_t kOtherThreads = 24;
constexpr uint64_t kLeastLedgerBytes = kMiB;
constexpr uint32_t kPeerThreads = 24;  // where sessions may be handed over
// A quarter is for the engine and the connections, some hundred times what their bookkeeping needs;
// the rest holds the largest body that is parsed, once more while it is destroyed.
constexpr size_t kSpareBytes = size_t{128} << 20;

struct ServeFlags {
  EngineFlags engine;
  ServerOptions server;
  std::vector<std::string> aliases;
  std::string max_body = "32MiB";
  std::string tool_parser = "auto";
  std::string tenants;          // path; empty: no keys
  std::string master_key_file;  // path; empty: in the user's configuration folder
  std::string data;             // folder; empty: in the user's data folder
  DiskFlags disk;
  std::string session_disk = "1GiB";
  std::string ledger_disk = "256MiB";
  uint32_t ledger_days = LedgerLimits().days;
  std::string levers;  // path; empty: none
  TraceFlags traces;
  std::vector<std::string> peers;
  std::string peer_secret_file;
  std::string peer_name;
  std::string session_secret;  // from the master key; empty: it does not outlive this process
  std::string lever_key;       // likewise
  std::string log_level = "info";
  bool print_config = false;
};

// Waits for signals on a thread of its own: a handler may not touch a server. The first SIGINT or
// SIGTERM drains, a second one cuts running answers off; SIGHUP reads the files of tenants and
// levers again.
class SignalWatch {
 public:
  // Before any other thread starts, so that all of them inherit the mask.
  SignalWatch(std::string tenants, std::string levers)
      : tenants_(std::move(tenants)), levers_(std::move(levers)) {
    sigemptyset(&set_);
    // Without those files a terminal that is closed ends the server, as ever.
    if (!tenants_.empty() || !levers_.empty()) sigaddset(&set_, SIGHUP);
    for (int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set_, signal);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  ~SignalWatch() {
    if (!thread_.joinable()) return;
    done_.store(true);
    kill(getpid(), SIGUSR1);
    thread_.join();
  }

  bool stopping() const { return stopping_.load(); }

  // `board` null: there are no levers.
  void Start(Server& server, std::shared_ptr<LeverBoard> board) {
    thread_ = std::thread([this, &server, board = std::move(board)] {
      int signal = 0;
      while (sigwait(&set_, &signal) == 0 && !done_.load()) {
        if (signal == SIGUSR1) continue;
        if (signal == SIGHUP) {
          if (!tenants_.empty()) ReadTenants(server);
          if (board != nullptr) ReadLevers(*board);
          continue;
        }
        if (stopping_.exchange(true)) {
          spdlog::info("asked again: running answers are cut off");
        } else {
          spdlog::info("{}: no new work; running answers may finish",
                       signal == SIGINT ? "interrupted" : "asked to stop");
        }
        server.Stop();
      }
    });
  }

 private:
  void ReadTenants(Server& server) {
    try {
      auto file = TenantsFile::Load(tenants_);
      if (!file) return NoteTenants(Status(std::unexpected(file.error())));
      server.SetTenants(*std::move(file), [](const Status& taken) { NoteTenants(taken); });
    } catch (const std::bad_alloc&) {
      spdlog::error("the tenants stay as they were: the system gave no memory");
    }
  }

  static void NoteTenants(const Status& taken) {
    if (taken) {
      spdlog::info("the tenants file was read again");
    } else {
      spdlog::error("the tenants stay as they were: {}", taken.error().message);
    }
  }

  void ReadLevers(LeverBoard& board) {
    try {
      auto levers = LoadLevers(levers_);
      const Status set = levers ? board.Set(*std::move(levers)) : std::unexpected(levers.error());
      if (set) return spdlog::info("the levers were read again");
      spdlog::error("the levers stay as they were: {}", set.error().message);
    } catch (const std::bad_alloc&) {
      spdlog::error("the levers stay as they were: the system gave no memory");
    }
  }

  const std::string tenants_;
  const std::string levers_;
  sigset_t set_;
  std::atomic<bool> done_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

void Announce(const ServeFlags& flags, const RunningModel& running, const std::string& url) {
  const EngineOptions& options = running.engine->options();
  const uint64_t kv_tokens = options.kv_memory_bytes /
                             running.model->kv_shape(options.kv_format).block_bytes() *
                             kBlockTokens;
  const uint32_t context = running.engine->context_tokens();
  spdlog::info("{}: {} weights, {} of KV ({} tokens), context {}, {} kernels",
               running.model->config().name, FormatSize(running.model->weight_bytes()),
               FormatSize(options.kv_memory_bytes), kv_tokens, context, IsaName(CurrentIsa()));
  spdlog::info("weights: {}", running.weights);
  if (const std::string disk = running.engine->disk(); !disk.empty()) {
    spdlog::info("KV on disk: {}", disk);
  }
  spdlog::info("started in {}", DescribeStart(running.times, running.model->load_report()));
  if (const std::string& warning = running.model->load_report().warning; !warning.empty()) {
    spdlog::warn("{}", warning);
  }
  if (kv_tokens < context) {
    spdlog::warn("requests of more than {} tokens will be refused: the KV memory holds no more",
                 kv_tokens);
  }
  if (Status chat = CheckCanChat(*running.file); !chat) {
    spdlog::warn("chat requests will be refused: {}", chat.error().message);
  }
  spdlog::info("ready at {} as \"{}\"", url, flags.server.model_names.front());
}

// Loads beside the listening server, so that /health can say so meanwhile.
class Loader {
 public:
  Loader(const ServeFlags& flags, Server& server, const SignalWatch& signals)
      : path_(flags.engine.model),
        thread_([this, &flags, &server, &signals] { Load(flags, server, signals); }) {}

  // What went wrong, if it did. A load that was interrupted ends with the process.
  std::optional<Error> Finish() {
    if (!finished_.load()) {
      if (changed_.load()) std::_Exit(kExitModel);  // StopAtOnce has said why
      spdlog::info("stopped before the model was loaded");
      std::_Exit(kExitFine);
    }
    thread_.join();
    check_.reset();
    if (changed_.load()) return ChangedError(path_);
    return error_;
  }

 private:
  void Load(const ServeFlags& flags, Server& server, const SignalWatch& signals) {
    auto running = Start(flags, server);
    if (running) running = CheckTenants(flags, *std::move(running));
    if (running) {
      check_ = std::move(running->check);
      server.SetReady({running->engine, running->tokenizer, running->chat_template,
                       running->chat_template_error, PlanPage(flags.engine, flags.data, *running),
                       AttentionPage(*running)});
      if (!signals.stopping()) Announce(flags, *running, server.url());
    } else {
      error_ = running.error();
    }
    finished_.store(true);
    if (error_) server.Stop();
  }

  // The threads it needs were there when the server began; others may have taken them since.
  Result<RunningModel> Start(const ServeFlags& flags, Server& server) try {
    return StartModel(flags.engine, [this, &server] { StopAtOnce(server); });
  } catch (const std::system_error& failure) {
    return Refuse(ErrorCode::kIo, failure.what());
  } catch (const std::bad_alloc&) {
    return Refuse(ErrorCode::kIo, "the system gave no memory for the model");
  }

  // More may be guaranteed than there is: better to say so now than to serve without limits.
  static Result<RunningModel> CheckTenants(const ServeFlags& flags, RunningModel running) {
    if (!flags.server.tenants) return running;
    const Status described =
        running.engine->SetTenants(TenantDirectory(*flags.server.tenants).tenants());
    if (described) return running;
    return Refuse(described.error().code, flags.tenants + ": " + described.error().message,
                  "tenants");
  }

  // The weights are of another file than the one whose name answers carry, and the rows of the
  // embedding table are of that one: no answer may go on.
  void StopAtOnce(Server& server) {
    changed_.store(true);
    spdlog::error("{}", ChangedError(path_).message);
    server.Stop();
    server.Stop();
  }

  const std::string path_;
  std::optional<Error> error_;
  std::unique_ptr<ContentCheck> check_;
  std::atomic<bool> changed_{false};
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

// Without a folder for it -- no home, or one that cannot be written -- a key for this process will
// do, unless a file was asked for.
Status ReadMasterKey(ServeFlags& flags) {
  const bool asked = !flags.master_key_file.empty();
  const std::string path = asked ? flags.master_key_file : ConfigPath("master.key");
  if (path.empty()) return {};
  const auto key = LoadMasterKey(path);
  if (key) {
    flags.engine.scope_secret = DeriveSecret(*key, "names of KV blocks");
    flags.session_secret = DeriveSecret(*key, "sessions");
    flags.lever_key = DeriveSecret(*key, "arms of levers");
  } else if (asked || key.error().code != ErrorCode::kIo) {
    return std::unexpected(key.error());
  } else {
    spdlog::warn("{}; a new one is used until this server stops", key.error().message);
  }
  return {};
}

// Sessions need a place and a key that outlive this process. Without them a server still serves,
// unless the place was asked for.
Status OpenSessions(ServeFlags& flags) {
  const bool asked = !flags.data.empty();
  const std::string folder = asked ? flags.data : DefaultDataFolder();
  ServerOptions& server = flags.server;
  if (flags.session_secret.empty() || folder.empty()) {
    server.no_sessions_reason = flags.session_secret.empty()
                                    ? "it has no master key that lasts; use --master-key-file"
                                    : "it has no folder for them; use --data";
    if (!asked) return {};
    return Refuse(ErrorCode::kInvalidArgument, server.no_sessions_reason, "data");
  }
  SessionStore::Limits limits;
  QUIRE_TRY(limits.bytes, ParseSize(flags.session_disk));
  Status made = MakeDataFolder(folder);
  if (made) {
    auto store = SessionStore::Open(folder + "/sessions.db", flags.session_secret, limits);
    if (store) {
      server.sessions = *std::move(store);
      server.session_secret = DeriveSecret(flags.session_secret, "exports");
      return {};
    }
    made = std::unexpected(std::move(store).error());
  }
  if (asked || made.error().code != ErrorCode::kIo) return made;
  server.no_sessions_reason = made.error().message;
  spdlog::warn("sessions are off: {}", made.error().message);
  return {};
}

// Whatever becomes of the file, requests are served.
Status OpenLedger(ServeFlags& flags) {
  const std::string folder = flags.data.empty() ? DefaultDataFolder() : flags.data;
  LedgerLimits limits;
  limits.days = flags.ledger_days;
  QUIRE_TRY(limits.bytes, ParseSize(flags.ledger_disk));
  if (limits.bytes > 0 && limits.bytes < kLeastLedgerBytes) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("a ledger of {} holds next to nothing; use {} or more, or 0 for none",
                              flags.ledger_disk, FormatSize(kLeastLedgerBytes)),
                  "ledger-disk");
  }
  ServerOptions& server = flags.server;
  if (limits.bytes == 0 || folder.empty()) {
    server.no_ledger_reason = limits.bytes == 0 ? "it was started with --ledger-disk 0"
                                                : "it has no folder for it; use --data";
    return {};
  }
  if (const Status made = MakeDataFolder(folder); !made) {
    spdlog::warn("the ledger cannot be written: {}", made.error().message);
  }
  server.ledger = std::make_shared<Ledger>(folder + "/ledger.db", limits,
                                           [](std::string_view line) { spdlog::warn("{}", line); });
  return {};
}

// Levers are compared in the ledger, and what became of them lies beside it.
Status OpenLevers(ServeFlags& flags) {
  if (flags.levers.empty()) return {};
  if (flags.server.ledger == nullptr) {
    return Refuse(
        ErrorCode::kInvalidArgument,
        "levers are compared in the ledger, and there is none: " + flags.server.no_ledger_reason,
        "levers");
  }
  if (flags.lever_key.empty()) {  // arms that anybody could foretell
    return Refuse(ErrorCode::kInvalidArgument,
                  "who is in which arm follows from the master key, and there is none that lasts; "
                  "use --master-key-file",
                  "levers");
  }
  QUIRE_TRY(std::vector<Lever> levers, LoadLevers(flags.levers));
  for (const Lever& lever : levers) {
    if (lever.change.kind == LeverKind::kOffload && flags.engine.disk_bytes == 0) {
      spdlog::warn("lever \"{}\" changes nothing: this server keeps no KV on disk", lever.name);
    }
    if (lever.share == 0 || lever.share == 1) {
      spdlog::warn("lever \"{}\" has a share of {}: there is nothing to compare it with",
                   lever.name, lever.share);
    }
  }
  const std::string folder = flags.data.empty() ? DefaultDataFolder() : flags.data;
  QUIRE_TRY(flags.server.levers,
            LeverBoard::Open({.path = folder + "/levers.db",
                              .key = flags.lever_key,
                              .ledger = flags.server.ledger,
                              .log = [](std::string_view line) { spdlog::warn("{}", line); }},
                             std::move(levers)));
  return {};
}

Status ReadPeers(ServeFlags& flags) {
  std::vector<Peer> peers;
  for (const std::string& text : flags.peers) {
    QUIRE_TRY(Peer peer, ParsePeer(text, flags.peer_secret_file));
    peers.push_back(std::move(peer));
  }
  QUIRE_TRY(flags.server.peers, PeerDirectory::Make(std::move(peers), flags.peer_name));
  return {};
}

Status CompleteFlags(ServeFlags& flags) {
  QUIRE_TRY(flags.server.max_body_bytes, ParseSize(flags.max_body));
  flags.server.model_names = {std::filesystem::path(flags.engine.model).stem().string()};
  for (const std::string& alias : flags.aliases) flags.server.model_names.push_back(alias);
  flags.server.reply_format = FindReplyFormat(flags.tool_parser);  // empty for auto
  if (!flags.tenants.empty()) {
    QUIRE_TRY(flags.server.tenants, TenantsFile::Load(flags.tenants));
  }
  if (Status read = ReadPeers(flags); !read) return read;
  flags.server.log = [](std::string_view line) { spdlog::error("{}", line); };
  flags.server.build = {QUIRE_VERSION, "g++ " __VERSION__};
  return {};
}

int Serve(ServeFlags& flags) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("quire"));
  spdlog::set_pattern("%H:%M:%S %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(flags.log_level));
  SignalWatch signals(flags.tenants, flags.levers);
  SpareMemory::Keep(kSpareBytes);
  // A file that cannot be a model is refused before the port is taken.
  if (auto file = GgufFile::Open(flags.engine.model); !file) return Fail(file.error(), kExitModel);
  const uint32_t peers = flags.server.peers.peers().empty() ? 0 : kPeerThreads;
  const uint32_t wanted = flags.engine.threads.count() + kOtherThreads + peers;
  if (Status threads = CheckThreads(wanted); !threads) return Fail(threads.error());
  if (Status read = ReadMasterKey(flags); !read) return Fail(read.error());
  if (Status disk = ResolveDisk(flags.disk, flags.data, flags.engine); !disk) {
    return Fail(disk.error());
  }
  if (Status opened = OpenSessions(flags); !opened) return Fail(opened.error());
  if (Status opened = OpenLedger(flags); !opened) return Fail(opened.error());
  if (Status opened = OpenLevers(flags); !opened) return Fail(opened.error());
  if (Status started = StartTraces(flags.traces, flags.server); !started) {
    return Fail(started.error());
  }
  auto server = Server::Listen(flags.server);
  if (!server) return Fail(server.error());
  signals.Start(**server, flags.server.levers);
  Loader loader(flags, **server, signals);
  (*server)->Run();
  if (const auto error = loader.Finish()) return FailToStart(*error);
  spdlog::info("stopped");
  return kExitFine;
}

void AddPeerFlags(CLI::App& app, ServeFlags& flags) {
  app.add_option("--peer", flags.peers,
                 "a server that sessions may be handed to and come from, as NAME=URL, or "
                 "'NAME=URL FILE' with a secret of its own; may be repeated")
      ->type_name(kPeerType)
      ->allow_extra_args(false);
  app.add_option("--peer-secret-file", flags.peer_secret_file,
                 "secret that this server and its peers share: 32 bytes or more, the same on both "
                 "sides, readable by nobody else")
      ->type_name("FILE");
  app.add_option("--peer-name", flags.peer_name,
                 "what peers call this server; needed where several of them share a secret")
      ->type_name("NAME");
}

void AddLedgerFlags(CLI::App& app, ServeFlags& flags) {
  Size(
      app.add_option("--ledger-disk", flags.ledger_disk,
                     "most that the ledger of requests in --data may take on disk, the oldest rows "
                     "make room; 0: none is kept"),
      0, false)
      ->capture_default_str();
  Whole(app.add_option("--ledger-days", flags.ledger_days,
                       "how long a row of the ledger is kept; 0: as long as there is room"),
        0, 36500)
      ->capture_default_str();
  app.add_option("--levers", flags.levers,
                 "file of changes to be tried on a share of the traffic, each with a guardrail "
                 "that takes it back; SIGHUP reads it again")
      ->type_name("FILE");
}

void AddServerFlags(CLI::App& app, ServeFlags& flags) {
  ServerOptions& server = flags.server;
  app.add_option("--host", server.host, "address to listen on")
      ->type_name("ADDRESS")
      ->capture_default_str();
  Whole(app.add_option("--port", server.port, "port to listen on; 0: any free one"), 0, 65535)
      ->capture_default_str();
  app.add_flag("--insecure", server.insecure,
               "allow a --host that other machines can reach, though no key is asked for");
  app.add_option("--tenants", flags.tenants,
                 "file of those who may use the server (`quire tenant add` makes it); every path "
                 "but /health then needs a key; SIGHUP reads it again")
      ->type_name("FILE");
  app.add_option("--master-key-file", flags.master_key_file,
                 "secret from which the names of KV blocks are derived; drawn at the first start "
                 "(default: quire/master.key in ~/.config)")
      ->type_name("FILE");
  app.add_option("--data", flags.data,
                 "folder for what outlives the server: KV and sessions (default: quire in "
                 "~/.local/share)")
      ->type_name("DIR");
  AddDiskFlags(app, flags.disk);
  Size(app.add_option("--session-disk", flags.session_disk,
                      "most that the sessions of one tenant may take on disk"),
       4096, false)
      ->capture_default_str();
  AddLedgerFlags(app, flags);
  AddTraceFlags(app, flags.traces);
  AddPeerFlags(app, flags);
  app.add_option("--alias", flags.aliases,
                 "another name the model answers to; '*' accepts any; may be repeated "
                 "(environment: separated by commas)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("--cors-origin", server.cors_origin,
                 "origin whose pages may call this server (default: none)")
      ->type_name("ORIGIN");
  Size(app.add_option("--max-body", flags.max_body, "largest request body"), 1024, false)
      ->capture_default_str();
  Whole(app.add_option("--max-connections", server.max_connections, "connections open at once"), 1,
        1000000)
      ->capture_default_str();
  Whole(app.add_option("--stall-seconds", server.stall_seconds,
                       "cancel a stream that its client does not read for this long"),
        1, 86400)
      ->capture_default_str();
  Whole(app.add_option("--drain-seconds", server.drain_seconds,
                       "how long running answers may finish after SIGTERM"),
        0, 86400)
      ->capture_default_str();
  OneOf(app.add_option("--tool-parser", flags.tool_parser,
                       "how the model writes tool calls and reasoning; auto: as its chat template "
                       "teaches; none: leave answers as they are; or hermes, llama, mistral, "
                       "deepseek, granite, command-r, phi, harmony, qwen-coder"),
        {"auto", "none", "hermes", "llama", "mistral", "deepseek", "granite", "command-r", "phi",
         "harmony", "qwen-coder"})
      ->type_name("FORMAT")  // all of them would be wider than a terminal
      ->capture_default_str();
  OneOf(app.add_option("--log-level", flags.log_level, "how much is written to stderr"),
        {"trace", "debug", "info", "warn", "error", "off"})
      ->capture_default_str();
}

}  // namespace

Command AddServe(CLI::App& parent) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* app = parent.add_subcommand("serve", "An OpenAI-compatible server.");
  app->footer(
      "Examples:\n"
      "  quire serve model.gguf\n"
      "  quire serve model.gguf --port 9000 --kv-memory 4GiB --alias gpt-4o-mini\n"
      "  QUIRE_THREADS=8 quire serve model.gguf --config quire.toml\n\n"
      "Every flag is also a key of quire.toml and an environment variable QUIRE_<FLAG>,\n"
      "as in QUIRE_KV_MEMORY: flag > environment > file > default.");
  app->add_option("MODEL.gguf", flags->engine.model, "the model; of a split one the first part");
  AddServerFlags(*app, *flags);
  AddModelFlags(*app, flags->engine);
  AddSchedulerFlags(*app, flags->engine);
  app->add_flag("--print-config", flags->print_config,
                "print every setting and where it came from, and exit");
  return {app, [flags](const Settings& settings) -> int {
            if (flags->print_config) {
              fmt::print("{}", settings.Describe());
              return FinishOutput();
            }
            if (flags->engine.model.empty()) {
              return Fail({ErrorCode::kInvalidArgument,
                           "which model? quire serve MODEL.gguf; see `quire serve --help`", ""});
            }
            if (Status done = CompleteFlags(*flags); !done) return Fail(done.error());
            return Serve(*flags);
          }};
}

}  // namespace quire
