// model/huge_buffer.h -- a large zeroed array on 2 MiB pages where the system gives them.
//
// Streaming weights from 4 KiB pages costs a third of the read bandwidth.
//
// Errors  kIo when the system refuses the memory, with the amount.
#pragma once

#include <cstddef>
#include <utility>

#include "base/result.h"

namespace quire {

class HugeBuffer {
 public:
  static Result<HugeBuffer> Allocate(size_t bytes);

  HugeBuffer() = default;
  HugeBuffer(HugeBuffer&& other) noexcept { Swap(other); }
  HugeBuffer& operator=(HugeBuffer&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~HugeBuffer();

  std::byte* data() const { return data_; }  // 2 MiB aligned; null if empty
  size_t size() const { return size_; }

 private:
  void Swap(HugeBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapping_, other.mapping_);
    std::swap(mapping_bytes_, other.mapping_bytes_);
  }
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  void* mapping_ = nullptr;  // what to give back; a little larger than the aligned part
  size_t mapping_bytes_ = 0;
};

}  // namespace quire
