#include "model/file_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace quire {

void ReleasePages(const GgufFile& file, std::span<const std::byte> bytes) {
  if (file.paths().empty()) return;
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t start = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size()) / page * page;
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
}

void ReleaseAllPages(const GgufFile& file) {
  for (const auto mapping : file.mappings()) ReleasePages(file, mapping);
}

}  // namespace quire
