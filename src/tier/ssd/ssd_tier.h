// tier/ssd/ssd_tier.h -- KV blocks on a disk: found by name after RAM has lost them, or the process
// has ended.
//
//   offload  Begin, fill, Write: a run of sealed blocks goes to the disk behind the caller's back
//   onboard  Load, then Take: blocks come back, each one proven (record_seal.h), or do not
//
// The tier may lose anything at any time and never returns wrong bytes. It needs no fsync and no
// log, and its folder may be deleted while it is used. Token ids and the like are bytes that it
// keeps beside a block ("notes") and gives back.
//
// Threads  all methods but Abandon: one thread, the engine's. Two threads of its own read and
//          write.
// Bounds   the folder by `limit_bytes`, what is on its way by kReadBuffers and kWriteBuffers, the
//          index by kMostIndexedBlocks.
// Errors   Open: kConflict (another process has the folder), kIo, kInvalidArgument (the limit is
//          too small for this model). Later trouble is counted and costs hits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tier/io/disk_environment.h"
#include "tier/ssd/block_owner.h"
#include "tier/ssd/record_reader.h"
#include "tier/ssd/record_writer.h"
#include "tier/ssd/tier_state.h"

namespace quire {

struct SsdTierOptions {
  std::string folder;
  uint64_t limit_bytes = 0;
  uint64_t floor_bytes = 0;  // of free space that others keep
  BlockShape shape;
  bool encrypt = true;
  // Blocks that the system has in its page cache are taken from there.
  bool page_cache = false;
  // Of what was written last, that it is to keep there, where it outlives the process. 0: all is
  // written past it.
  uint64_t cached_bytes = 0;
  std::function<void(std::string_view)> log = [](std::string_view) {};
  // Something can be taken, or begun again; on a thread of the tier. Must only wake somebody.
  std::function<void()> notify = [] {};
};

class SsdTier {
 public:
  static Result<std::unique_ptr<SsdTier>> Open(const SsdTierOptions& options,
                                               std::unique_ptr<DiskEnvironment> disk);
  ~SsdTier();  // writes what was begun, and the footer
  SsdTier(const SsdTier&) = delete;
  SsdTier& operator=(const SsdTier&) = delete;

  // Hints: what is there may be gone when it is read.
  bool Contains(const BlockName& name) const;
  uint32_t CountFirst(std::span<const BlockName> names) const;  // in a row, of these

  // Somebody found these in memory: as good a reason to keep them as a read.
  void NoteUsed(std::span<const BlockName> names);

  // Up to most_run_blocks() blocks; nullopt while nothing more can be taken.
  std::optional<WriteRun> Begin(uint32_t blocks) { return writer_->Begin(blocks); }
  void Write(WriteRun run) { writer_->Push(std::move(run)); }
  uint32_t most_run_blocks() const { return most_run_blocks_; }
  bool is_writing() const { return !writer_->idle(); }

  // Reads blocks until CountFirst of `names`, under `ticket`; returns how many. Take gives them
  // back in pieces, in any order, until all are accounted for. With several `groups` of layers, all
  // layers if empty, all blocks are read group by group.
  // Blocks are opened to `places`, [block_bytes] each for as many as `names`, unless it is empty.
  uint32_t Load(uint64_t ticket, const BlockOwnerPtr& owner, std::span<const BlockName> names,
                std::span<const LayerRange> groups = {}, std::span<std::byte* const> places = {});
  void Drop(uint64_t ticket);  // all its pieces still come, maybe empty
  std::optional<ReadBlocks> Take() { return reader_->Take(); }
  void GiveBack(ReadBlocks blocks) { reader_->GiveBack(std::move(blocks)); }

  // Deletes all segments and writes nothing more. Any thread.
  void Abandon();

  // Which generation of an owner is alive, and the bytes it may take. Records of another one are
  // unreadable from now on, and their space is given back.
  void SetOwner(const OwnerTag& owner, uint64_t limit_bytes);
  struct Usage {
    uint64_t bytes = 0;
    uint64_t blocks = 0;
  };
  Usage usage(const ShortTag& owner) const;
  DiskCounts counts() const;
  const BlockShape& shape() const { return options_.shape; }

  // "~/.local/share/quire/kv: 120 MiB of at most 8 GiB, AES-256-GCM, io_uring, past the page
  // cache"
  std::string Describe() const;

 private:
  SsdTier(const SsdTierOptions& options, std::unique_ptr<DiskEnvironment> disk,
          SegmentFolder folder, uint32_t most_run_blocks);
  void FillIndex(const std::vector<SegmentContents>& segments);

  const SsdTierOptions options_;
  const std::unique_ptr<DiskEnvironment> disk_;
  const SegmentFolder folder_;
  const Cipher cipher_;
  const uint32_t most_run_blocks_;
  mutable TierState state_;
  std::unique_ptr<RecordWriter> writer_;
  std::unique_ptr<RecordReader> reader_;
};

}  // namespace quire
