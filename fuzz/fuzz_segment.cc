// fuzz/fuzz_segment.cc -- any bytes as parts of a segment of KV: refused, or consistent.
//
// Checksums are no obstacle: each part is tried as it is, and with its checksum made right.

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "tier/ssd/record_seal.h"
#include "tier/ssd/segment_format.h"

namespace quire {
namespace {

constexpr uint64_t kMostBytes = 1 << 16;

void TryRecord(std::vector<std::byte> bytes) {
  const auto header_bytes = HeaderBytes(bytes);
  if (!header_bytes || *header_bytes > bytes.size()) return;
  const auto header = std::span(bytes).first(*header_bytes);
  const uint64_t identity = XXH3_64bits(header.data(), 168);
  const uint64_t sum = XXH3_64bits_withSeed(header.data() + 176, header.size() - 176, identity);
  std::memcpy(header.data() + 168, &sum, sizeof(sum));
  const auto head = ReadHeader(header);
  if (!head) return;
  const RecordLayout layout(head->shape, head->num_blocks(), head->cipher != Cipher::kNone);
  QUIRE_CHECK(layout.header_bytes == header.size());
  if (layout.record_bytes > kMostBytes) return;
  std::vector<std::byte> blocks(head->payload_bytes());
  std::vector<std::byte> notes(size_t{head->num_blocks()} * head->shape.note_bytes);
  std::vector<std::span<const std::byte>> stored;
  std::vector<std::span<std::byte>> opened;
  const uint64_t block_bytes = head->shape.block_bytes();
  for (uint32_t i = 0; i < head->num_blocks(); ++i) {
    opened.push_back(std::span(blocks).subspan(i * block_bytes, block_bytes));
    stored.push_back(opened.back());
  }
  const uint32_t good = OpenRecord(*head, std::string(kOwnerKeyBytes, 'k'),
                                   {.header = header,
                                    .first = 0,
                                    .layers = {0, head->shape.layers},
                                    .stored = stored,
                                    .opened = opened,
                                    .notes = notes});
  QUIRE_CHECK(good <= head->num_blocks());
}

void TryFooter(std::span<const std::byte> bytes) {
  const FooterPlace place{uint64_t{1} << 30, bytes.size(), XXH3_64bits(bytes.data(), bytes.size())};
  if (bytes.size() < 24) return;
  uint64_t segment = 0;
  std::memcpy(&segment, bytes.data() + 8, sizeof(segment));
  const auto records = ReadFooter(bytes, segment, place);
  if (!records) return;
  for (const PlacedRecord& record : *records) QUIRE_CHECK(record.offset < place.offset);
  const AlignedBuffer again = MakeFooter(segment, place.offset, *records);
  const auto end =
      ReadSegmentEnd(again.span().last(kIoAlign), segment, place.offset + again.size());
  QUIRE_CHECK(end.has_value());
  QUIRE_CHECK(ReadFooter(again.span().first(end->bytes), segment, *end)->size() == records->size());
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)quire::ReadIdentity(bytes);
  (void)quire::ReadHeader(bytes);
  (void)quire::ReadSegmentEnd(bytes, 1, size);
  quire::TryRecord({bytes.begin(), bytes.end()});
  quire::TryFooter(bytes);
  return 0;
}
