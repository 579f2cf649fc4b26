// tier/ssd/segment_format.h -- how records lie in a segment file (docs/formats.md, "KV segments").
//
//   [start, kIoAlign bytes] [record]... [footer] [end, kIoAlign bytes]
//
// Everything begins at a multiple of kIoAlign. A file that was not closed has no footer and no end:
// its records are found one after another, up to the first that is none.
//
// Threads  pure functions.
// Errors   nullopt for whatever is not exactly what it should be. No input is trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tier/io/aligned_buffer.h"
#include "tier/ssd/record_format.h"

namespace quire {

inline constexpr uint64_t kSegmentStartBytes = kIoAlign;

// A record and where in its file it begins.
struct PlacedRecord {
  uint64_t offset = 0;
  RecordHead head;
};

std::string SegmentFileName(uint64_t segment);  // "00000000000000a7.kvseg"
std::optional<uint64_t> SegmentOfFileName(std::string_view name);

AlignedBuffer MakeSegmentStart(uint64_t segment);
bool IsSegmentStart(std::span<const std::byte> bytes, uint64_t segment);

// Footer and end of a file in which they begin at `offset`.
AlignedBuffer MakeFooter(uint64_t segment, uint64_t offset, std::span<const PlacedRecord> records);

// Upper bound of MakeFooter's length.
uint64_t FooterBytes(uint64_t num_records, uint64_t num_blocks);

// Where the footer lies, from the last kIoAlign bytes of a file of `file_bytes`.
struct FooterPlace {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;
};
std::optional<FooterPlace> ReadSegmentEnd(std::span<const std::byte> end, uint64_t segment,
                                          uint64_t file_bytes);

// The records of `footer`, all of which lie before it.
std::optional<std::vector<PlacedRecord>> ReadFooter(std::span<const std::byte> footer,
                                                    uint64_t segment, const FooterPlace& place);

}  // namespace quire
