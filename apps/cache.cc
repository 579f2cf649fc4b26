// quire cache: the KV that a server keeps on disk.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <algorithm>
#include <filesystem>
#include <string>

#include "apps/command.h"
#include "apps/data_folder.h"
#include "apps/exit_code.h"
#include "base/size.h"
#include "tier/ssd/folder_survey.h"
#include "tier/ssd/segment_folder.h"

namespace quire {
namespace {

Result<std::string> KvFolder(const std::string& data) {
  const std::string folder = data.empty() ? DefaultDataFolder() : data;
  if (folder.empty()) {
    return Refuse(ErrorCode::kInvalidArgument, "which folder? use --data DIR", "data");
  }
  const std::string kv = folder + "/kv";
  if (std::error_code ignored; !std::filesystem::is_directory(kv, ignored)) {
    return Refuse(ErrorCode::kNotFound,
                  fmt::format("there is no KV in {}; use --data to name the folder that the server "
                              "has as its --data",
                              folder),
                  "data");
  }
  return kv;
}

std::string Hex(const ShortTag& tag) {
  std::string text;
  for (size_t i = 0; i < 4; ++i) text += fmt::format("{:02x}", static_cast<unsigned>(tag[i]));
  return text;
}

int Show(const std::string& folder, bool verify) {
  DiskEnvironment disk;
  const FolderSurvey survey = SurveyFolder(disk, folder, verify);
  constexpr auto kRow = "{:<10} {:>12} {:>8} {:>9} {:>9} {:>10} {:>10}{}\n";
  fmt::print(kRow, "OWNER", "GENERATION", "FORMAT", "SEALED", "RECORDS", "BLOCKS", "BYTES",
             verify ? "    DAMAGED" : "");
  uint64_t damaged = 0;
  for (const auto& [key, group] : survey.groups) {
    const auto& [owner, generation, format, sealed] = key;
    damaged += group.damaged_blocks;
    fmt::print(kRow, Hex(owner), generation, format, sealed ? "yes" : "no", group.records,
               group.blocks, FormatSize(group.bytes),
               verify ? fmt::format("{:>11}", group.damaged_blocks) : "");
  }
  fmt::print("{} in {} segments in {}\n", FormatSize(survey.file_bytes), survey.segments, folder);
  if (survey.damaged_segments > 0) {
    fmt::print("{} segments cannot be read\n", survey.damaged_segments);
  }
  if (damaged + survey.damaged_segments == 0) return FinishOutput();
  return Fail({ErrorCode::kIo,
               fmt::format("{} blocks are damaged: they will be computed again. A disk that does "
                           "this twice should be replaced",
                           damaged),
               {}});
}

int Purge(const std::string& folder) {
  DiskEnvironment disk;
  const auto owned = SegmentFolder::Open(disk, folder);
  if (!owned) return Fail(owned.error());
  const std::vector<uint64_t> segments = ListSegments(folder);
  for (const uint64_t segment : segments) owned->Delete(segment);
  fmt::print("deleted {} segments in {}\n", segments.size(), folder);
  return FinishOutput();
}

}  // namespace

Command AddCache(CLI::App& parent) {
  auto data = std::make_shared<std::string>();
  CLI::App* app = parent.add_subcommand("cache", "The KV that a server keeps on disk.");
  app->footer(
      "Examples:\n"
      "  quire cache ls\n"
      "  quire cache verify --data /srv/quire && echo sound\n\n"
      "ls and verify need no key and may run beside a server; an owner is a keyed hash of a\n"
      "tenant's name. To make the KV of one tenant unreadable, see `quire tenant purge`.");
  app->require_subcommand(1);
  const auto add = [&](const char* name, const char* description) {
    CLI::App* action = app->add_subcommand(name, description);
    action->add_option("--data", *data, "the server's --data (default: quire in ~/.local/share)")
        ->type_name("DIR");
    return action;
  };
  CLI::App* list = add("ls", "What is there, by owner.");
  CLI::App* verify = add("verify", "Reads all of it; fails if anything is damaged.");
  CLI::App* purge = add("purge", "Deletes all of it; no server may be using it.");
  return {app, [=](const Settings&) -> int {
            const auto folder = KvFolder(*data);
            if (!folder) return Fail(folder.error());
            if (purge->parsed()) return Purge(*folder);
            return Show(*folder, verify->parsed() && !list->parsed());
          }};
}

}  // namespace quire
