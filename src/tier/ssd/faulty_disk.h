// tier/ssd/faulty_disk.h -- a disk for tests that fails as disks do: wherever and however it is
// told to.
#pragma once

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tier/io/aligned_buffer.h"
#include "tier/io/disk_environment.h"
#include "tier/io/thread_queue.h"

namespace quire {

// What is to go wrong. Shared by the test and the disk; the test changes it while nothing is on its
// way.
struct DiskFaults {
  std::function<int64_t(const IoRequest&, int64_t)> result;  // what an operation really gave
  std::function<void(const IoRequest&)> before;              // may shorten or damage a write
  std::optional<uint64_t> free_bytes;
  bool threads = false;  // io_uring is refused
  bool holes = true;
  int64_t write_back = 0;  // of what went by way of the page cache: 0 or -errno
  // Instead of what the system says of the page at an offset: whether it has it in memory.
  std::function<bool(uint64_t)> in_memory;
  std::function<void(const DiskEnvironment::Range&)> uncache;  // is told what is given up
  std::function<int64_t(int64_t)> cached_result;  // what a read by way of the page cache gave
};

class FaultyQueue : public IoQueue {
 public:
  FaultyQueue(std::unique_ptr<IoQueue> real, std::shared_ptr<DiskFaults> faults)
      : real_(std::move(real)), faults_(std::move(faults)), requests_(real_->depth()) {}

  bool Submit(const IoRequest& request) override {
    requests_.at(request.tag) = request;
    if (faults_->before) faults_->before(request);
    return real_->Submit(request);
  }
  size_t Wait(std::span<IoResult> done) override {
    const size_t count = real_->Wait(done);
    for (IoResult& one : done.first(count)) {
      if (faults_->result) one.result = faults_->result(requests_.at(one.tag), one.result);
    }
    return count;
  }
  uint32_t in_flight() const override { return real_->in_flight(); }
  uint32_t depth() const override { return real_->depth(); }
  std::string_view name() const override { return real_->name(); }

 private:
  const std::unique_ptr<IoQueue> real_;
  const std::shared_ptr<DiskFaults> faults_;
  std::vector<IoRequest> requests_;  // by tag
};

class FaultyDisk : public DiskEnvironment {
 public:
  explicit FaultyDisk(std::shared_ptr<DiskFaults> faults) : faults_(std::move(faults)) {}

  std::unique_ptr<IoQueue> MakeQueue(uint32_t depth) override {
    auto real = faults_->threads ? MakeThreadQueue(depth) : DiskEnvironment::MakeQueue(depth);
    return std::make_unique<FaultyQueue>(std::move(real), faults_);
  }
  std::optional<uint64_t> FreeBytes(const std::string& folder) override {
    return faults_->free_bytes ? faults_->free_bytes : DiskEnvironment::FreeBytes(folder);
  }
  std::vector<bool> PagesInMemory(const OpenFile& file, const Range& range) override {
    if (!faults_->in_memory) return DiskEnvironment::PagesInMemory(file, range);
    std::vector<bool> pages;
    for (uint64_t at = AlignDown(range.offset); at < range.offset + range.bytes; at += kIoAlign) {
      pages.push_back(faults_->in_memory(at));
    }
    return pages;
  }
  void Uncache(const OpenFile& file, const Range& range) override {
    if (faults_->uncache) faults_->uncache(range);
    DiskEnvironment::Uncache(file, range);
  }
  int64_t ReadCached(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset) override {
    const int64_t result = DiskEnvironment::ReadCached(file, bytes, offset);
    return faults_->cached_result ? faults_->cached_result(result) : result;
  }
  int64_t WriteCached(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset) override {
    const IoRequest request{.kind = IoRequest::Kind::kWrite,
                            .fd = file.cached_fd(),
                            .offset = offset,
                            .bytes = bytes,
                            .tag = 0};
    if (faults_->before) faults_->before(request);
    const int64_t result = DiskEnvironment::WriteCached(file, bytes, offset);
    return faults_->result ? faults_->result(request, result) : result;
  }
  int64_t WaitWritten(const OpenFile& file, const Range& range) override {
    return faults_->write_back != 0 ? faults_->write_back
                                    : DiskEnvironment::WaitWritten(file, range);
  }
  bool PunchHole(const OpenFile& file, const Range& range) override {
    return faults_->holes && DiskEnvironment::PunchHole(file, range);
  }

 private:
  const std::shared_ptr<DiskFaults> faults_;
};

}  // namespace quire
