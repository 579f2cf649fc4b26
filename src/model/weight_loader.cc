#include "model/weight_loader.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "kernels/packed_layout.h"
#include "model/digest.h"
#include "model/packer.h"
#include "model/page_size.h"

namespace quire {
namespace {

constexpr double kLeastHugeShare = 0.5;
constexpr size_t kCopyBytes = size_t{2} << 20;

// Adds the time until it dies to `sum`.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum), start_(std::chrono::steady_clock::now()) {}
  ~Stopwatch() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  const std::chrono::steady_clock::time_point start_;
};

uint64_t MatrixFileBytes(const WeightPlan& plan) {
  uint64_t bytes = 0;
  for (const WeightPlace& place : plan.matrices) bytes += place.tensor->data.size();
  return bytes;
}

// Copies with all workers, dropping what was copied from the mapping: the two never count together.
void CopyAndDrop(std::span<const std::byte> mapping, std::byte* to, WorkerPool& pool) {
  const uint32_t pieces = static_cast<uint32_t>((mapping.size() + kCopyBytes - 1) / kCopyBytes);
  pool.Run([&](const Worker& worker) {
    const auto [begin, end] = worker.Share(pieces);
    for (uint32_t i = begin; i < end; ++i) {
      const size_t at = i * kCopyBytes;
      const size_t size = std::min(kCopyBytes, mapping.size() - at);
      std::memcpy(to + at, mapping.data() + at, size);
      madvise(const_cast<std::byte*>(mapping.data()) + at, size, MADV_DONTNEED);
    }
  });
}

}  // namespace

WeightLoader::WeightLoader(const Parts& parts)
    : parts_(parts),
      folder_(parts.options.repack_folder, parts.options.repack_limit_bytes),
      index_(DigestIndex::In(parts.options.repack_folder)) {}

// The exact float32 weights of tests are large and quickly made.
bool WeightLoader::keeps() const {
  return !folder_.path().empty() && parts_.options.precision == Precision::kQuantised;
}

RepackKey WeightLoader::Key() const {
  return {.digest = digest_,
          .layout_version = kPackedLayoutVersion,
          .plan_hash = parts_.plan.Hash(),
          .data_bytes = parts_.plan.matrix_bytes};
}

Status WeightLoader::Load() {
  QUIRE_TRY(parts_.weights.vectors, HugeBuffer::Allocate(parts_.plan.vector_bytes));
  DecodeVectors(parts_.file, parts_.plan, parts_.weights.vectors.data());
  RecallDigest();
  if (OpenKept()) return {};
  if (report_.digest_remembered) {  // the file is about to be read anyway: trust nothing
    const std::string remembered = digest_;
    ComputeDigest();
    if (digest_ != remembered && OpenKept()) return {};
  }
  return Repack();
}

// From the index, or from the file.
void WeightLoader::RecallDigest() {
  const auto known = keeps() ? index_.Find(parts_.file.identities()) : std::nullopt;
  if (!known) return ComputeDigest();
  content_ = *known;
  report_.digest_remembered = true;
  digest_ = DigestModel(parts_.config, parts_.options.precision, parts_.file, content_);
}

void WeightLoader::ComputeDigest() {
  const Stopwatch watch(report_.seconds.digest);
  content_ = DigestContent(parts_.file, parts_.pool);
  report_.digest_remembered = false;
  digest_ = DigestModel(parts_.config, parts_.options.precision, parts_.file, content_);
  // An index that cannot be written costs this pass at every start and is not worth a warning: if
  // the folder cannot be written to, Keep says so.
  if (keeps()) static_cast<void>(index_.Remember(parts_.file.identities(), content_));
}

bool WeightLoader::OpenKept() {
  if (!keeps()) return false;
  const Stopwatch watch(report_.seconds.map);
  auto mapping = folder_.Open(Key(), parts_.pool);
  if (!mapping) {
    if (mapping.error().code != ErrorCode::kNotFound) {
      Warn(fmt::format("repacked weights cannot be used and are made anew: {}",
                       mapping.error().message));
    }
    return false;
  }
  if (!UseMapping(*std::move(mapping))) return false;
  report_.repack_path = folder_.PathOf(Key());
  return true;
}

Status WeightLoader::UseMapping(MappedFile mapping) {
  ModelWeights& weights = parts_.weights;
  const auto image = mapping.bytes();
  const size_t data_offset = RepackDataOffset(parts_.plan.matrix_bytes);
  if (HugeShare(image) >= kLeastHugeShare || !HugePagesOffered()) {
    report_.source = WeightSource::kMapped;
    PointMatrices(parts_.plan, image.data() + data_offset);
    weights.packed = std::move(mapping);
    return {};
  }
  QUIRE_TRY(HugeBuffer memory, HugeBuffer::Allocate(image.size()));
  CopyAndDrop(image, memory.data(), parts_.pool);
  report_.source = WeightSource::kCopied;
  PointMatrices(parts_.plan, memory.data() + data_offset);
  weights.packed = std::move(memory);
  return {};
}

Status WeightLoader::Repack() {
  const uint64_t image_bytes = RepackImageBytes(parts_.plan.matrix_bytes);
  QUIRE_TRY(HugeBuffer memory, HugeBuffer::Allocate(image_bytes));
  std::byte* data = memory.data() + RepackDataOffset(parts_.plan.matrix_bytes);
  const uint64_t file_bytes = MatrixFileBytes(parts_.plan);
  const uint64_t total_bytes = file_bytes + (keeps() ? image_bytes : 0);
  {
    const Stopwatch watch(report_.seconds.repack);
    PackMatrices(parts_.file, parts_.plan, data, parts_.pool, [&](uint64_t done_bytes) {
      if (parts_.options.progress) parts_.options.progress(done_bytes, total_bytes);
    });
  }
  PointMatrices(parts_.plan, data);
  report_.source = WeightSource::kRepacked;
  if (keeps()) Keep({memory.data(), image_bytes});
  parts_.weights.packed = std::move(memory);
  return {};
}

void WeightLoader::Keep(std::span<std::byte> image) {
  const Stopwatch watch(report_.seconds.write);
  const RepackKey key = Key();
  const uint64_t packed_bytes = MatrixFileBytes(parts_.plan);
  SealRepackImage(key, image, parts_.pool);
  const Status kept = folder_.Add(key, image, [&](uint64_t done_bytes) {
    if (parts_.options.progress) {
      parts_.options.progress(packed_bytes + done_bytes, packed_bytes + image.size());
    }
  });
  if (kept) {
    report_.repack_path = folder_.PathOf(key);
  } else {
    Warn(fmt::format("repacked weights are not kept, every start makes them anew: {}",
                     kept.error().message));
  }
}

// The first says what is wrong; what follows from it would be noise.
void WeightLoader::Warn(std::string warning) {
  if (report_.warning.empty()) report_.warning = std::move(warning);
}

}  // namespace quire
