// tier/ssd/record_writer.h -- writes runs of blocks behind the engine's back, on a thread of its
// own, and keeps the folder within its bounds.
//
//   Begin -> the caller fills the buffer -> Push -> sealed -> written -> in the index
//
// Records are appended to the newest segment. Where room is needed the oldest segment goes; what of
// it was used since it was written moves to the newest one, as long as that is less than half. An
// owner beyond its limit loses its own oldest records first.
//
// When a write fails, or the file system has less than its floor left, writing pauses for a second,
// then twice as long each time up to a minute: counted, and one line in the log.
//
// Threads  one for writing. StopWriting: any. The rest: one other thread.
// Bounds   kWriteBuffers buffers: Begin refuses when all are on their way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tier/io/aligned_buffer.h"
#include "tier/io/io_queue.h"
#include "tier/ssd/block_owner.h"
#include "tier/ssd/cached_tail.h"
#include "tier/ssd/record_seal.h"
#include "tier/ssd/segment_folder.h"
#include "tier/ssd/tier_state.h"

namespace quire {

struct WriteRun {
  BlockOwnerPtr owner;
  ShortTag root_tag{};
  BlockName parent;
  std::vector<BlockName> names;
  std::vector<std::byte> notes;  // [block][note_bytes]
  AlignedBuffer buffer;
  uint64_t blocks_at = 0;  // where in it the blocks go: [block][layer][layer_bytes]
};

class RecordWriter {
 public:
  struct Options {
    BlockShape shape;
    Cipher cipher = Cipher::kNone;
    uint64_t limit_bytes = 0;
    uint64_t segment_bytes = 0;
    uint64_t floor_bytes = 0;
    uint64_t most_record_bytes = 0;
    uint64_t most_blocks = 0;   // in the index: bounds its memory
    uint64_t cached_bytes = 0;  // of what was written last, that stay in the page cache
    std::function<void(std::string_view)> log;
    std::function<void()> notify;  // a buffer is free again; on the writer's thread
  };
  // All outlive it. `segments` are there already.
  RecordWriter(const Options& options, DiskEnvironment& disk, const SegmentFolder& folder,
               TierState& state, const std::vector<SegmentContents>& segments);
  ~RecordWriter();  // writes what was pushed, and the footer
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  // A run for so many blocks, of which the caller fills all but `blocks_at`; nullopt if every
  // buffer is on its way, or writing pauses.
  std::optional<WriteRun> Begin(uint32_t blocks);
  void Push(WriteRun run);
  bool idle() const;  // nothing on its way
  // A pause without an end; what is on its way goes to the segment at hand. Any thread.
  void StopWriting();

  // Records that are gone from the index: what they take is given back to the file system.
  void GiveBack(std::vector<RecordIndex::Record> records);

  static constexpr uint32_t kWriteBuffers = 4;

 private:
  struct Segment {
    uint64_t bytes = 0;    // of the file
    uint64_t punched = 0;  // of those, given back
  };

  void KeepCached(const std::vector<SegmentContents>& segments);
  void ThreadMain();
  void Write(WriteRun& run);
  void Try(const std::function<void()>& write);
  bool IsDead(const WriteRun& run);
  bool MakeRoom(uint64_t bytes);
  void EvictOldest();
  std::vector<RecordIndex::Record> WorthMoving(uint64_t segment);
  void MoveRecord(const RecordIndex::Record& record, const OpenFile& from);
  bool Append(RecordHead& head, const std::function<void(std::span<std::byte>)>& finish,
              std::span<std::byte> record);
  bool OpenSegment();
  void CloseSegment();
  void HoldToLimit(const ShortTag& owner);
  void Punch(const RecordIndex::Record& record);
  void DropEmptySegments();
  int64_t WriteNow(std::span<std::byte> bytes, uint64_t offset);
  void Fail(int error);
  void Pause(DiskTrouble trouble, const std::string& why);
  void PublishBytes();
  bool paused() const;

  const Options options_;
  DiskEnvironment& disk_;
  const SegmentFolder& folder_;
  TierState& state_;

  // Of the writer's thread.
  std::unique_ptr<IoQueue> queue_;
  std::map<uint64_t, Segment> segments_;
  uint64_t total_bytes_ = 0;  // of segments_, without what was punched
  std::shared_ptr<OpenFile> file_;
  uint64_t segment_ = 0;  // its number; numbers only grow
  uint64_t offset_ = 0;
  uint64_t footer_blocks_ = 0;
  std::vector<PlacedRecord> written_;
  uint64_t last_sequence_ = 0;
  AlignedBuffer scratch_;  // for a record that moves
  CachedTail cached_;
  double cpu_seconds_ = 0;  // of this thread
  double pause_seconds_ = 0;
  bool pause_is_known_ = false;

  std::atomic<double> paused_until_ = 0;
  std::atomic<bool> stopped_ = false;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<WriteRun> runs_;
  std::vector<RecordIndex::Record> dead_;
  std::vector<AlignedBuffer> buffers_;  // free ones
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace quire
