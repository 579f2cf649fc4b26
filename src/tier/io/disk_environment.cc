#include "tier/io/disk_environment.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "tier/io/aligned_buffer.h"
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

int64_t ReadRetrying(int fd, std::span<std::byte> bytes, uint64_t offset) {
  for (;;) {
    const ssize_t read = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (read >= 0) return read;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

OpenFile::~OpenFile() {
  close(fd_);
  if (cached_fd_ >= 0) close(cached_fd_);
}

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
  if (fd < 0) return nullptr;
  const int cached = direct ? OpenRetrying(path, mode == Mode::kRead ? O_RDONLY : O_RDWR) : -1;
  return std::make_shared<OpenFile>(fd, direct, cached);
}

int64_t DiskEnvironment::ReadAt(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset) {
  return ReadRetrying(file.fd(), bytes, offset);
}

int64_t DiskEnvironment::ReadCached(const OpenFile& file, std::span<std::byte> bytes,
                                    uint64_t offset) {
  return ReadRetrying(file.cached_fd(), bytes, offset);
}

namespace {

int64_t WriteOnce(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  for (;;) {
    const ssize_t wrote = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote >= 0) return wrote;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

int64_t DiskEnvironment::WriteAt(const OpenFile& file, std::span<const std::byte> bytes,
                                 uint64_t offset) {
  return WriteOnce(file.fd(), bytes, offset);
}

int64_t DiskEnvironment::WriteCached(const OpenFile& file, std::span<std::byte> bytes,
                                     uint64_t offset) {
  return WriteOnce(file.cached_fd(), bytes, offset);
}

bool DiskEnvironment::Truncate(const OpenFile& file, uint64_t bytes) {
  return ftruncate(file.fd(), static_cast<off_t>(bytes)) == 0;
}

// By mincore, since RWF_NOWAIT makes the system read ahead what it has not. Nothing of the mapping
// is ever touched.
std::vector<bool> DiskEnvironment::PagesInMemory(const OpenFile& file, const Range& range) {
  if (!file.has_cached()) return {};
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t begin = range.offset / page * page;
  const uint64_t bytes = range.offset + range.bytes - begin;
  void* const at =
      mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, file.cached_fd(), static_cast<off_t>(begin));
  if (at == MAP_FAILED) return {};
  std::vector<unsigned char> told((bytes + page - 1) / page);
  const bool tells = mincore(at, bytes, told.data()) == 0;
  munmap(at, bytes);
  std::vector<bool> pages;
  for (uint64_t one = AlignDown(range.offset); tells && one < range.offset + range.bytes;
       one += kIoAlign) {
    pages.push_back((told[(one - begin) / page] & 1) != 0);
  }
  return pages;
}

bool DiskEnvironment::PunchHole(const OpenFile& file, const Range& range) {
  return fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   static_cast<off_t>(range.offset), static_cast<off_t>(range.bytes)) == 0;
}

int64_t DiskEnvironment::WaitWritten(const OpenFile& file, const Range& range) {
  constexpr unsigned kAll =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  struct statfs system{};
  // On an overlay sync_file_range sees none of the pages.
  const bool is_overlay =
      fstatfs(file.cached_fd(), &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC;
  for (;;) {
    if (is_overlay) {
      if (fdatasync(file.cached_fd()) == 0) return 0;
      if (errno != EINTR) return -errno;
      continue;
    }
    const int error = sync_file_range(file.cached_fd(), static_cast<off_t>(range.offset),
                                      static_cast<off_t>(range.bytes), kAll);
    if (error == 0 || errno == ENOSYS || errno == EOPNOTSUPP) return 0;
    if (errno != EINTR) return -errno;
  }
}

void DiskEnvironment::Uncache(const OpenFile& file, const Range& range) {
  (void)posix_fadvise(file.cached_fd(), static_cast<off_t>(range.offset),
                      static_cast<off_t>(range.bytes), POSIX_FADV_DONTNEED);
}

std::optional<uint64_t> DiskEnvironment::FreeBytes(const std::string& folder) {
  struct statvfs status{};
  if (statvfs(folder.c_str(), &status) != 0) return std::nullopt;
  return uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace quire
