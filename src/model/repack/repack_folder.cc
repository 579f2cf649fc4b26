#include "model/repack/repack_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/size.h"
#include "model/repack/file_writer.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".repacked";

struct KeptFile {
  fs::path path;
  uint64_t bytes;
  fs::file_time_type used;
};

// The longest unused first. What cannot be read is not there.
std::vector<KeptFile> KeptFiles(const std::string& folder) {
  std::vector<KeptFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!entry.path().native().ends_with(kSuffix)) continue;
    std::error_code gone;
    const bool regular = entry.is_regular_file(gone);
    const uint64_t bytes = regular ? entry.file_size(gone) : 0;
    const auto used = entry.last_write_time(gone);
    if (regular && !gone) files.push_back({entry.path(), bytes, used});
  }
  std::ranges::sort(files, {}, &KeptFile::used);
  return files;
}

const char* Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? value : nullptr;
}

}  // namespace

RepackFolder::RepackFolder(std::string path, uint64_t limit_bytes)
    : path_(std::move(path)), limit_bytes_(limit_bytes) {}

std::string RepackFolder::DefaultPath() {
  if (const char* cache = Environment("XDG_CACHE_HOME")) {
    return std::string(cache) + "/quire/repacked";
  }
  if (const char* home = Environment("HOME")) return std::string(home) + "/.cache/quire/repacked";
  return {};
}

std::string RepackFolder::PathOf(const RepackKey& key) const {
  return path_ + "/" + key.FileName();
}

Result<MappedFile> RepackFolder::Open(const RepackKey& key, WorkerPool& pool) const {
  const std::string path = PathOf(key);
  QUIRE_TRY(MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  if (!bytes.empty()) {  // advice: pages of 2 MiB where the file must be read from the disk
    madvise(const_cast<std::byte*>(bytes.data()), bytes.size(), MADV_HUGEPAGE);
  }
  if (const Status good = CheckRepackImage(key, bytes, pool); !good) {
    return Refuse(good.error().code, fmt::format("'{}': {}", path, good.error().message));
  }
  utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // used now; a folder to read only keeps its order
  return file;
}

Status RepackFolder::Add(const RepackKey& key, std::span<const std::byte> image,
                         const std::function<void(uint64_t done_bytes)>& progress) const {
  if (image.size() > limit_bytes_) {
    return Refuse(ErrorCode::kNeverFits,
                  fmt::format("{} are more than the limit of {} for '{}'", FormatSize(image.size()),
                              FormatSize(limit_bytes_), path_));
  }
  if (const Status made = Create(); !made) return made;
  RemoveLeftovers(path_);
  MakeRoom(image.size(), PathOf(key));
  return WriteWholeFile(PathOf(key), image, progress);
}

RepackFolder::Usage RepackFolder::usage() const {
  Usage usage;
  for (const KeptFile& file : KeptFiles(path_)) {
    ++usage.files;
    usage.bytes += file.bytes;
  }
  return usage;
}

Status RepackFolder::Create() const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (!error && fs::is_directory(path_, error)) return {};
  return Refuse(ErrorCode::kIo, fmt::format("'{}' is no folder and cannot be made one: {}", path_,
                                            error ? error.message() : "something else is there"));
}

// `kept_path` is about to be replaced: it does not count, and goes only by that.
void RepackFolder::MakeRoom(uint64_t bytes, const std::string& kept_path) const {
  std::vector<KeptFile> files = KeptFiles(path_);
  std::erase_if(files, [&](const KeptFile& file) { return file.path == kept_path; });
  uint64_t sum = bytes;
  for (const KeptFile& file : files) sum += file.bytes;
  for (const KeptFile& file : files) {
    if (sum <= limit_bytes_) return;
    std::error_code error;
    fs::remove(file.path, error);
    sum -= file.bytes;
  }
}

}  // namespace quire
