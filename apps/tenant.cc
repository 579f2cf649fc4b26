// quire tenant: who may use a server, kept in the tenants file.
#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/file.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "base/size.h"
#include "server/tenants/master_key.h"
#include "server/tenants/tenant_key.h"
#include "server/tenants/tenants_file.h"
#include "server/tenants/tenants_text.h"

namespace quire {
namespace {

struct TenantFlags {
  std::string name;
  std::string file;
  // Texts as given; empty: not given.
  std::string weight;
  std::string kv_guaranteed;
  std::string kv_limit;
  std::string kv_pinned;
  std::string disk_limit;
  std::string max_concurrent;
  std::string max_context;
  std::string tokens_per_minute;
  bool admin = false;
};

// One change of a file at a time: two processes that read, change and write it would lose one
// change. The lock is on the folder, since the file itself is replaced.
class FolderLock {
 public:
  explicit FolderLock(const std::string& file) {
    auto folder = std::filesystem::path(file).parent_path();
    if (folder.empty()) folder = ".";
    fd_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  ~FolderLock() {
    if (fd_ >= 0) close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

// The time serves as a number that was never used before, also for a name that comes back.
uint64_t NewGeneration(uint64_t last) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return std::max(last + 1, static_cast<uint64_t>(seconds));
}

std::vector<TomlField> FieldsOf(const TenantFlags& flags, const std::string& key) {
  std::vector<TomlField> fields = {{"key_hashes", "[\"" + HashTenantKey(key) + "\"]"},
                                   {"generation", std::to_string(NewGeneration(0))}};
  const auto number = [&fields](const char* field, const std::string& text) {
    if (!text.empty()) fields.emplace_back(field, text);
  };
  const auto size = [&fields](const char* field, const std::string& text) {
    if (!text.empty()) fields.emplace_back(field, "\"" + text + "\"");
  };
  number("weight", flags.weight);
  size("kv_guaranteed", flags.kv_guaranteed);
  size("kv_limit", flags.kv_limit);
  size("kv_pinned", flags.kv_pinned);
  size("disk_limit", flags.disk_limit);
  number("max_concurrent", flags.max_concurrent);
  number("max_context", flags.max_context);
  number("tokens_per_minute", flags.tokens_per_minute);
  if (flags.admin) fields.emplace_back("admin", "true");
  return fields;
}

Status Add(const TenantFlags& flags) {
  TenantsText file{{}, flags.file};
  if (auto text = ReadTextFile(flags.file)) {
    file.text = *std::move(text);
  } else if (text.error().code != ErrorCode::kNotFound) {
    return std::unexpected(text.error());
  }
  const std::string key = NewTenantKey();
  QUIRE_TRY(const std::string changed, file.Add(flags.name, FieldsOf(flags, key)));
  if (const Status written = WriteTextFile(flags.file, changed); !written) return written;
  fmt::print(stderr,
             "added \"{0}\" to {1}; its key follows and is shown only now.\n"
             "Start with `quire serve MODEL.gguf --tenants {1}`; a server that runs reads the file "
             "again on SIGHUP.\n",
             flags.name, flags.file);
  fmt::print("{}\n", key);
  return {};
}

Status Remove(const TenantFlags& flags) {
  QUIRE_TRY(std::string text, ReadTextFile(flags.file));
  QUIRE_TRY(const std::string changed,
            (TenantsText{std::move(text), flags.file}.Remove(flags.name)));
  if (const Status written = WriteTextFile(flags.file, changed); !written) return written;
  fmt::print(stderr, "removed \"{}\"; a server that runs needs a SIGHUP\n", flags.name);
  return {};
}

Status Purge(const TenantFlags& flags) {
  QUIRE_TRY(std::string text, ReadTextFile(flags.file));
  QUIRE_TRY(const TenantsFile parsed, TenantsFile::Parse(text, flags.file));
  const TenantRecord* record = parsed.Find(flags.name);
  const uint64_t last = record == nullptr ? 0 : record->tenant.generation;
  QUIRE_TRY(const std::string changed, (TenantsText{std::move(text), flags.file}.SetGeneration(
                                           flags.name, NewGeneration(last))));
  if (const Status written = WriteTextFile(flags.file, changed); !written) return written;
  fmt::print(stderr,
             "nothing that \"{}\" left behind will be found again; a server that runs "
             "forgets and wipes it on SIGHUP\n",
             flags.name);
  return {};
}

std::string SizeOr(uint64_t bytes, const char* otherwise) {
  return bytes == Tenant::kUnlimited ? otherwise : FormatSize(bytes);
}

template <typename Count>
std::string CountOr(Count count, const char* otherwise) {
  return count == std::numeric_limits<Count>::max() ? otherwise : std::to_string(count);
}

Status List(const TenantFlags& flags) {
  QUIRE_TRY(const TenantsFile file, TenantsFile::Load(flags.file));
  const char* none = "-";
  constexpr auto kRow = "{:<24} {:>4} {:>7} {:>10} {:>10} {:>10} {:>10} {:>7} {:>8} {:>9}  {}\n";
  fmt::print(kRow, "NAME", "KEYS", "WEIGHT", "GUARANTEED", "LIMIT", "PINNED", "DISK", "AT ONCE",
             "CONTEXT", "TOK/MIN", "ADMIN");
  for (const TenantRecord& record : file.tenants) {
    const Tenant& tenant = record.tenant;
    fmt::print(kRow, tenant.name, record.key_hashes.size(), fmt::format("{:g}", tenant.weight),
               FormatSize(tenant.kv_guaranteed_bytes), SizeOr(tenant.kv_limit_bytes, none),
               SizeOr(tenant.kv_pinned_bytes, none), SizeOr(record.tenant.disk_limit_bytes, none),
               CountOr(tenant.max_concurrent, none), CountOr(tenant.max_context, none),
               CountOr(tenant.tokens_per_minute, none), record.admin ? "yes" : "no");
  }
  return {};
}

using Action = Status (*)(const TenantFlags&);

CLI::App* AddAction(CLI::App& parent, const char* name, const char* description,
                    TenantFlags& flags) {
  CLI::App* app = parent.add_subcommand(name, description);
  if (std::string(name) != "ls") {
    app->add_option("NAME", flags.name, "the tenant's name")->required();
  }
  app->add_option("--tenants", flags.file,
                  "the file (default: $QUIRE_TENANTS, else quire/tenants.toml in ~/.config)")
      ->type_name("FILE");
  return app;
}

void AddLimits(CLI::App& app, TenantFlags& flags) {
  constexpr uint64_t kMost32 = std::numeric_limits<uint32_t>::max();
  Real(app.add_option("--weight", flags.weight, "share of compute when contended"), 1e-6, 1e6);
  Size(app.add_option("--kv-guaranteed", flags.kv_guaranteed,
                      "KV memory that others cannot take from it"),
       0, false);
  Size(app.add_option("--kv-limit", flags.kv_limit, "most KV memory it may hold"), 0, false);
  Size(app.add_option("--kv-pinned", flags.kv_pinned,
                      "of that, what it may pin (default: what is guaranteed)"),
       0, false);
  Size(app.add_option("--disk-limit", flags.disk_limit, "most disk it may use"), 0, false);
  Whole(app.add_option("--max-concurrent", flags.max_concurrent, "answers computed at once"), 1,
        kMost32);
  Whole(app.add_option("--max-context", flags.max_context, "tokens of one request"), 1, kMost32);
  Whole(app.add_option("--tokens-per-minute", flags.tokens_per_minute,
                       "tokens computed in a minute; cached ones do not count"),
        1, std::numeric_limits<int64_t>::max());
  app.add_flag("--admin", flags.admin, "it sees all tenants in /metrics, /v1/cache and /");
}

std::string DefaultFile() {
  const char* given = std::getenv("QUIRE_TENANTS");
  return given != nullptr && *given != '\0' ? given : ConfigPath("tenants.toml");
}

int RunAction(Action action, TenantFlags& flags) {
  if (sodium_init() < 0) return Fail({ErrorCode::kInternal, "libsodium does not work here", {}});
  if (flags.file.empty()) flags.file = DefaultFile();
  if (flags.file.empty()) {
    return Fail({ErrorCode::kInvalidArgument, "which file? use --tenants FILE", {}});
  }
  const FolderLock lock(flags.file);
  const Status done = action(flags);
  return done ? FinishOutput() : Fail(done.error());
}

}  // namespace

Command AddTenant(CLI::App& parent) {
  auto flags = std::make_shared<TenantFlags>();
  CLI::App* app = parent.add_subcommand("tenant", "Who may use a server, and how much of it.");
  app->footer(
      "Examples:\n"
      "  quire tenant add acme --tenants tenants.toml --kv-guaranteed 256MiB\n"
      "  quire tenant purge acme --tenants tenants.toml && kill -HUP $(pidof quire)\n\n"
      "The file holds hashes of keys, never keys. Comments in it stay where they are.");
  app->require_subcommand(1);
  CLI::App* add = AddAction(*app, "add", "A new tenant; prints its key, once.", *flags);
  AddLimits(*add, *flags);
  CLI::App* list = AddAction(*app, "ls", "All tenants and what they may use.", *flags);
  CLI::App* remove = AddAction(*app, "rm", "Its keys are refused from now on.", *flags);
  CLI::App* purge = AddAction(*app, "purge", "Makes all KV of a tenant unreachable.", *flags);
  return {app, [=](const Settings&) -> int {
            const std::pair<CLI::App*, Action> actions[] = {
                {add, Add}, {list, List}, {remove, Remove}, {purge, Purge}};
            for (const auto& [one, action] : actions) {
              if (one->parsed()) return RunAction(action, *flags);
            }
            return kExitUsage;
          }};
}

}  // namespace quire
