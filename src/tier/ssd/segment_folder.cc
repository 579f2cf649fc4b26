#include "tier/ssd/segment_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace quire {
namespace {

// What may be read at once of a footer: a segment of the smallest records has less.
constexpr uint64_t kMostFooterBytes = uint64_t{256} << 20;
constexpr uint64_t kMostHeaderBytes = uint64_t{64} << 20;

std::unexpected<Error> IoError(const std::string& what, const std::string& path) {
  return Refuse(ErrorCode::kIo, fmt::format("cannot {} '{}': {}", what, path, std::strerror(errno)),
                "data");
}

// All of [offset, offset + bytes), or an empty buffer.
AlignedBuffer ReadAll(DiskEnvironment& disk, const OpenFile& file, uint64_t offset,
                      uint64_t bytes) {
  AlignedBuffer buffer(bytes);
  const int64_t read = disk.ReadAt(file, buffer.span(), offset);
  return read == static_cast<int64_t>(bytes) ? std::move(buffer) : AlignedBuffer();
}

bool ReadByFooter(DiskEnvironment& disk, const OpenFile& file, SegmentContents& contents) {
  const uint64_t size = contents.file_bytes;
  if (size % kIoAlign != 0 || size < kSegmentStartBytes + 2 * kIoAlign) return false;
  const AlignedBuffer end = ReadAll(disk, file, size - kIoAlign, kIoAlign);
  if (end.size() == 0) return false;
  const auto place = ReadSegmentEnd(end.span(), contents.segment, size);
  if (!place || place->bytes > kMostFooterBytes) return false;
  const AlignedBuffer footer = ReadAll(disk, file, place->offset, place->bytes);
  if (footer.size() == 0) return false;
  auto records = ReadFooter(footer.span(), contents.segment, *place);
  if (!records) return false;
  contents.records = *std::move(records);
  contents.used_bytes = place->offset;
  contents.closed = true;
  return true;
}

// The record that begins at `offset` and lies wholly in the file.
std::optional<PlacedRecord> ReadRecordAt(DiskEnvironment& disk, const OpenFile& file,
                                         const SegmentContents& contents, uint64_t offset) {
  if (contents.file_bytes < offset + kIoAlign) return std::nullopt;
  AlignedBuffer header = ReadAll(disk, file, offset, kIoAlign);
  if (header.size() == 0) return std::nullopt;
  const auto bytes = HeaderBytes(header.span());
  if (!bytes || *bytes > kMostHeaderBytes || *bytes > contents.file_bytes - offset) {
    return std::nullopt;
  }
  if (*bytes > kIoAlign) header = ReadAll(disk, file, offset, *bytes);
  if (header.size() == 0) return std::nullopt;
  auto head = ReadHeader(header.span());
  if (!head || head->segment != contents.segment) return std::nullopt;
  const RecordLayout layout(head->shape, head->num_blocks(), head->cipher != Cipher::kNone);
  if (layout.record_bytes > contents.file_bytes - offset) return std::nullopt;
  return PlacedRecord{offset, *std::move(head)};
}

void ReadByScan(DiskEnvironment& disk, const OpenFile& file, SegmentContents& contents) {
  contents.used_bytes = kSegmentStartBytes;
  while (auto record = ReadRecordAt(disk, file, contents, contents.used_bytes)) {
    const RecordHead& head = record->head;
    const bool sealed = head.cipher != Cipher::kNone;
    contents.used_bytes += RecordLayout(head.shape, head.num_blocks(), sealed).record_bytes;
    contents.records.push_back(*std::move(record));
  }
}

// Cuts the torn tail off and writes the footer that is missing. A failure costs a scan at the next
// start.
void Close(DiskEnvironment& disk, const std::string& path, SegmentContents& contents) {
  const auto file = disk.Open(path, DiskEnvironment::Mode::kRepair);
  if (file == nullptr || !disk.Truncate(*file, contents.used_bytes)) return;
  const AlignedBuffer footer = MakeFooter(contents.segment, contents.used_bytes, contents.records);
  const int64_t wrote = disk.WriteAt(*file, footer.span(), contents.used_bytes);
  contents.closed = wrote == static_cast<int64_t>(footer.size());
  contents.file_bytes = contents.used_bytes + (contents.closed ? footer.size() : 0);
}

std::string OwnerOf(int lock_fd) {
  char text[32] = {};
  if (pread(lock_fd, text, sizeof(text) - 1, 0) <= 0) return "another process";
  return fmt::format("process {}", std::string_view(text, std::strcspn(text, "\n")));
}

}  // namespace

std::optional<SegmentContents> ReadSegment(DiskEnvironment& disk, const std::string& path,
                                           uint64_t segment) {
  const auto file = disk.Open(path, DiskEnvironment::Mode::kRead);
  struct stat status{};
  if (file == nullptr || fstat(file->fd(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  SegmentContents contents;
  contents.segment = segment;
  contents.file_bytes = static_cast<uint64_t>(status.st_size);
  const AlignedBuffer start = ReadAll(disk, *file, 0, kSegmentStartBytes);
  if (start.size() == 0 || !IsSegmentStart(start.span(), segment)) return std::nullopt;
  if (!ReadByFooter(disk, *file, contents)) ReadByScan(disk, *file, contents);
  return contents;
}

Result<SegmentFolder> SegmentFolder::Open(DiskEnvironment&, const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    errno = error.value();
    return IoError("create the folder", path);
  }
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  const std::string lock = path + "/lock";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return IoError("open", lock);
  SegmentFolder folder(path, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return IoError("lock", lock);
    return Refuse(ErrorCode::kConflict,
                  fmt::format("'{}' is in use by {}: give each server a --data of its own, or "
                              "switch this one's disk off with --disk 0",
                              path, OwnerOf(fd)),
                  "data");
  }
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    return IoError("write", lock);
  }
  return folder;
}

SegmentFolder::SegmentFolder(SegmentFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

SegmentFolder::~SegmentFolder() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::vector<SegmentContents> SegmentFolder::Load(DiskEnvironment& disk) const {
  std::vector<SegmentContents> all;
  for (const uint64_t segment : ListSegments(path_)) {
    auto contents = ReadSegment(disk, PathOf(segment), segment);
    if (!contents || contents->records.empty()) {
      Delete(segment);
      continue;
    }
    if (!contents->closed) Close(disk, PathOf(segment), *contents);
    all.push_back(*std::move(contents));
  }
  return all;
}

std::string SegmentFolder::PathOf(uint64_t segment) const {
  return path_ + "/" + SegmentFileName(segment);
}

void SegmentFolder::Restore() const {
  std::error_code error;
  if (!std::filesystem::create_directories(path_, error)) return;
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all, error);
}

void SegmentFolder::Delete(uint64_t segment) const { unlink(PathOf(segment).c_str()); }

std::vector<uint64_t> ListSegments(const std::string& path) {
  std::vector<uint64_t> segments;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto segment = SegmentOfFileName(entry->path().filename().native());
    if (segment) segments.push_back(*segment);
  }
  std::ranges::sort(segments);
  return segments;
}

}  // namespace quire
