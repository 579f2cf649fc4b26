#include "model/repack/file_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

namespace quire {
namespace {

constexpr size_t kPieceBytes = size_t{2} << 20;
constexpr std::string_view kTemporary = ".temporary";
constexpr auto kLeastAge = std::chrono::seconds(60);  // a writer locks its file within this

// A write beyond RLIMIT_FSIZE kills the process by default; here it shall be an error of write().
class FileSizeSignalHeld {
 public:
  FileSizeSignalHeld() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~FileSizeSignalHeld() {
    if (sigismember(&before_, SIGXFSZ) != 0) return;
    const timespec now{};
    while (sigtimedwait(&set_, nullptr, &now) == SIGXFSZ) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  FileSizeSignalHeld(const FileSizeSignalHeld&) = delete;
  FileSizeSignalHeld& operator=(const FileSizeSignalHeld&) = delete;

 private:
  sigset_t set_;
  sigset_t before_;
};

// Removed when it dies, unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path)
      : path_(std::move(path)),
        fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (fd_ >= 0) flock(fd_, LOCK_EX | LOCK_NB);
  }
  ~TemporaryFile() {
    if (fd_ < 0) return;
    if (!renamed_) unlink(path_.c_str());
    close(fd_);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int fd() const { return fd_; }
  bool Rename(const std::string& path) {
    renamed_ = std::rename(path_.c_str(), path.c_str()) == 0;
    return renamed_;
  }

 private:
  const std::string path_;
  const int fd_;
  bool renamed_ = false;
};

std::unexpected<Error> RefuseErrno(const std::string& path, int error) {
  return Refuse(ErrorCode::kIo,
                fmt::format("cannot write '{}': {}", path, std::generic_category().message(error)));
}

// All of `bytes` at `offset`; 0 or an errno.
int WriteAll(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

// A name that no other writer has: O_EXCL finds those of dead ones.
std::string TemporaryName(const std::string& path) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return fmt::format("{}.{}-{}{}", path, getpid(), now.tv_nsec, kTemporary);
}

}  // namespace

Status WriteWholeFile(const std::string& path, std::span<const std::byte> bytes,
                      const std::function<void(uint64_t done_bytes)>& progress) {
  const FileSizeSignalHeld held;
  TemporaryFile file(TemporaryName(path));
  if (file.fd() < 0) return RefuseErrno(path, errno);
  // A disk that is too full says so before it is filled to the brim. Systems that cannot tell
  // answer with other errors.
  if (fallocate(file.fd(), 0, 0, static_cast<off_t>(bytes.size())) != 0 &&
      (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)) {
    return RefuseErrno(path, errno);
  }
  for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    const size_t size = std::min(kPieceBytes, bytes.size() - at);
    if (const int error = WriteAll(file.fd(), bytes.subspan(at, size), at); error != 0) {
      return RefuseErrno(path, error);
    }
    if (progress) progress(at + size);
  }
  if (!file.Rename(path)) return RefuseErrno(path, errno);
  return {};
}

void RemoveLeftovers(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.path().native().ends_with(kTemporary)) continue;
    const auto written = entry.last_write_time(error);
    if (error || std::filesystem::file_time_type::clock::now() - written < kLeastAge) continue;
    const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(entry.path().c_str());
    close(fd);
  }
}

}  // namespace quire
