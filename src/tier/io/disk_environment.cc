#include "tier/io/disk_environment.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "tier/io/thread_queue.h"
#include "tier/io/uring_queue.h"

namespace quire {
namespace {

int OpenRetrying(const std::string& path, int flags) {
  for (;;) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

}  // namespace

OpenFile::~OpenFile() { close(fd_); }

std::unique_ptr<IoQueue> DiskEnvironment::MakeQueue(uint32_t depth) {
  auto queue = MakeUringQueue(depth);
  return queue != nullptr ? std::move(queue) : MakeThreadQueue(depth);
}

std::shared_ptr<OpenFile> DiskEnvironment::Open(const std::string& path, Mode mode) {
  const int flags = mode == Mode::kRead     ? O_RDONLY
                    : mode == Mode::kRepair ? O_RDWR
                                            : O_RDWR | O_CREAT | O_EXCL;
  const bool wants_direct = mode != Mode::kRepair;
  int fd = OpenRetrying(path, wants_direct ? flags | O_DIRECT : flags);
  const bool direct = wants_direct && fd >= 0;
  if (fd < 0 && wants_direct && errno == EINVAL) {
    // A file system without direct I/O may have made the file before it refused.
    fd = OpenRetrying(path, mode == Mode::kCreate ? O_RDWR | O_CREAT : flags);
  }
  return fd < 0 ? nullptr : std::make_shared<OpenFile>(fd, direct);
}

int64_t DiskEnvironment::ReadAt(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset) {
  for (;;) {
    const ssize_t read = pread(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (read >= 0) return read;
    if (errno != EINTR) return -errno;
  }
}

int64_t DiskEnvironment::WriteAt(const OpenFile& file, std::span<const std::byte> bytes,
                                 uint64_t offset) {
  for (;;) {
    const ssize_t wrote = pwrite(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote >= 0) return wrote;
    if (errno != EINTR) return -errno;
  }
}

bool DiskEnvironment::Truncate(const OpenFile& file, uint64_t bytes) {
  return ftruncate(file.fd(), static_cast<off_t>(bytes)) == 0;
}

bool DiskEnvironment::PunchHole(const OpenFile& file, const Range& range) {
  return fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   static_cast<off_t>(range.offset), static_cast<off_t>(range.bytes)) == 0;
}

std::optional<uint64_t> DiskEnvironment::FreeBytes(const std::string& folder) {
  struct statvfs status{};
  if (statvfs(folder.c_str(), &status) != 0) return std::nullopt;
  return uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace quire
