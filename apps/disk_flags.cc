#include "apps/disk_flags.h"

#include <CLI/Option.hpp>
#include <algorithm>
#include <filesystem>

#include "apps/data_folder.h"
#include "apps/flags/flag_values.h"
#include "base/size.h"

namespace quire {
namespace {

constexpr uint64_t kMostByDefault = 8 * kGiB;
constexpr uint64_t kShareByDefault = 10;  // a tenth of what is free

// Of the file system that `folder` is or will be on. 0 if the system does not say.
uint64_t FreeBytes(std::filesystem::path folder) {
  for (;;) {
    std::error_code error;
    const auto space = std::filesystem::space(folder, error);
    if (!error) return space.available;
    if (!folder.has_parent_path() || folder.parent_path() == folder) return 0;
    folder = folder.parent_path();
  }
}

}  // namespace

void AddDiskFlags(CLI::App& app, DiskFlags& flags) {
  Size(app.add_option("--disk", flags.disk,
                      "most bytes of KV kept in --data, found again after a restart (default auto: "
                      "a tenth of what is free there, at most 8GiB); 0: none"),
       0, true)
      ->capture_default_str();
  OneOf(app.add_option("--disk-encryption", flags.encryption,
                       "whether KV on disk is encrypted, with keys derived from the master key"),
        {"on", "off"})
      ->capture_default_str();
  OneOf(app.add_option("--disk-page-cache", flags.page_cache,
                       "whether the system may keep in spare memory what was written to disk last, "
                       "where it outlives this process"),
        {"on", "off"})
      ->capture_default_str();
}

Result<uint64_t> DiskBytes(const std::string& disk, const std::string& data) {
  if (disk != "auto") return ParseSize(disk);
  const std::string folder = data.empty() ? DefaultDataFolder() : data;
  if (folder.empty()) return 0;
  // What is there already is not free, but ours: the limit would shrink from start to start.
  uint64_t ours = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator file(folder + "/kv", error), end; !error && file != end;
       file.increment(error)) {
    std::error_code no_size;
    const uint64_t bytes = file->file_size(no_size);
    if (!no_size) ours += bytes;
  }
  return std::min((FreeBytes(folder) + ours) / kShareByDefault, kMostByDefault);
}

Status ResolveDisk(const DiskFlags& flags, const std::string& data, EngineFlags& engine) {
  const std::string folder = data.empty() ? DefaultDataFolder() : data;
  engine.disk_encryption = flags.encryption == "on";
  engine.disk_page_cache = flags.page_cache == "on";
  engine.disk_required = !data.empty() || flags.disk != "auto";
  QUIRE_TRY(engine.disk_bytes, DiskBytes(flags.disk, data));
  if (flags.disk != "auto" && engine.disk_bytes == 0) return {};
  if (folder.empty()) {
    if (!engine.disk_required) return {};
    return Refuse(ErrorCode::kInvalidArgument,
                  "there is no home to keep KV in; name a folder with --data", "data");
  }
  if (engine.scope_secret.empty()) {
    if (!engine.disk_required) return {};
    return Refuse(ErrorCode::kInvalidArgument,
                  "KV on disk needs a master key that lasts; name one with --master-key-file",
                  "master-key-file");
  }
  engine.disk_folder = folder + "/kv";
  return {};
}

}  // namespace quire
