#include "tier/ssd/folder_survey.h"

#include <algorithm>

#include "tier/ssd/record_seal.h"
#include "tier/ssd/segment_folder.h"

namespace quire {
namespace {

std::string FormatName(const ShortTag& tag) {
  std::string name;
  for (const std::byte byte : tag) {
    if (byte == std::byte{0}) break;
    const char c = static_cast<char>(byte);
    name += c > ' ' && c < 127 ? c : '?';
  }
  return name;
}

uint64_t RecordBytes(const RecordHead& head) {
  return RecordLayout(head.shape, head.num_blocks(), head.cipher != Cipher::kNone).record_bytes;
}

// Space that was given back reads as zeros: it holds nothing, damaged or not.
bool IsGivenBack(std::span<const std::byte> header) {
  return std::ranges::all_of(header, [](std::byte b) { return b == std::byte{0}; });
}

// How many blocks of a record are not what its checksums say; all if the header is not.
void Verify(DiskEnvironment& disk, const OpenFile& file, const PlacedRecord& record,
            FolderSurvey::Group& group) {
  const RecordHead& head = record.head;
  const bool sealed = head.cipher != Cipher::kNone;
  const RecordLayout layout(head.shape, head.num_blocks(), sealed);
  AlignedBuffer bytes(layout.record_bytes);
  const int64_t read = disk.ReadAt(file, bytes.span(), record.offset);
  const auto header = bytes.span().first(layout.header_bytes);
  const bool whole = read == static_cast<int64_t>(bytes.size());
  if (whole && IsGivenBack(header)) return;
  ++group.records;
  group.blocks += head.num_blocks();
  group.bytes += layout.record_bytes;
  if (!whole || !ReadHeader(header)) {
    group.damaged_blocks += head.num_blocks();
    return;
  }
  for (uint32_t i = 0; i < head.num_blocks(); ++i) {
    const auto stored = bytes.span().subspan(layout.BlockAt(i), layout.block_bytes);
    group.damaged_blocks += !IsUndamaged(head, header, i, {0, head.shape.layers}, stored);
  }
}

}  // namespace

FolderSurvey SurveyFolder(DiskEnvironment& disk, const std::string& path, bool verify) {
  FolderSurvey survey;
  for (const uint64_t segment : ListSegments(path)) {
    const std::string file_path = path + "/" + SegmentFileName(segment);
    const auto contents = ReadSegment(disk, file_path, segment);
    const auto file = disk.Open(file_path, DiskEnvironment::Mode::kRead);
    if (file == nullptr) continue;  // it has gone meanwhile
    ++survey.segments;
    if (!contents) {
      ++survey.damaged_segments;
      continue;
    }
    survey.file_bytes += contents->file_bytes;
    for (const PlacedRecord& record : contents->records) {
      const RecordHead& head = record.head;
      FolderSurvey::Group& group =
          survey.groups[{head.owner.tag, head.owner.generation, FormatName(head.shape.kv_format),
                         head.cipher != Cipher::kNone}];
      if (verify) {
        Verify(disk, *file, record, group);
      } else {
        ++group.records;
        group.blocks += head.num_blocks();
        group.bytes += RecordBytes(head);
      }
    }
  }
  return survey;
}

}  // namespace quire
