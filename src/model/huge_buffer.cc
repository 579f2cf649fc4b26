#include "model/huge_buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/size.h"

namespace quire {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

Result<HugeBuffer> HugeBuffer::Allocate(size_t bytes) {
  HugeBuffer buffer;
  if (bytes == 0) return buffer;
  const size_t padded = bytes + kHugePage;
  void* mapping = MAP_FAILED;
  if (padded > bytes) {
    mapping = mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (mapping == MAP_FAILED) {
    return Refuse(ErrorCode::kIo, fmt::format("the system refused {} of memory: {}",
                                              FormatSize(bytes), std::strerror(errno)));
  }
  buffer.mapping_ = mapping;
  buffer.mapping_bytes_ = padded;
  const uintptr_t start = reinterpret_cast<uintptr_t>(mapping);
  buffer.data_ = static_cast<std::byte*>(mapping) + (kHugePage - start % kHugePage) % kHugePage;
  buffer.size_ = bytes;
  madvise(buffer.data_, bytes, MADV_HUGEPAGE);  // advice: without it we are slower, not wrong
  return buffer;
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

}  // namespace quire
