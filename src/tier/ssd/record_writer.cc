#include "tier/ssd/record_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <ranges>
#include <utility>

#include "base/check.h"
#include "base/cpu_time.h"
#include "base/size.h"
#include "base/spare_memory.h"

namespace quire {
namespace {

constexpr double kFirstPauseSeconds = 1;
constexpr double kLongestPauseSeconds = 60;

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

RecordWriter::RecordWriter(const Options& options, DiskEnvironment& disk,
                           const SegmentFolder& folder, TierState& state,
                           const std::vector<SegmentContents>& segments)
    : options_(options),
      disk_(disk),
      folder_(folder),
      state_(state),
      queue_(disk.MakeQueue(1)),
      scratch_(options.most_record_bytes),
      cached_(disk, folder, options.cached_bytes) {
  for (const SegmentContents& one : segments) {
    segments_[one.segment] = {.bytes = one.file_bytes};
    total_bytes_ += one.file_bytes;
    segment_ = std::max(segment_, one.segment);
    for (const PlacedRecord& record : one.records) {
      last_sequence_ = std::max(last_sequence_, record.head.sequence);
    }
  }
  if (cached_.is_kept()) KeepCached(segments);
  for (uint32_t i = 0; i < kWriteBuffers; ++i) buffers_.emplace_back(options.most_record_bytes);
  DropEmptySegments();
  PublishBytes();
  thread_ = std::thread([this] { ThreadMain(); });
}

// What another process has left there, as far as it is within the bound.
void RecordWriter::KeepCached(const std::vector<SegmentContents>& segments) {
  std::vector<std::pair<uint64_t, DiskEnvironment::Range>> newest;
  uint64_t bytes = 0;
  for (const SegmentContents& one : std::views::reverse(segments)) {
    for (const PlacedRecord& record : std::views::reverse(one.records)) {
      const RecordHead& head = record.head;
      const RecordLayout layout(head.shape, head.num_blocks(), head.cipher != Cipher::kNone);
      bytes += layout.record_bytes;
      if (bytes > options_.cached_bytes) break;
      newest.push_back({one.segment, {record.offset, layout.record_bytes}});
    }
    if (bytes > options_.cached_bytes) break;
  }
  for (const auto& [segment, range] : std::views::reverse(newest)) cached_.Add(segment, range);
}

RecordWriter::~RecordWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool RecordWriter::paused() const { return stopped_.load() || paused_until_.load() > Seconds(); }

void RecordWriter::StopWriting() { stopped_.store(true); }

std::optional<WriteRun> RecordWriter::Begin(uint32_t blocks) {
  if (paused()) return std::nullopt;
  WriteRun run;
  {
    const std::lock_guard lock(mutex_);
    if (buffers_.empty()) return std::nullopt;
    run.buffer = std::move(buffers_.back());
    buffers_.pop_back();
  }
  run.blocks_at =
      RecordLayout(options_.shape, blocks, options_.cipher != Cipher::kNone).header_bytes;
  return run;
}

void RecordWriter::Push(WriteRun run) {
  {
    const std::lock_guard lock(mutex_);
    runs_.push_back(std::move(run));
  }
  work_.notify_one();
}

bool RecordWriter::idle() const {
  const std::lock_guard lock(mutex_);
  return buffers_.size() == kWriteBuffers;
}

void RecordWriter::GiveBack(std::vector<RecordIndex::Record> records) {
  if (records.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (RecordIndex::Record& record : records) dead_.push_back(std::move(record));
  }
  work_.notify_one();
}

void RecordWriter::ThreadMain() {
  const SparePermit permit(SpareUse::kAll);
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !runs_.empty() || !dead_.empty(); });
    std::vector<RecordIndex::Record> dead;
    dead.swap(dead_);
    std::optional<WriteRun> run;
    if (!runs_.empty()) {
      run = std::move(runs_.front());
      runs_.pop_front();
    }
    const bool last = stopping_ && !run && dead.empty();
    lock.unlock();
    const double begin = ThreadCpuSeconds();
    for (const RecordIndex::Record& record : dead) Punch(record);
    if (!dead.empty()) DropEmptySegments();
    if (run) Try([&] { Write(*run); });
    if (last) {
      Try([&] { CloseSegment(); });
      if (stopped_.load()) folder_.Delete(segment_);  // opened just then
      return;
    }
    cpu_seconds_ += ThreadCpuSeconds() - begin;
    PublishBytes();
    lock.lock();
    if (run) buffers_.push_back(std::move(run->buffer));
    if (run) options_.notify();
  }
}

// A lack of memory passes, as that of room on the disk does.
void RecordWriter::Try(const std::function<void()>& write) {
  try {
    write();
  } catch (const std::bad_alloc&) {
    Fail(ENOMEM);
  }
}

bool RecordWriter::IsDead(const WriteRun& run) {
  const std::lock_guard lock(state_.mutex);
  if (state_.index.IsAlive(run.owner->tag)) return false;
  state_.counts.dropped_blocks += run.names.size();
  return true;
}

void RecordWriter::Write(WriteRun& run) {
  if (IsDead(run)) return;
  RecordHead head{.cipher = options_.cipher,
                  .segment = 0,
                  .sequence = ++last_sequence_,
                  .shape = options_.shape,
                  .owner = run.owner->tag,
                  .root_tag = run.root_tag,
                  .parent = run.parent,
                  .salt = {},
                  .names = run.names};
  const RecordLayout layout(head.shape, head.num_blocks(), head.cipher != Cipher::kNone);
  const auto record = run.buffer.span().first(layout.record_bytes);
  const bool written =
      !paused() && MakeRoom(layout.record_bytes) &&
      Append(
          head,
          [&](std::span<std::byte> bytes) { SealRecord(head, run.notes, run.owner->key, bytes); },
          record);
  if (!written) {
    const std::lock_guard lock(state_.mutex);
    state_.counts.dropped_blocks += run.names.size();
    return;
  }
  {
    const std::lock_guard lock(state_.mutex);
    state_.counts.write_bytes += layout.record_bytes;
    if (!state_.index.IsAlive(head.owner)) return;  // purged meanwhile; its segment ages
    state_.index.Add({.sequence = head.sequence,
                      .segment = segment_,
                      .offset = written_.back().offset,
                      .bytes = layout.record_bytes,
                      .header_bytes = layout.header_bytes,
                      .owner = head.owner,
                      .names = std::move(head.names)});
  }
  HoldToLimit(run.owner->tag.tag);
}

// Seals the record (`finish`) when its segment is known, and writes it there.
bool RecordWriter::Append(RecordHead& head, const std::function<void(std::span<std::byte>)>& finish,
                          std::span<std::byte> record) {
  const uint64_t footer = FooterBytes(written_.size() + 1, footer_blocks_ + head.num_blocks());
  if (file_ != nullptr && offset_ + record.size() + footer > options_.segment_bytes) CloseSegment();
  if (file_ == nullptr && !OpenSegment()) return false;
  head.segment = segment_;
  finish(record);
  const int64_t wrote = WriteNow(record, offset_);
  if (wrote != static_cast<int64_t>(record.size())) {
    Fail(wrote < 0 ? static_cast<int>(-wrote) : ENOSPC);
    return false;
  }
  written_.push_back({offset_, head});
  footer_blocks_ += head.num_blocks();
  offset_ += record.size();
  segments_[segment_].bytes += record.size();
  total_bytes_ += record.size();
  if (pause_is_known_) options_.log("the disk tier goes on");
  pause_is_known_ = false;
  pause_seconds_ = 0;
  return true;
}

bool RecordWriter::OpenSegment() {
  const uint64_t segment = segment_ + 1;
  folder_.Restore();
  file_ = disk_.Open(folder_.PathOf(segment), DiskEnvironment::Mode::kCreate);
  if (file_ == nullptr) {
    if (errno == EEXIST) ++segment_;  // whoever made it: the next number is free
    Fail(errno);
    return false;
  }
  segment_ = segment;
  segments_[segment_] = {};
  AlignedBuffer start = MakeSegmentStart(segment_);
  const int64_t wrote = WriteNow(start.span(), 0);
  if (wrote != static_cast<int64_t>(start.size())) {
    Fail(wrote < 0 ? static_cast<int>(-wrote) : ENOSPC);
    return false;
  }
  offset_ = start.size();
  segments_[segment_].bytes = offset_;
  total_bytes_ += offset_;
  return true;
}

// A footer that cannot be written costs a scan at the next start.
void RecordWriter::CloseSegment() {
  if (file_ == nullptr) return;
  AlignedBuffer footer = MakeFooter(segment_, offset_, written_);
  if (WriteNow(footer.span(), offset_) == static_cast<int64_t>(footer.size())) {
    segments_[segment_].bytes += footer.size();
    total_bytes_ += footer.size();
  }
  file_.reset();
  written_.clear();
  footer_blocks_ = 0;
}

// Once it is with the disk, as trouble is to be known before anything is in the index. What goes by
// way of the page cache is copied by this thread: io_uring would have another one do it, whose time
// nobody counts.
int64_t RecordWriter::WriteNow(std::span<std::byte> bytes, uint64_t offset) {
  if (!cached_.is_kept()) {
    QUIRE_CHECK(queue_->Submit({.kind = IoRequest::Kind::kWrite,
                                .fd = file_->fd(),
                                .offset = offset,
                                .bytes = bytes,
                                .tag = 0}));
    IoResult result;
    QUIRE_CHECK(queue_->Wait({&result, 1}) == 1);
    return result.result;
  }
  const int64_t wrote = disk_.WriteCached(*file_, bytes, offset);
  if (wrote <= 0) return wrote;
  const DiskEnvironment::Range range{offset, static_cast<uint64_t>(wrote)};
  try {
    cached_.Add(segment_, range);
  } catch (const std::bad_alloc&) {  // a page more or less is no loss
  }
  const int64_t error = disk_.WaitWritten(*file_, range);
  return error != 0 ? error : wrote;
}

// Half a segment is kept free for what moves.
bool RecordWriter::MakeRoom(uint64_t bytes) {
  const auto free = disk_.FreeBytes(folder_.path());
  if (free && *free < options_.floor_bytes + bytes) {
    Pause(DiskTrouble::kFull,
          fmt::format("{} are free in '{}', and {} are to stay free", FormatSize(*free),
                      folder_.path(), FormatSize(options_.floor_bytes)));
    return false;
  }
  const auto is_over = [&] {
    if (total_bytes_ + bytes + options_.segment_bytes / 2 > options_.limit_bytes) return true;
    const std::lock_guard lock(state_.mutex);
    return state_.index.num_blocks() > options_.most_blocks;
  };
  while (!segments_.empty() && is_over()) EvictOldest();
  return true;
}

void RecordWriter::EvictOldest() {
  const uint64_t oldest = segments_.begin()->first;
  if (file_ != nullptr && oldest == segment_) CloseSegment();
  const std::vector<RecordIndex::Record> kept = WorthMoving(oldest);
  if (!kept.empty()) {
    const auto from = disk_.Open(folder_.PathOf(oldest), DiskEnvironment::Mode::kRead);
    for (const RecordIndex::Record& record : kept) {
      if (from != nullptr) MoveRecord(record, *from);
    }
  }
  {
    const std::lock_guard lock(state_.mutex);
    for (const RecordIndex::Record& record : state_.index.RemoveSegment(oldest)) {
      state_.counts.evicted_blocks += record.names.size();
    }
  }
  folder_.Delete(oldest);
  const Segment gone = segments_.at(oldest);
  total_bytes_ -= gone.bytes - gone.punched;
  segments_.erase(oldest);
}

std::vector<RecordIndex::Record> RecordWriter::WorthMoving(uint64_t segment) {
  std::vector<RecordIndex::Record> kept;
  uint64_t budget = options_.segment_bytes / 2;
  const std::lock_guard lock(state_.mutex);
  const std::vector<uint64_t> records = state_.index.RecordsOf(segment);
  for (auto it = records.rbegin(); it != records.rend(); ++it) {
    const RecordIndex::Record& record = *state_.index.FindRecord(*it);
    if (!record.used || record.bytes > budget || segments_.size() < 2) continue;
    budget -= record.bytes;
    kept.push_back(record);
  }
  std::ranges::reverse(kept);
  return kept;
}

void RecordWriter::MoveRecord(const RecordIndex::Record& record, const OpenFile& from) {
  const auto bytes = scratch_.span().first(record.bytes);
  if (disk_.ReadAt(from, bytes, record.offset) != static_cast<int64_t>(bytes.size())) return;
  const auto header = bytes.first(record.header_bytes);
  auto head = ReadHeader(header);
  if (!head || head->sequence != record.sequence) return;
  const auto move = [&](std::span<std::byte>) { MoveHeader(header, segment_); };
  if (!Append(*head, move, bytes)) return;
  const std::lock_guard lock(state_.mutex);
  auto moved = state_.index.Remove(record.sequence);
  if (!moved) return;  // purged meanwhile
  moved->segment = segment_;
  moved->offset = written_.back().offset;
  moved->used = false;
  state_.index.Add(*std::move(moved));
}

void RecordWriter::HoldToLimit(const ShortTag& owner) {
  std::vector<RecordIndex::Record> dead;
  {
    const std::lock_guard lock(state_.mutex);
    const auto limit = state_.owner_limits.find(owner);
    if (limit == state_.owner_limits.end()) return;
    while (state_.index.owner_bytes(owner) > limit->second) {
      dead.push_back(*state_.index.Remove(*state_.index.OldestOf(owner)));
      state_.counts.evicted_blocks += dead.back().names.size();
    }
  }
  for (const RecordIndex::Record& record : dead) Punch(record);
  if (!dead.empty()) DropEmptySegments();
}

// Readers find zeros there, if they come too late. Where the file system has no holes, the bytes
// are wiped by the end of their segment.
void RecordWriter::Punch(const RecordIndex::Record& record) {
  const auto found = segments_.find(record.segment);
  if (found == segments_.end()) return;
  const auto file = disk_.Open(folder_.PathOf(record.segment), DiskEnvironment::Mode::kRepair);
  if (file == nullptr || !disk_.PunchHole(*file, {record.offset, record.bytes})) return;
  found->second.punched += record.bytes;
  total_bytes_ -= record.bytes;
}

void RecordWriter::DropEmptySegments() {
  for (auto it = segments_.begin(); it != segments_.end();) {
    bool empty = false;
    {
      const std::lock_guard lock(state_.mutex);
      empty = state_.index.segment_bytes(it->first) == 0;
    }
    if (!empty || (file_ != nullptr && it->first == segment_)) {
      ++it;
      continue;
    }
    folder_.Delete(it->first);
    total_bytes_ -= it->second.bytes - it->second.punched;
    it = segments_.erase(it);
  }
}

// The segment at hand is left as it is: what it holds is found by a scan.
void RecordWriter::Fail(int error) {
  file_.reset();
  written_.clear();
  footer_blocks_ = 0;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  Pause(full ? DiskTrouble::kFull : DiskTrouble::kIo,
        fmt::format("cannot write in '{}': {}", folder_.path(), std::strerror(error)));
}

void RecordWriter::Pause(DiskTrouble trouble, const std::string& why) {
  state_.NoteTrouble(trouble);
  pause_seconds_ = std::clamp(2 * pause_seconds_, kFirstPauseSeconds, kLongestPauseSeconds);
  paused_until_.store(Seconds() + pause_seconds_);
  if (!std::exchange(pause_is_known_, true)) {
    options_.log(fmt::format("the disk tier pauses, serving goes on: {}", why));
  }
}

void RecordWriter::PublishBytes() {
  const std::lock_guard lock(state_.mutex);
  state_.counts.write_cpu_seconds = cpu_seconds_;
  state_.counts.disk_bytes = total_bytes_;
  state_.counts.limit_bytes = options_.limit_bytes;
  state_.counts.segments = segments_.size();
  state_.counts.blocks = state_.index.num_blocks();
  state_.counts.paused = stopped_.load() || pause_is_known_;
}

}  // namespace quire
