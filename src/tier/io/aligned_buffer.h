// tier/io/aligned_buffer.h -- memory that direct I/O can read into and write from.
//
// Threads  none. Errors  running out of memory throws, as everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace quire {

// What offsets, lengths and addresses of direct I/O are multiples of: enough for every disk.
inline constexpr uint64_t kIoAlign = 4096;

constexpr uint64_t AlignUp(uint64_t value) { return (value + kIoAlign - 1) / kIoAlign * kIoAlign; }
constexpr uint64_t AlignDown(uint64_t value) { return value / kIoAlign * kIoAlign; }

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Zeroed; rounded up to whole units of kIoAlign.
  explicit AlignedBuffer(uint64_t bytes)
      : size_(AlignUp(bytes)),
        data_(static_cast<std::byte*>(operator new(size_, std::align_val_t{kIoAlign}))) {
    std::memset(data_.get(), 0, size_);
  }

  std::byte* data() const { return data_.get(); }
  uint64_t size() const { return size_; }
  std::span<std::byte> span() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { operator delete(bytes, std::align_val_t{kIoAlign}); }
  };
  uint64_t size_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace quire
