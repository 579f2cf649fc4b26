#include "tier/ssd/ssd_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <utility>

#include "base/check.h"
#include "base/size.h"

namespace quire {
namespace {

// A record of this size is read at nearly the disk's full rate, and a few of them fit in memory.
constexpr uint64_t kRunBytes = 4 * kMiB;
constexpr uint32_t kMostBlocksInRun = 16;
constexpr uint64_t kLargestSegment = 64 * kMiB;
constexpr uint64_t kLeastSegments = 4;
constexpr uint64_t kSegmentsInFolder = 16;  // so that losing the oldest is no great loss
constexpr uint64_t kMostIndexedBlocks = uint64_t{1} << 22;  // at some 200 bytes each

uint32_t RunBlocks(const BlockShape& shape) {
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(kRunBytes / shape.block_bytes(), 1, kMostBlocksInRun));
}

uint64_t LargestRecord(const BlockShape& shape) {
  return RecordLayout(shape, RunBlocks(shape), true).record_bytes;
}

uint64_t SmallestSegment(const BlockShape& shape) {
  return kSegmentStartBytes + LargestRecord(shape) + FooterBytes(1, RunBlocks(shape));
}

std::string_view CipherName(Cipher cipher) {
  return cipher == Cipher::kNone     ? "not encrypted"
         : cipher == Cipher::kAesGcm ? "AES-256-GCM"
                                     : "XChaCha20-Poly1305";
}

}  // namespace

Result<std::unique_ptr<SsdTier>> SsdTier::Open(const SsdTierOptions& options,
                                               std::unique_ptr<DiskEnvironment> disk) {
  QUIRE_CHECK(options.shape.block_bytes() > 0);
  const uint64_t least = kLeastSegments * SmallestSegment(options.shape);
  if (options.limit_bytes < least) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("--disk {} is too small for this model: a block of its KV has {}, "
                              "and {} is the least; 0 switches the disk off",
                              FormatSize(options.limit_bytes),
                              FormatSize(options.shape.block_bytes()), FormatSize(least)),
                  "disk");
  }
  QUIRE_TRY(SegmentFolder folder, SegmentFolder::Open(*disk, options.folder));
  return std::unique_ptr<SsdTier>(
      new SsdTier(options, std::move(disk), std::move(folder), RunBlocks(options.shape)));
}

SsdTier::SsdTier(const SsdTierOptions& options, std::unique_ptr<DiskEnvironment> disk,
                 SegmentFolder folder, uint32_t most_run_blocks)
    : options_(options),
      disk_(std::move(disk)),
      folder_(std::move(folder)),
      cipher_(options.encrypt ? FastestCipher() : Cipher::kNone),
      most_run_blocks_(most_run_blocks) {
  const std::vector<SegmentContents> segments = folder_.Load(*disk_);
  FillIndex(segments);
  const uint64_t segment_bytes =
      std::max(std::min(options.limit_bytes / kSegmentsInFolder, kLargestSegment),
               SmallestSegment(options.shape));
  writer_ = std::make_unique<RecordWriter>(
      RecordWriter::Options{.shape = options.shape,
                            .cipher = cipher_,
                            .limit_bytes = options.limit_bytes,
                            .segment_bytes = segment_bytes,
                            .floor_bytes = options.floor_bytes,
                            .most_record_bytes = LargestRecord(options.shape),
                            .most_blocks = kMostIndexedBlocks,
                            .cached_bytes = options.cached_bytes,
                            .log = options.log,
                            .notify = options.notify},
      *disk_, folder_, state_, segments);
  reader_ = std::make_unique<RecordReader>(
      RecordReader::Options{.shape = options.shape,
                            .cipher = cipher_,
                            .most_record_bytes = LargestRecord(options.shape),
                            .most_run_blocks = most_run_blocks,
                            .page_cache = options.page_cache,
                            .notify = options.notify},
      *disk_, folder_, state_);
}

SsdTier::~SsdTier() {
  reader_.reset();
  writer_.reset();
}

// Records of other models and formats stay until their segment is the oldest, but cannot be read.
void SsdTier::FillIndex(const std::vector<SegmentContents>& segments) {
  const std::lock_guard lock(state_.mutex);
  RecordIndex& index = state_.index;
  for (const SegmentContents& segment : segments) {
    for (const PlacedRecord& record : segment.records) {
      const RecordHead& head = record.head;
      const bool sealed = head.cipher != Cipher::kNone;
      const RecordLayout layout(head.shape, head.num_blocks(), sealed);
      if (index.FindRecord(head.sequence) != nullptr) continue;  // it was being moved
      if (!index.IsAlive(head.owner)) {
        const auto oldest = index.OldestOf(head.owner.tag);
        if (oldest && index.FindRecord(*oldest)->owner.generation > head.owner.generation) continue;
        (void)index.SetGeneration(head.owner);
      }
      index.Add({.sequence = head.sequence,
                 .segment = segment.segment,
                 .offset = record.offset,
                 .bytes = layout.record_bytes,
                 .header_bytes = layout.header_bytes,
                 .owner = head.owner,
                 .names = head.names});
    }
  }
}

bool SsdTier::Contains(const BlockName& name) const {
  const std::lock_guard lock(state_.mutex);
  return state_.index.Find(name).has_value();
}

uint32_t SsdTier::CountFirst(std::span<const BlockName> names) const {
  const std::lock_guard lock(state_.mutex);
  uint32_t count = 0;
  while (count < names.size() && state_.index.Find(names[count])) ++count;
  return count;
}

void SsdTier::NoteUsed(std::span<const BlockName> names) {
  const std::lock_guard lock(state_.mutex);
  uint64_t last = 0;
  for (const BlockName& name : names) {
    const auto place = state_.index.Find(name);
    if (!place || place->record->sequence == last) continue;
    last = place->record->sequence;
    state_.index.NoteUsed(last);
  }
}

uint32_t SsdTier::Load(uint64_t ticket, const BlockOwnerPtr& owner,
                       std::span<const BlockName> names, std::span<const LayerRange> groups,
                       std::span<std::byte* const> places) {
  QUIRE_CHECK(places.empty() || places.size() == names.size());
  const LayerRange all{0, options_.shape.layers};
  if (groups.empty()) groups = std::span(&all, 1);
  std::list<ReadPiece> pieces;  // of all layers, first
  uint32_t count = 0;
  {
    const std::lock_guard lock(state_.mutex);
    for (; count < names.size(); ++count) {
      const auto place = state_.index.Find(names[count]);
      if (!place) break;
      const RecordIndex::Record& record = *place->record;
      const bool goes_on = !pieces.empty() && pieces.back().sequence == record.sequence &&
                           pieces.back().block + pieces.back().names.size() == place->block &&
                           pieces.back().names.size() < most_run_blocks_;
      if (!goes_on) {
        pieces.push_back({.ticket = ticket,
                          .first = count,
                          .sequence = record.sequence,
                          .segment = record.segment,
                          .offset = record.offset,
                          .header_bytes = record.header_bytes,
                          .block = place->block,
                          .names = {},
                          .layers = all,
                          .places = {},
                          .owner = owner});
      }
      pieces.back().names.push_back(names[count]);
      if (!places.empty()) pieces.back().places.push_back(places[count]);
    }
  }
  std::list<ReadPiece> wanted;
  for (const LayerRange& layers : groups) {
    for (const ReadPiece& whole : pieces) {
      ReadPiece& piece = wanted.emplace_back(whole);
      piece.layers = layers;
      for (std::byte*& place : piece.places) {
        place += uint64_t{layers.first} * options_.shape.layer_bytes;
      }
    }
  }
  reader_->Push(std::move(wanted));
  return count;
}

void SsdTier::Drop(uint64_t ticket) { reader_->Drop(ticket); }

void SsdTier::Abandon() {
  writer_->StopWriting();
  for (const uint64_t segment : ListSegments(folder_.path())) folder_.Delete(segment);
}

void SsdTier::SetOwner(const OwnerTag& owner, uint64_t limit_bytes) {
  std::vector<RecordIndex::Record> dead;
  {
    const std::lock_guard lock(state_.mutex);
    state_.owner_limits[owner.tag] = limit_bytes;
    dead = state_.index.SetGeneration(owner);
    while (state_.index.owner_bytes(owner.tag) > limit_bytes) {
      dead.push_back(*state_.index.Remove(*state_.index.OldestOf(owner.tag)));
    }
  }
  writer_->GiveBack(std::move(dead));
}

SsdTier::Usage SsdTier::usage(const ShortTag& owner) const {
  const std::lock_guard lock(state_.mutex);
  return {state_.index.owner_bytes(owner), state_.index.owner_blocks(owner)};
}

DiskCounts SsdTier::counts() const {
  const std::lock_guard lock(state_.mutex);
  DiskCounts counts = state_.counts;
  counts.blocks = state_.index.num_blocks();
  return counts;
}

std::string SsdTier::Describe() const {
  const DiskCounts now = counts();
  const std::string cached =
      !options_.page_cache
          ? "past the page cache"
          : fmt::format("the newest {} in the page cache too", FormatSize(options_.cached_bytes));
  return fmt::format("{}: {} in {} blocks, {} at most, {}, {}, {}", options_.folder,
                     FormatSize(now.disk_bytes), now.blocks, FormatSize(now.limit_bytes),
                     CipherName(cipher_), reader_->io_name(), cached);
}

}  // namespace quire
