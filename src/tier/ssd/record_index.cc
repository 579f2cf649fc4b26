#include "tier/ssd/record_index.h"

#include <utility>

#include "base/check.h"

namespace quire {

void RecordIndex::Add(Record record) {
  const uint64_t sequence = record.sequence;
  QUIRE_CHECK(!records_.contains(sequence), "a sequence number was given twice");
  Owner& owner = owners_[record.owner.tag];
  QUIRE_CHECK(IsAlive(record.owner), "X3: a record of a dead generation");
  owner.generation = record.owner.generation;
  owner.bytes += record.bytes;
  owner.records.insert(sequence);
  Segment& segment = segments_[record.segment];
  segment.bytes += record.bytes;
  segment.records.insert(sequence);
  for (uint32_t i = 0; i < record.names.size(); ++i) {
    owner.blocks += by_name_.try_emplace(record.names[i], Spot{sequence, i}).second;
  }
  records_.emplace(sequence, std::move(record));
}

std::optional<RecordIndex::Place> RecordIndex::Find(const BlockName& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  return Place{&records_.at(found->second.sequence), found->second.block};
}

const RecordIndex::Record* RecordIndex::FindRecord(uint64_t sequence) const {
  const auto found = records_.find(sequence);
  return found == records_.end() ? nullptr : &found->second;
}

void RecordIndex::NoteUsed(uint64_t sequence) {
  if (const auto found = records_.find(sequence); found != records_.end()) {
    found->second.used = true;
  }
}

std::optional<RecordIndex::Record> RecordIndex::Remove(uint64_t sequence) {
  auto node = records_.extract(sequence);
  if (node.empty()) return std::nullopt;
  Record record = std::move(node.mapped());
  Owner& owner = owners_.at(record.owner.tag);
  owner.bytes -= record.bytes;
  owner.records.erase(sequence);
  for (const BlockName& name : record.names) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || found->second.sequence != sequence) continue;
    by_name_.erase(found);
    --owner.blocks;
  }
  const auto segment = segments_.find(record.segment);
  segment->second.bytes -= record.bytes;
  segment->second.records.erase(sequence);
  if (segment->second.records.empty()) segments_.erase(segment);
  return record;
}

std::vector<RecordIndex::Record> RecordIndex::RemoveSegment(uint64_t segment) {
  std::vector<Record> removed;
  for (const uint64_t sequence : RecordsOf(segment)) removed.push_back(*Remove(sequence));
  return removed;
}

std::vector<RecordIndex::Record> RecordIndex::SetGeneration(const OwnerTag& tag) {
  Owner& owner = owners_[tag.tag];
  owner.generation_is_set = true;
  std::vector<Record> removed;
  if (owner.generation == tag.generation) return removed;
  while (!owner.records.empty()) removed.push_back(*Remove(*owner.records.begin()));
  owner.generation = tag.generation;
  return removed;
}

bool RecordIndex::IsAlive(const OwnerTag& tag) const {
  const auto found = owners_.find(tag.tag);
  if (found == owners_.end()) return true;
  const Owner& owner = found->second;
  return owner.generation == tag.generation || (owner.records.empty() && !owner.generation_is_set);
}

uint64_t RecordIndex::owner_bytes(const ShortTag& tag) const {
  const auto found = owners_.find(tag);
  return found == owners_.end() ? 0 : found->second.bytes;
}

uint64_t RecordIndex::owner_blocks(const ShortTag& tag) const {
  const auto found = owners_.find(tag);
  return found == owners_.end() ? 0 : found->second.blocks;
}

std::optional<uint64_t> RecordIndex::OldestOf(const ShortTag& tag) const {
  const auto found = owners_.find(tag);
  if (found == owners_.end() || found->second.records.empty()) return std::nullopt;
  return *found->second.records.begin();
}

std::vector<uint64_t> RecordIndex::RecordsOf(uint64_t segment) const {
  const auto found = segments_.find(segment);
  if (found == segments_.end()) return {};
  return {found->second.records.begin(), found->second.records.end()};
}

uint64_t RecordIndex::segment_bytes(uint64_t segment) const {
  const auto found = segments_.find(segment);
  return found == segments_.end() ? 0 : found->second.bytes;
}

void RecordIndex::CheckInvariants() const {
  for (const auto& [name, spot] : by_name_) {
    const auto found = records_.find(spot.sequence);
    QUIRE_CHECK(found != records_.end() && spot.block < found->second.names.size() &&
                    found->second.names[spot.block] == name,
                "X1: a name leads astray");
  }
  std::map<ShortTag, uint64_t> owner_bytes;
  std::map<uint64_t, uint64_t> segment_bytes;
  for (const auto& [sequence, record] : records_) {
    owner_bytes[record.owner.tag] += record.bytes;
    segment_bytes[record.segment] += record.bytes;
    QUIRE_CHECK(owners_.at(record.owner.tag).generation == record.owner.generation,
                "X3: two generations of one owner");
  }
  for (const auto& [tag, owner] : owners_) {
    QUIRE_CHECK(owner.bytes == owner_bytes[tag], "X2: an owner's bytes are wrong");
  }
  for (const auto& [id, segment] : segments_) {
    QUIRE_CHECK(segment.bytes == segment_bytes[id], "X2: a segment's bytes are wrong");
  }
}

}  // namespace quire
