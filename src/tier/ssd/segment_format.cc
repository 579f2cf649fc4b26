#include "tier/ssd/segment_format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "tier/ssd/little_endian.h"

namespace quire {
namespace {

constexpr uint64_t kStartMagic = 0x4745'5345'5249'5551;   // "QUIRESEG"
constexpr uint64_t kFooterMagic = 0x5254'4645'5249'5551;  // "QUIREFTR"
constexpr uint64_t kEndMagic = 0x444e'4545'5249'5551;     // "QUIREEND"
constexpr uint32_t kVersion = 1;
constexpr uint64_t kFooterStartBytes = 24;
constexpr std::string_view kSuffix = ".kvseg";
constexpr size_t kDigits = 16;

uint64_t Hash(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

std::string SegmentFileName(uint64_t segment) { return fmt::format("{:016x}{}", segment, kSuffix); }

std::optional<uint64_t> SegmentOfFileName(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t segment = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, segment, 16);
  if (error != std::errc() || SegmentFileName(segment) != name) return std::nullopt;
  return segment;
}

AlignedBuffer MakeSegmentStart(uint64_t segment) {
  AlignedBuffer start(kSegmentStartBytes);
  StoreAt(start.span(), 0, kStartMagic);
  StoreAt(start.span(), 8, kVersion);
  StoreAt(start.span(), 16, segment);
  StoreAt(start.span(), 24, Hash(start.span().first(24)));
  return start;
}

bool IsSegmentStart(std::span<const std::byte> bytes, uint64_t segment) {
  return std::ranges::equal(bytes, MakeSegmentStart(segment).span());
}

uint64_t FooterBytes(uint64_t num_records, uint64_t num_blocks) {
  return AlignUp(kFooterStartBytes + num_records * (8 + IdentityBytes(0)) +
                 num_blocks * sizeof(BlockName)) +
         kIoAlign;
}

AlignedBuffer MakeFooter(uint64_t segment, uint64_t offset, std::span<const PlacedRecord> records) {
  uint64_t blocks = 0;
  for (const PlacedRecord& record : records) blocks += record.head.num_blocks();
  AlignedBuffer footer(FooterBytes(records.size(), blocks));
  const std::span<std::byte> bytes = footer.span();
  StoreAt(bytes, 0, kFooterMagic);
  StoreAt(bytes, 8, segment);
  StoreAt(bytes, 16, static_cast<uint32_t>(records.size()));
  uint64_t at = kFooterStartBytes;
  for (const PlacedRecord& record : records) {
    StoreAt(bytes, at, record.offset);
    WriteIdentity(record.head, bytes.subspan(at + 8));
    at += 8 + IdentityBytes(record.head.num_blocks());
  }
  const uint64_t end = footer.size() - kIoAlign;
  StoreAt(bytes, end, kEndMagic);
  StoreAt(bytes, end + 8, segment);
  StoreAt(bytes, end + 16, offset);
  StoreAt(bytes, end + 24, end);
  StoreAt(bytes, end + 32, Hash(bytes.first(end)));
  StoreAt(bytes, end + 40, Hash(bytes.subspan(end, 40)));
  return footer;
}

std::optional<FooterPlace> ReadSegmentEnd(std::span<const std::byte> end, uint64_t segment,
                                          uint64_t file_bytes) {
  if (end.size() != kIoAlign || LoadAt<uint64_t>(end, 0) != kEndMagic ||
      LoadAt<uint64_t>(end, 8) != segment || LoadAt<uint64_t>(end, 40) != Hash(end.first(40))) {
    return std::nullopt;
  }
  const FooterPlace place{LoadAt<uint64_t>(end, 16), LoadAt<uint64_t>(end, 24),
                          LoadAt<uint64_t>(end, 32)};
  if (place.offset % kIoAlign != 0 || place.bytes % kIoAlign != 0 || place.bytes == 0 ||
      place.offset < kSegmentStartBytes || place.offset > file_bytes || place.bytes > file_bytes ||
      place.offset + place.bytes + kIoAlign != file_bytes) {
    return std::nullopt;
  }
  return place;
}

std::optional<std::vector<PlacedRecord>> ReadFooter(std::span<const std::byte> footer,
                                                    uint64_t segment, const FooterPlace& place) {
  if (footer.size() != place.bytes || Hash(footer) != place.checksum ||
      LoadAt<uint64_t>(footer, 0) != kFooterMagic || LoadAt<uint64_t>(footer, 8) != segment) {
    return std::nullopt;
  }
  std::vector<PlacedRecord> records;
  uint64_t at = kFooterStartBytes;
  uint64_t least_offset = kSegmentStartBytes;
  for (auto left = LoadAt<uint32_t>(footer, 16); left > 0; --left) {
    if (footer.size() - at < 8) return std::nullopt;
    const auto offset = LoadAt<uint64_t>(footer, at);
    auto head = ReadIdentity(footer.subspan(at + 8));
    if (!head || head->segment != segment || offset % kIoAlign != 0 || offset < least_offset ||
        offset > place.offset) {
      return std::nullopt;
    }
    const RecordLayout layout(head->shape, head->num_blocks(), head->cipher != Cipher::kNone);
    if (layout.record_bytes > place.offset - offset) return std::nullopt;
    least_offset = offset + layout.record_bytes;
    at += 8 + IdentityBytes(head->num_blocks());
    records.push_back({offset, *std::move(head)});
  }
  return records;
}

}  // namespace quire
