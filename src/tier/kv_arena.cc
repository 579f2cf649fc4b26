#include "tier/kv_arena.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "base/machine.h"
#include "base/size.h"

namespace quire {

namespace {

constexpr uint64_t kHugePage = 2 * kMiB;
constexpr uint64_t kTouchBytes = 2 * kHugePage;  // a few milliseconds where it takes long
constexpr uint32_t kMaxBlocks = 0x7fffffff;      // ids are 32 bits, one value means "none"

uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::string DescribeBlock(const KvShape& shape) {
  return fmt::format("{} per block of {} tokens ({} layers x {} KV heads x ({} + {}) bytes in {})",
                     FormatSize(shape.block_bytes()), kBlockTokens, shape.layers, shape.kv_heads,
                     shape.key_head_bytes(), shape.value_head_bytes(), KvFormatName(shape.format));
}

Status CheckSize(const KvShape& shape, uint64_t bytes) {
  if (bytes < shape.block_bytes()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{} of KV memory cannot hold one block: this model needs {}",
                              FormatSize(bytes), DescribeBlock(shape)),
                  "kv-memory");
  }
  const uint64_t physical = TotalMemory();
  if (physical != 0 && bytes > physical) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{} of KV memory is more than the {} of RAM that there is",
                              FormatSize(bytes), FormatSize(physical)),
                  "kv-memory");
  }
  return {};
}

// The system offers huge pages to those who ask ("madvise") or to all ("always").
bool HugePagesEnabled() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string setting;
  std::getline(file, setting);
  return setting.find("[madvise]") != std::string::npos ||
         setting.find("[always]") != std::string::npos;
}

}  // namespace

Result<KvArena> KvArena::Create(const KvShape& shape, uint64_t bytes) {
  QUIRE_CHECK(shape.block_bytes() > 0);
  if (const Status status = CheckSize(shape, bytes); !status) {
    return std::unexpected(status.error());
  }
  const uint64_t num_blocks = std::min<uint64_t>(bytes / shape.block_bytes(), kMaxBlocks);
  KvArena arena;
  arena.bytes_ = num_blocks * shape.block_bytes();
  // One huge page more, so that the first block can start on a huge page.
  arena.mapped_bytes_ = RoundUp(arena.bytes_, kHugePage) + kHugePage;
  void* mapping = mmap(nullptr, arena.mapped_bytes_, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return Refuse(ErrorCode::kIo,
                  fmt::format("the system refused {} of KV memory: {}",
                              FormatSize(arena.mapped_bytes_), std::strerror(errno)),
                  "kv-memory");
  }
  arena.mapping_ = mapping;
  const uint64_t start = RoundUp(reinterpret_cast<uint64_t>(mapping), kHugePage);
  auto* base = reinterpret_cast<std::byte*>(start);
  const bool advised = madvise(base, RoundUp(arena.bytes_, kHugePage), MADV_HUGEPAGE) == 0;
  arena.huge_pages_ = advised && HugePagesEnabled() ? HugePages::kAdvised : HugePages::kUnavailable;
  arena.view_ = {.base = base, .shape = shape, .num_blocks = static_cast<uint32_t>(num_blocks)};
  return arena;
}

uint64_t KvArena::Touch(uint64_t from, uint64_t until) const {
  QUIRE_CHECK(from <= until && until <= bytes_);
  from = from / kHugePage * kHugePage;
  const uint64_t to = std::min(from + kTouchBytes, RoundUp(until, kHugePage));
  if (madvise(view_.base + from, to - from, MADV_POPULATE_WRITE) != 0) return until;
  return std::min(to, until);
}

KvArena::KvArena(KvArena&& other) noexcept { *this = std::move(other); }

KvArena& KvArena::operator=(KvArena&& other) noexcept {
  std::swap(view_, other.view_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(mapping_, other.mapping_);
  std::swap(huge_pages_, other.huge_pages_);
  return *this;
}

KvArena::~KvArena() {
  if (mapping_ != nullptr) QUIRE_CHECK(munmap(mapping_, mapped_bytes_) == 0);
}

std::string KvArena::Describe() const {
  return fmt::format("{}: {} blocks of {} ({} tokens), {}", FormatSize(bytes_), num_blocks(),
                     FormatSize(view_.shape.block_bytes()), uint64_t{num_blocks()} * kBlockTokens,
                     huge_pages_ == HugePages::kAdvised ? "huge pages" : "ordinary pages");
}

}  // namespace quire
