#include "base/spare_memory.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

constexpr size_t kHeaderBytes = 16;     // before each block: its class; keeps it aligned
constexpr uint32_t kSmallestClass = 4;  // 16 bytes
constexpr uint32_t kClasses = 26;  // the largest block has 2^25 bytes: the largest array of a body
constexpr size_t kProbeBytes = 64 << 10;  // more than malloc finds in holes of a full heap

struct Header {
  uint32_t size_class;
};
struct FreeBlock {
  FreeBlock* next;
};

constexpr size_t kSmallBytes = size_t{64} << 10;
constexpr size_t kReturnedBytes = size_t{1} << 20;  // the system wants more than this back

constinit thread_local SpareUse thread_use = SpareUse::kNone;

class Spare {
 public:
  void Keep(char* memory, size_t bytes) {
    const std::lock_guard lock(mutex_);
    next_ = memory;
    bytes_ = bytes;
    end_.store(memory + bytes);
    begin_.store(memory);
  }

  bool Contains(const void* block) const {
    return block >= begin_.load(std::memory_order_relaxed) &&
           block < end_.load(std::memory_order_relaxed);
  }

  // Null: there is none of this size left.
  void* Allocate(size_t bytes, SpareUse use) {
    if (bytes > bytes_.load()) return nullptr;
    const uint32_t size_class = ClassOf(bytes);
    if (size_class >= kClasses) return nullptr;
    const std::lock_guard lock(mutex_);
    const size_t size = SizeOf(size_class);
    if (use == SpareUse::kRequest && used_.load() + size > ForRequests()) return nullptr;
    if (char* const block = Take(free_[size_class])) return HandOut(block, size_class);
    if (static_cast<size_t>(end_.load() - next_) >= size) {
      return HandOut(std::exchange(next_, next_ + size), size_class);
    }
    for (uint32_t larger = size_class + 1; larger < kClasses; ++larger) {
      if (char* const block = Take(free_[larger])) return HandOut(block, larger);
    }
    return nullptr;
  }

  void Free(void* memory) {
    const std::lock_guard lock(mutex_);
    char* const block = static_cast<char*>(memory) - kHeaderBytes;
    const uint32_t size_class = reinterpret_cast<const Header*>(block)->size_class;
    QUIRE_CHECK(size_class < kClasses, "a block of the spare memory was overwritten");
    used_.fetch_sub(SizeOf(size_class));
    free_[size_class] = new (block) FreeBlock{free_[size_class]};
    if (used_.load() > 0) return;
    free_ = {};  // as new
    const auto touched = static_cast<size_t>(next_ - begin_.load());
    if (touched > kReturnedBytes) madvise(begin_.load(), touched, MADV_DONTNEED);
    next_ = begin_.load();
  }

  size_t ForRequests() const { return bytes_.load(std::memory_order_relaxed) / 4 * 3; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static size_t SizeOf(uint32_t size_class) { return (size_t{1} << size_class) + kHeaderBytes; }

  static uint32_t ClassOf(size_t bytes) {
    const auto bits = static_cast<uint32_t>(std::bit_width(bytes > 0 ? bytes - 1 : 0));
    return bits < kSmallestClass ? kSmallestClass : bits;
  }

  static char* Take(FreeBlock*& first) {
    FreeBlock* const block = first;
    if (block != nullptr) first = block->next;
    return reinterpret_cast<char*>(block);
  }

  void* HandOut(char* block, uint32_t size_class) {
    new (block) Header{size_class};
    used_.fetch_add(SizeOf(size_class));
    return block + kHeaderBytes;
  }

  std::mutex mutex_;
  std::atomic<char*> begin_ = nullptr;  // null until Keep
  std::atomic<char*> end_ = nullptr;
  std::atomic<size_t> bytes_ = 0;
  std::atomic<size_t> used_ = 0;
  char* next_ = nullptr;                        // what follows was never handed out
  std::array<FreeBlock*, kClasses> free_ = {};  // by class
};

constinit Spare spare;

}  // namespace

bool SpareMemory::Keep(size_t bytes) {
  QUIRE_CHECK(bytes > 0 && spare.bytes() == 0, "spare memory is kept once");
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  spare.Keep(static_cast<char*>(memory), bytes);
  return true;
}

size_t SpareMemory::used_bytes() { return spare.used(); }

bool SpareMemory::scarce() {
  if (spare.used() <= spare.ForRequests()) return false;
  void* const probe = std::malloc(kProbeBytes);
  std::free(probe);
  return probe == nullptr;
}

SparePermit::SparePermit(SpareUse use) : before_(thread_use) { thread_use = use; }
SparePermit::~SparePermit() { thread_use = before_; }

}  // namespace quire

void* operator new(std::size_t bytes) {
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  using quire::SpareUse;
  SpareUse use = std::uncaught_exceptions() > 0 ? SpareUse::kAll : quire::thread_use;
  if (use == SpareUse::kServer && bytes > quire::kSmallBytes) use = SpareUse::kNone;
  if (use != SpareUse::kNone) {
    if (void* memory = quire::spare.Allocate(bytes, use)) return memory;
  }
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept {
  if (quire::spare.Contains(memory)) return quire::spare.Free(memory);
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
