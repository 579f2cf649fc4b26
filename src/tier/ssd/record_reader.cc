#include "tier/ssd/record_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <iterator>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/spare_memory.h"

namespace quire {
namespace {

constexpr double kRateWeight = 0.3;  // of the newest measurement
constexpr double kLeastMeasuredBytes = 1 << 20;

// Of one piece: its header, and each block by itself where not all layers of it are wanted.
uint32_t MostOperations(uint32_t most_run_blocks) { return 1 + most_run_blocks; }

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool IsAny(const std::vector<bool>& of) {
  return std::ranges::any_of(of, [](bool one) { return one; });
}

bool IsZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

RecordReader::RecordReader(const Options& options, DiskEnvironment& disk,
                           const SegmentFolder& folder, TierState& state)
    : options_(options),
      disk_(disk),
      state_(state),
      files_(disk, folder),
      operations_(MostOperations(options.most_run_blocks)),
      queue_(disk_.MakeQueue(operations_ * kReadBuffers)),
      io_name_(queue_->name()),
      flights_(kReadBuffers),
      wanted_bytes_(size_t{operations_} * kReadBuffers) {
  // Blocks from the middle of a record, and layers, begin anywhere in a unit of direct I/O.
  const uint64_t around = 2 * kIoAlign * options.most_run_blocks;
  for (uint32_t i = 0; i < kReadBuffers; ++i) {
    buffers_.emplace_back(options.most_record_bytes + around);
  }
  thread_ = std::thread([this] { ThreadMain(); });
  for (uint32_t i = 0; i < kProvers; ++i) provers_.emplace_back([this] { ProverMain(); });
}

RecordReader::~RecordReader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    pieces_.clear();
  }
  work_.notify_one();
  thread_.join();
  prove_.notify_all();
  for (std::thread& prover : provers_) prover.join();
}

void RecordReader::Push(std::list<ReadPiece> pieces) {
  {
    const std::lock_guard lock(mutex_);
    pieces_.splice(pieces_.end(), pieces);
  }
  work_.notify_one();
}

void RecordReader::Drop(uint64_t ticket) {
  std::list<ReadPiece> dropped;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = pieces_.begin(); it != pieces_.end();) {
      const auto next = std::next(it);
      if (it->ticket == ticket) dropped.splice(dropped.end(), pieces_, it);
      it = next;
    }
  }
  for (ReadPiece& piece : dropped) Deliver(std::move(piece), {}, {});
}

std::optional<ReadBlocks> RecordReader::Take() {
  const std::lock_guard lock(mutex_);
  if (done_.empty()) return std::nullopt;
  ReadBlocks done = std::move(done_.front());
  done_.pop_front();
  return done;
}

void RecordReader::GiveBack(ReadBlocks blocks) {
  if (blocks.buffer.size() == 0) return;
  {
    const std::lock_guard lock(mutex_);
    buffers_.push_back(std::move(blocks.buffer));
  }
  work_.notify_one();
}

void RecordReader::ThreadMain() {
  const SparePermit permit(SpareUse::kAll);
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto can_begin = [this] { return !pieces_.empty() && !buffers_.empty(); };
    if (queue_->in_flight() == 0) {
      const auto proves = [this] { return !read_.empty() || num_proving_ > 0; };
      work_.wait(lock, [&] { return stopping_ || can_begin() || !proves(); });
      MeasureBusy(can_begin());
      work_.wait(lock, [&] { return stopping_ || can_begin(); });
      if (stopping_) return;
      MeasureBusy(true);
    }
    while (can_begin()) {
      ReadPiece piece = std::move(pieces_.front());
      pieces_.pop_front();
      AlignedBuffer buffer = std::move(buffers_.back());
      buffers_.pop_back();
      lock.unlock();
      Begin(std::move(piece), std::move(buffer));
      lock.lock();
    }
    lock.unlock();
    Reap();
    lock.lock();
  }
}

void RecordReader::ProverMain() {
  const SparePermit permit(SpareUse::kAll);
  std::unique_lock lock(mutex_);
  for (;;) {
    prove_.wait(lock, [this] { return stopping_ || !read_.empty(); });
    if (read_.empty()) return;
    Flight& flight = flights_[read_.front()];
    read_.pop_front();
    ++num_proving_;
    lock.unlock();
    Finish(flight);
    lock.lock();
    --num_proving_;
    if (read_.empty() && num_proving_ == 0) work_.notify_one();  // a pause, which is measured
  }
}

void RecordReader::Begin(ReadPiece piece, AlignedBuffer buffer) {
  Flight* free = nullptr;
  {
    const std::lock_guard lock(mutex_);
    free = &*std::ranges::find(flights_, false, &Flight::used);
    free->used = true;
  }
  auto file = files_.Get(piece.segment);
  if (file == nullptr) {
    Forget(piece, errno == ENOENT ? DiskTrouble::kGone : DiskTrouble::kIo);
    Deliver(std::move(piece), {}, std::move(buffer));
    const std::lock_guard lock(mutex_);
    free->used = false;
    return;
  }
  free->failed = false;
  free->blocks_at.clear();
  free->file = std::move(file);
  free->buffer = std::move(buffer);
  free->piece = std::move(piece);
  const auto slot = static_cast<uint32_t>(free - flights_.data());
  free->in_memory = BlocksInMemory(*free);
  if (IsAny(free->in_memory)) return BeginRest(slot);
  free->piece.layers.size() == options_.shape.layers ? BeginWhole(slot) : BeginBlocks(slot);
}

std::vector<bool> RecordReader::BlocksInMemory(const Flight& flight) const {
  const ReadPiece& piece = flight.piece;
  const uint64_t block_bytes = options_.shape.block_bytes();
  std::vector<bool> blocks(piece.names.size());
  if (!options_.page_cache) return blocks;
  const auto header = disk_.PagesInMemory(*flight.file, {piece.offset, piece.header_bytes});
  const uint64_t first = piece.offset + piece.header_bytes + piece.block * block_bytes;
  const auto pages = disk_.PagesInMemory(*flight.file, {first, blocks.size() * block_bytes});
  if (pages.empty() || !std::ranges::all_of(header, std::identity{})) return blocks;
  const auto page_of = [&](uint64_t offset) {
    return static_cast<ptrdiff_t>((AlignDown(offset) - AlignDown(first)) / kIoAlign);
  };
  for (size_t i = 0; i < blocks.size(); ++i) {
    const uint64_t at = first + i * block_bytes;
    const uint64_t begin = at + uint64_t{piece.layers.first} * options_.shape.layer_bytes;
    const uint64_t last = at + uint64_t{piece.layers.end} * options_.shape.layer_bytes - 1;
    blocks[i] = std::all_of(pages.begin() + page_of(begin), pages.begin() + page_of(last) + 1,
                            [](bool here) { return here; });
  }
  return blocks;
}

// The disk is asked for those blocks alone that are not in memory.
void RecordReader::BeginRest(uint32_t slot) {
  Flight& flight = flights_[slot];
  const auto header = flight.buffer.span().first(flight.piece.header_bytes);
  busy_with_memory_ = true;
  flight.failed = disk_.ReadCached(*flight.file, header, flight.piece.offset) !=
                  static_cast<int64_t>(header.size());
  BeginBlocks(slot);
  if (flight.pending == 0) PassOn(slot);
}

void RecordReader::PassOn(uint32_t slot) {
  {
    const std::lock_guard lock(mutex_);
    read_.push_back(slot);
  }
  prove_.notify_one();
}

void RecordReader::BeginWhole(uint32_t slot) {
  Flight& flight = flights_[slot];
  const ReadPiece& piece = flight.piece;
  const uint64_t block_bytes = options_.shape.block_bytes();
  const uint64_t header = piece.header_bytes;
  const uint64_t begin = header + piece.block * block_bytes;
  const uint64_t end = AlignUp(begin + piece.names.size() * block_bytes);
  const bool apart = piece.block > 0;
  const uint64_t start = apart ? AlignDown(begin) : 0;
  const uint64_t first = apart ? header + begin - start : header;
  for (uint32_t i = 0; i < piece.names.size(); ++i) {
    flight.blocks_at.push_back(first + i * block_bytes);
  }
  const std::span<std::byte> bytes = flight.buffer.span();
  if (apart) Submit(slot, piece.offset, bytes.first(header));
  Submit(slot, piece.offset + start, bytes.subspan(apart ? header : 0, end - start));
}

// One by one: of each not all layers are wanted, or it is in memory.
void RecordReader::BeginBlocks(uint32_t slot) {
  Flight& flight = flights_[slot];
  const ReadPiece& piece = flight.piece;
  const BlockShape& shape = options_.shape;
  const std::span<std::byte> bytes = flight.buffer.span();
  const bool has_header = IsAny(flight.in_memory);
  if (!has_header) Submit(slot, piece.offset, bytes.first(piece.header_bytes));
  uint64_t at = piece.header_bytes;  // aligned, as all that follow
  for (uint32_t i = 0; i < piece.names.size(); ++i) {
    const uint64_t block = piece.header_bytes + (piece.block + i) * shape.block_bytes();
    const uint64_t begin = block + uint64_t{piece.layers.first} * shape.layer_bytes;
    const uint64_t start = AlignDown(begin);
    const uint64_t end = AlignUp(block + uint64_t{piece.layers.end} * shape.layer_bytes);
    flight.blocks_at.push_back(at + begin - start);
    if (!flight.in_memory[i]) Submit(slot, piece.offset + start, bytes.subspan(at, end - start));
    at += end - start;
  }
}

void RecordReader::Submit(uint32_t slot, uint64_t offset, std::span<std::byte> bytes) {
  Flight& flight = flights_[slot];
  const uint64_t operation = slot * operations_ + flight.pending++;
  wanted_bytes_[operation] = bytes.size();
  QUIRE_CHECK(queue_->Submit({.kind = IoRequest::Kind::kRead,
                              .fd = flight.file->fd(),
                              .offset = offset,
                              .bytes = bytes,
                              .tag = operation}),
              "the queue has room for all flights");
}

void RecordReader::Reap() {
  std::array<IoResult, 4 * kReadBuffers> results;
  const size_t count = queue_->Wait(results);
  for (const IoResult& result : std::span(results).first(count)) {
    Flight& flight = flights_[result.tag / operations_];
    if (result.result != static_cast<int64_t>(wanted_bytes_[result.tag])) flight.failed = true;
    if (--flight.pending > 0) continue;
    if (!flight.failed) busy_bytes_ += flight.piece.names.size() * BytesOfEach(flight.piece);
    PassOn(static_cast<uint32_t>(result.tag / operations_));
  }
}

// Of a block, that are wanted.
uint64_t RecordReader::BytesOfEach(const ReadPiece& piece) const {
  return uint64_t{piece.layers.size()} * options_.shape.layer_bytes;
}

void RecordReader::Finish(Flight& flight) {
  ReadBlocks done;
  bool lacks_memory = false;
  try {
    if (!flight.failed) done.count = Prove(flight, done);
  } catch (const std::bad_alloc&) {
    lacks_memory = true;  // which is no fault of the record
  }
  if (lacks_memory) {
    done.count = 0;
  } else if (flight.failed) {
    Forget(flight.piece, DiskTrouble::kIo);
  } else if (done.count < flight.piece.names.size()) {
    const bool gone = IsZero(flight.buffer.span().first(kIoAlign));
    if (!gone) done.flaw = ReadFlaw::kCorrupt;
    Forget(flight.piece, gone ? DiskTrouble::kGone : DiskTrouble::kCorrupt);
  }
  flight.file.reset();
  if (done.count > 0) {
    const std::lock_guard lock(state_.mutex);
    const auto cached =
        std::count(flight.in_memory.begin(), flight.in_memory.begin() + done.count, true);
    state_.counts.read_bytes += done.count * BytesOfEach(flight.piece);
    state_.counts.cached_read_bytes += static_cast<uint64_t>(cached) * BytesOfEach(flight.piece);
    state_.index.NoteUsed(flight.piece.sequence);
  }
  ReadPiece piece = std::move(flight.piece);
  AlignedBuffer buffer = std::move(flight.buffer);
  {
    const std::lock_guard lock(mutex_);
    flight.used = false;
  }
  Deliver(std::move(piece), std::move(done), std::move(buffer));
}

// How many of the blocks are what was asked for, to the last bit.
uint32_t RecordReader::Prove(Flight& flight, ReadBlocks& done) {
  const ReadPiece& piece = flight.piece;
  const auto header = flight.buffer.span().first(piece.header_bytes);
  const auto head = ReadHeader(header);
  const auto asked = static_cast<uint32_t>(piece.names.size());
  if (!head || head->segment != piece.segment || head->sequence != piece.sequence ||
      head->shape != options_.shape || head->owner != piece.owner->tag ||
      (head->cipher == Cipher::kNone) != (options_.cipher == Cipher::kNone) ||
      head->num_blocks() < piece.block + asked) {
    return 0;
  }
  const auto names = std::span(head->names).subspan(piece.block, asked);
  if (!std::ranges::equal(names, piece.names)) return 0;
  done.parent = head->ParentOf(piece.block);
  done.root_tag = head->root_tag;
  done.notes.resize(size_t{asked} * options_.shape.note_bytes);
  const uint64_t bytes = BytesOfEach(piece);
  const std::span<std::byte> buffer = flight.buffer.span();
  std::vector<std::span<const std::byte>> stored;
  for (uint32_t i = 0; i < asked; ++i) {
    const std::span<std::byte> here = buffer.subspan(flight.blocks_at[i], bytes);
    done.blocks.push_back(piece.places.empty() ? here : std::span(piece.places[i], bytes));
    stored.push_back(flight.in_memory[i] ? done.blocks.back() : here);
  }
  RecordPart part{.header = header,
                  .first = piece.block,
                  .layers = piece.layers,
                  .stored = stored,
                  .opened = done.blocks,
                  .notes = done.notes,
                  .bring = {}};
  if (IsAny(flight.in_memory)) {
    part.bring = [&](uint32_t i) {
      if (!flight.in_memory[i] || BringFromMemory(flight, i, done.blocks[i])) return true;
      flight.failed = true;
      return false;
    };
  }
  return OpenRecord(*head, piece.owner->key, part);
}

// To where it is opened: it is then in the core's cache.
bool RecordReader::BringFromMemory(const Flight& flight, uint32_t i, std::span<std::byte> to) {
  const ReadPiece& piece = flight.piece;
  const uint64_t block = (piece.block + i) * options_.shape.block_bytes();
  const uint64_t layers = uint64_t{piece.layers.first} * options_.shape.layer_bytes;
  const uint64_t at = piece.offset + piece.header_bytes + block + layers;
  return disk_.ReadCached(*flight.file, to, at) == static_cast<int64_t>(to.size());
}

void RecordReader::Deliver(ReadPiece piece, ReadBlocks done, AlignedBuffer buffer) {
  done.ticket = piece.ticket;
  done.first = piece.first;
  done.asked = static_cast<uint32_t>(piece.names.size());
  done.layers = piece.layers;
  if (done.count < done.asked && IsPurged(*piece.owner)) done.flaw = ReadFlaw::kPurged;
  const bool stays = piece.places.empty() && done.count > 0;
  if (stays) done.buffer = std::move(buffer);
  {
    const std::lock_guard lock(mutex_);
    done_.push_back(std::move(done));
    if (!stays && buffer.size() > 0) buffers_.push_back(std::move(buffer));
  }
  if (!stays) work_.notify_one();
  options_.notify();
}

bool RecordReader::IsPurged(const BlockOwner& owner) const {
  const std::lock_guard lock(state_.mutex);
  return !state_.index.IsAlive(owner.tag);
}

void RecordReader::Forget(const ReadPiece& piece, DiskTrouble trouble) {
  const std::lock_guard lock(state_.mutex);
  const auto* record = state_.index.FindRecord(piece.sequence);
  if (record == nullptr || record->segment != piece.segment) return;  // it was forgotten already
  ++state_.counts.troubles[static_cast<size_t>(trouble)];
  (void)state_.index.Remove(piece.sequence);
}

// What reading from the disk yields while there is something to read, waiting for buffers included.
void RecordReader::MeasureBusy(bool busy) {
  if (busy && busy_since_ < 0) {
    busy_since_ = Seconds();
    busy_bytes_ = 0;
    busy_with_memory_ = false;
  }
  if (busy || busy_since_ < 0) return;
  const double seconds = Seconds() - std::exchange(busy_since_, -1);
  if (busy_with_memory_ || seconds <= 0) return;
  if (static_cast<double>(busy_bytes_) < kLeastMeasuredBytes) return;
  const double rate = static_cast<double>(busy_bytes_) / seconds;
  const std::lock_guard lock(state_.mutex);
  double& mean = state_.counts.read_bytes_per_second;
  mean = mean == 0 ? rate : mean + (rate - mean) * kRateWeight;
}

}  // namespace quire
