// tier/ssd/record_index.h -- which blocks lie in which record of which segment: all in RAM.
//
// What the segment files say, read once at start and kept up as records come and go. A name is
// found in one record at most; a second record with the same block is dead weight for it.
//
// Invariants (CheckInvariants):
//   X1  every name leads to a record that lists it at that place.
//   X2  bytes of owners and of segments are the sums over their records.
//   X3  an owner has records of one generation only.
//
// Threads  none: whoever owns it has a mutex.
// Cost     some 110 bytes per block and 300 per record.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/block_name.h"
#include "tier/ssd/record_format.h"

namespace quire {

class RecordIndex {
 public:
  struct Record {
    uint64_t sequence = 0;
    uint64_t segment = 0;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint64_t header_bytes = 0;
    OwnerTag owner;
    std::vector<BlockName> names;
    bool used = false;  // since it was written: read, or its blocks were found in memory
  };
  struct Place {
    const Record* record = nullptr;  // until the index changes
    uint32_t block = 0;              // of the record
  };

  // The sequence number is new, and the owner's generation alive.
  void Add(Record record);
  std::optional<Place> Find(const BlockName& name) const;
  const Record* FindRecord(uint64_t sequence) const;
  void NoteUsed(uint64_t sequence);

  std::optional<Record> Remove(uint64_t sequence);
  std::vector<Record> RemoveSegment(uint64_t segment);

  // Which generation of an owner is alive, from now on; returns the records of others, which are
  // gone from the index: what they take on the disk is the caller's to give back.
  std::vector<Record> SetGeneration(const OwnerTag& owner);
  bool IsAlive(const OwnerTag& owner) const;
  uint64_t owner_bytes(const ShortTag& tag) const;
  uint64_t owner_blocks(const ShortTag& tag) const;
  std::optional<uint64_t> OldestOf(const ShortTag& tag) const;  // its sequence number

  std::vector<uint64_t> RecordsOf(uint64_t segment) const;  // their sequence numbers, ascending
  uint64_t segment_bytes(uint64_t segment) const;           // of its records
  uint64_t num_blocks() const { return by_name_.size(); }
  uint64_t num_records() const { return records_.size(); }

  void CheckInvariants() const;

 private:
  struct Spot {
    uint64_t sequence = 0;
    uint32_t block = 0;
  };
  struct Owner {
    uint64_t generation = 0;
    bool generation_is_set = false;  // else that of its records
    uint64_t bytes = 0;
    uint64_t blocks = 0;
    std::set<uint64_t> records;
  };
  struct Segment {
    uint64_t bytes = 0;
    std::set<uint64_t> records;
  };
  struct NameHash {
    size_t operator()(const BlockName& name) const { return HashOf(name); }
  };

  std::map<uint64_t, Record> records_;  // by sequence number
  std::unordered_map<BlockName, Spot, NameHash> by_name_;
  std::map<ShortTag, Owner> owners_;
  std::map<uint64_t, Segment> segments_;
};

}  // namespace quire
