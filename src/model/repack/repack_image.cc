#include "model/repack/repack_image.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"

namespace quire {
namespace {

constexpr size_t kPage = 4096;
constexpr char kMagic[8] = {'Q', 'U', 'I', 'R', 'E', 'P', 'A', 'K'};
constexpr uint32_t kFormatVersion = 1;

struct Header {
  char magic[8];
  uint32_t format_version;
  uint32_t layout_version;
  char digest[16];  // the bytes that the hex digits spell
  uint64_t plan_hash;
  uint64_t data_bytes;
  uint32_t section_bytes;
  uint32_t unused;
  uint64_t checksum;  // of the bytes before, the checksums of the sections and the padding
};
static_assert(sizeof(Header) == 64);

uint64_t NumSections(uint64_t data_bytes) {
  return (data_bytes + kSectionBytes - 1) / kSectionBytes;
}

uint8_t HexValue(char digit) {
  return static_cast<uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

// All but the checksum: the same for equal keys.
Header HeaderOf(const RepackKey& key) {
  QUIRE_CHECK(key.digest.size() == 2 * sizeof(Header::digest));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.format_version = kFormatVersion;
  header.layout_version = key.layout_version;
  for (size_t i = 0; i < sizeof header.digest; ++i) {
    header.digest[i] =
        static_cast<char>(HexValue(key.digest[2 * i]) << 4 | HexValue(key.digest[2 * i + 1]));
  }
  header.plan_hash = key.plan_hash;
  header.data_bytes = key.data_bytes;
  header.section_bytes = kSectionBytes;
  return header;
}

// Of everything before the data but itself.
uint64_t HeadChecksum(const Header& header, std::span<const std::byte> image) {
  const uint64_t seed = XXH3_64bits(&header, offsetof(Header, checksum));
  const auto rest =
      image.subspan(sizeof(Header), RepackDataOffset(header.data_bytes) - sizeof(Header));
  return XXH3_64bits_withSeed(rest.data(), rest.size(), seed);
}

// Calls visit(index, checksum) for every section, on all workers.
template <typename Visit>
void ForEachSection(std::span<const std::byte> data, WorkerPool& pool, const Visit& visit) {
  pool.Run([&](const Worker& worker) {
    const auto [begin, end] = worker.Share(static_cast<uint32_t>(NumSections(data.size())));
    for (uint32_t i = begin; i < end; ++i) {
      const size_t at = i * kSectionBytes;
      const size_t size = std::min(kSectionBytes, data.size() - at);
      visit(i, XXH3_64bits(data.data() + at, size));
    }
  });
}

std::unexpected<Error> Corrupt(std::string what) {
  return Refuse(ErrorCode::kCorrupt, std::move(what));
}

Status CheckHead(const RepackKey& key, std::span<const std::byte> image) {
  Header header;
  if (image.size() < sizeof header) return Corrupt("it is cut short");
  std::memcpy(&header, image.data(), sizeof header);
  const Header expected = HeaderOf(key);
  if (std::memcmp(header.magic, expected.magic, sizeof kMagic) != 0) {
    return Corrupt("it holds no repacked weights");
  }
  if (std::memcmp(&header, &expected, offsetof(Header, checksum)) != 0) {
    return Corrupt("its header is damaged or of another model");
  }
  if (image.size() != RepackImageBytes(key.data_bytes)) {
    return Corrupt(fmt::format("it has {} bytes instead of {}", image.size(),
                               RepackImageBytes(key.data_bytes)));
  }
  if (header.checksum != HeadChecksum(header, image)) {
    return Corrupt("its header or its checksums are damaged");
  }
  return {};
}

}  // namespace

std::string RepackKey::FileName() const {
  return fmt::format("{}-v{}.repacked", digest, layout_version);
}

size_t RepackDataOffset(uint64_t data_bytes) {
  const size_t head = sizeof(Header) + NumSections(data_bytes) * sizeof(uint64_t);
  return (head + kPage - 1) / kPage * kPage;
}

uint64_t RepackImageBytes(uint64_t data_bytes) { return RepackDataOffset(data_bytes) + data_bytes; }

void SealRepackImage(const RepackKey& key, std::span<std::byte> image, WorkerPool& pool) {
  QUIRE_CHECK(image.size() == RepackImageBytes(key.data_bytes));
  const size_t data_offset = RepackDataOffset(key.data_bytes);
  std::memset(image.data(), 0, data_offset);
  std::byte* checksums = image.data() + sizeof(Header);
  ForEachSection(image.subspan(data_offset), pool, [&](uint32_t index, uint64_t checksum) {
    std::memcpy(checksums + index * sizeof checksum, &checksum, sizeof checksum);
  });
  Header header = HeaderOf(key);
  header.checksum = HeadChecksum(header, image);
  std::memcpy(image.data(), &header, sizeof header);
}

Status CheckRepackImage(const RepackKey& key, std::span<const std::byte> image, WorkerPool& pool) {
  if (Status head = CheckHead(key, image); !head) return head;
  const size_t data_offset = RepackDataOffset(key.data_bytes);
  const std::byte* checksums = image.data() + sizeof(Header);
  std::atomic<uint32_t> num_damaged{0};
  ForEachSection(image.subspan(data_offset), pool, [&](uint32_t index, uint64_t checksum) {
    if (std::memcmp(checksums + index * sizeof checksum, &checksum, sizeof checksum) != 0) {
      num_damaged.fetch_add(1, std::memory_order_relaxed);
    }
  });
  if (num_damaged == 0) return {};
  return Corrupt(fmt::format("{} of its {} sections {} damaged", num_damaged.load(),
                             NumSections(key.data_bytes), num_damaged == 1 ? "is" : "are"));
}

}  // namespace quire
