// tier/ssd/record_reader.h -- reads runs of blocks and proves them, on threads of its own.
//
//   Push -> queued -> in flight -> read -> proven -> Take -> GiveBack
//
// One thread keeps the disk busy, others prove and decrypt: a disk is faster than one of them.
// Blocks are opened to where they are wanted, if that is known; until their piece came back, those
// places are the reader's, and hold what is not proven yet. What the system has in its page cache
// is copied by whoever proves it, who waits for the disk if it was dropped meanwhile.
//
// A piece that fails in any way comes back with fewer blocks than were asked for, down to none; it
// is counted, and its record is forgotten, so that nobody fails on it again; but for a lack of
// memory, which is not the record's. What a purge has wiped meanwhile is no trouble of the disk.
//
// Threads  one for reading, kProvers to prove. Push, Drop, Take and GiveBack: one other thread.
// Bounds   kReadBuffers buffers; pieces beyond wait. Whoever pushes bounds those.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "tier/io/aligned_buffer.h"
#include "tier/io/io_queue.h"
#include "tier/ssd/block_owner.h"
#include "tier/ssd/record_seal.h"
#include "tier/ssd/segment_files.h"
#include "tier/ssd/tier_state.h"

namespace quire {

// Consecutive blocks of one record, or some layers of each.
struct ReadPiece {
  uint64_t ticket = 0;
  uint32_t first = 0;  // of the ticket's blocks
  uint64_t sequence = 0;
  uint64_t segment = 0;
  uint64_t offset = 0;
  uint64_t header_bytes = 0;
  uint32_t block = 0;            // of the record
  std::vector<BlockName> names;  // of the blocks wanted
  LayerRange layers;
  // [block]: where these layers of it go. Empty: they come back in a buffer.
  std::vector<std::byte*> places;
  BlockOwnerPtr owner;
};

// Why blocks of a piece are not there.
enum class ReadFlaw : uint8_t {
  kUnread,   // they could not be read, or nobody wants them any more
  kCorrupt,  // they are not what they should be
  kPurged,   // their owner was purged meanwhile
};

// What became of a piece.
struct ReadBlocks {
  uint64_t ticket = 0;
  uint32_t first = 0;
  uint32_t asked = 0;
  LayerRange layers;
  uint32_t count = 0;                 // that are proven
  ReadFlaw flaw = ReadFlaw::kUnread;  // of the others
  BlockName parent;                   // of the first
  ShortTag root_tag{};
  std::vector<std::byte> notes;              // [count][note_bytes]
  std::vector<std::span<std::byte>> blocks;  // [asked], each [layers][layer_bytes]
  AlignedBuffer buffer;
};

class RecordReader {
 public:
  struct Options {
    BlockShape shape;
    Cipher cipher = Cipher::kNone;  // kNone: unsealed records are taken; else only sealed ones
    uint64_t most_record_bytes = 0;
    uint32_t most_run_blocks = 0;  // of a piece
    bool page_cache = false;       // what the system has in memory is taken from there
    std::function<void()> notify;  // a piece is done; on any thread
  };
  // All outlive it.
  RecordReader(const Options& options, DiskEnvironment& disk, const SegmentFolder& folder,
               TierState& state);
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  void Push(std::list<ReadPiece> pieces);  // allocates nothing
  void Drop(uint64_t ticket);  // what is queued of it comes back empty, the rest as it is
  std::optional<ReadBlocks> Take();
  void GiveBack(ReadBlocks blocks);  // each that was taken
  std::string_view io_name() const { return io_name_; }

  static constexpr uint32_t kReadBuffers = 8;  // enough to keep a disk and its ciphers busy
  static constexpr uint32_t kProvers = 2;

 private:
  struct Flight {
    bool used = false;
    ReadPiece piece;
    AlignedBuffer buffer;
    std::shared_ptr<OpenFile> file;
    std::vector<uint64_t> blocks_at;  // where in the buffer each begins
    std::vector<bool> in_memory;      // [block]: not read, for a prover to take from the page cache
    uint32_t pending = 0;
    bool failed = false;
  };

  void ThreadMain();
  void ProverMain();
  void Begin(ReadPiece piece, AlignedBuffer buffer);
  void BeginWhole(uint32_t slot);
  void BeginBlocks(uint32_t slot);
  void BeginRest(uint32_t slot);
  std::vector<bool> BlocksInMemory(const Flight& flight) const;
  void Submit(uint32_t slot, uint64_t offset, std::span<std::byte> bytes);
  void Reap();
  void PassOn(uint32_t slot);
  uint64_t BytesOfEach(const ReadPiece& piece) const;
  void Finish(Flight& flight);
  uint32_t Prove(Flight& flight, ReadBlocks& done);
  bool BringFromMemory(const Flight& flight, uint32_t i, std::span<std::byte> to);
  void Deliver(ReadPiece piece, ReadBlocks done, AlignedBuffer buffer);
  bool IsPurged(const BlockOwner& owner) const;
  void Forget(const ReadPiece& piece, DiskTrouble trouble);
  void MeasureBusy(bool busy);

  const Options options_;
  DiskEnvironment& disk_;
  TierState& state_;
  SegmentFiles files_;
  const uint32_t operations_;  // at most, of a piece
  std::unique_ptr<IoQueue> queue_;
  const std::string io_name_;
  std::vector<Flight> flights_;         // [kReadBuffers]; the reading thread's, then a prover's
  std::vector<uint64_t> wanted_bytes_;  // by operation: [operations_ * kReadBuffers]
  double busy_since_ = -1;
  uint64_t busy_bytes_ = 0;
  bool busy_with_memory_ = false;  // part of it was no work of the disk

  std::mutex mutex_;
  std::condition_variable work_;
  std::list<ReadPiece> pieces_;
  std::vector<AlignedBuffer> buffers_;  // free ones
  std::deque<uint32_t> read_;           // flights that are to be proven
  uint32_t num_proving_ = 0;
  std::condition_variable prove_;
  std::deque<ReadBlocks> done_;
  bool stopping_ = false;
  std::thread thread_;
  std::vector<std::thread> provers_;
};

}  // namespace quire
