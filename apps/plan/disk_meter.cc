#include "apps/plan/disk_meter.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>

#include "apps/bench/bench_case.h"
#include "base/size.h"

namespace quire {
namespace {

// A file that is gone when this is.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& folder) : path_(folder + "/plan-XXXXXX") {
    descriptor_ = mkstemp(path_.data());
  }
  ~ScratchFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    unlink(path_.c_str());
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace

double MeasureDisk(const std::string& folder) {
  constexpr size_t kPiece = 4 * kMiB;  // as the tier reads
  constexpr int kPieces = 16;
  if (folder.empty()) return 0;
  const ScratchFile file(folder);
  if (file.descriptor() < 0) return 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(std::aligned_alloc(4096, kPiece),
                                                           &std::free);
  if (buffer == nullptr) return 0;
  auto* const bytes = static_cast<unsigned char*>(buffer.get());
  for (int i = 0; i < kPieces; ++i) {
    for (size_t at = 0; at < kPiece; ++at) bytes[at] = static_cast<unsigned char>(at * 31 + i);
    if (write(file.descriptor(), bytes, kPiece) != static_cast<ssize_t>(kPiece)) return 0;
  }
  if (fsync(file.descriptor()) != 0) return 0;
  const int direct = open(file.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (direct < 0) return 0;
  Samples rates;
  for (int i = 0; i < kPieces; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const ssize_t got = pread(direct, bytes, kPiece, static_cast<off_t>(i * kPiece));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (got == static_cast<ssize_t>(kPiece)) rates.push_back(kPiece / took.count());
  }
  close(direct);
  return rates.empty() ? 0 : Median(rates);
}

}  // namespace quire
