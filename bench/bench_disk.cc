// bench/bench_disk.cc -- the disk tier beside what the disk can do, in one run.
//
//   read   blocks of 282 KiB (SmolLM2-135M) through the tier, encrypted and not, and by quarters of
//          their layers, beside plain direct reads of the same files by io_uring; A B C D A B C D,
//          medians
//   open   a folder of 100 GiB of such blocks, whose records are holes: only the index is real
//
//   bench_disk FOLDER [MiB to read, default 1024]

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/size.h"
#include "tier/ssd/segment_folder.h"
#include "tier/ssd/ssd_tier.h"

namespace quire {
namespace {

constexpr int kRounds = 5;
constexpr uint32_t kRun = 14;  // blocks of a record
constexpr uint64_t kPieceBytes = 4 * kMiB;
const BlockShape kShape{.layers = 30,
                        .layer_bytes = 3 * (2048 + 1088),
                        .note_bytes = 64,
                        .numerics_version = 1,
                        .kv_format = {}};

const std::vector<LayerRange> kWhole{{0, 30}};
const std::vector<LayerRange> kQuarters{{0, 7}, {7, 15}, {15, 22}, {22, 30}};

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

BlockName NameOf(uint64_t i) {
  BlockName name;
  crypto_generichash(reinterpret_cast<unsigned char*>(name.bytes.data()), name.bytes.size(),
                     reinterpret_cast<const unsigned char*>(&i), sizeof(i), nullptr, 0);
  return name;
}

// A tier in a folder of its own, and a way to wait for it.
class Bench {
 public:
  Bench(const std::string& folder, bool encrypt) : folder_(folder) {
    BlockOwner owner;
    owner.key = std::string(kOwnerKeyBytes, 'k');
    owner_ = std::make_shared<const BlockOwner>(owner);
    auto tier = SsdTier::Open({.folder = folder,
                               .limit_bytes = kTiB,
                               .shape = kShape,
                               .encrypt = encrypt,
                               .notify = [this] { news_.notify_all(); }},
                              std::make_unique<DiskEnvironment>());
    if (!tier) {
      fmt::print(stderr, "{}\n", tier.error().message);
      std::exit(1);
    }
    tier_ = *std::move(tier);
  }

  void Fill(uint64_t blocks) {
    for (uint64_t i = 0; i < blocks; i += kRun) {
      std::optional<WriteRun> run;
      Wait([&] { return (run = tier_->Begin(kRun)).has_value(); });
      run->owner = owner_;
      for (uint32_t b = 0; b < kRun; ++b) run->names.push_back(NameOf(i + b));
      run->notes.resize(uint64_t{kRun} * kShape.note_bytes);
      randombytes_buf_deterministic(run->buffer.data() + run->blocks_at,
                                    kRun * kShape.block_bytes(),
                                    reinterpret_cast<const unsigned char*>(NameOf(i).bytes.data()));
      tier_->Write(*std::move(run));
    }
    Wait([&] { return !tier_->is_writing(); });
  }

  // Bytes per second, proven.
  double Read(uint64_t blocks, const std::vector<LayerRange>& groups) {
    std::vector<BlockName> names;
    for (uint64_t i = 0; i < blocks; ++i) names.push_back(NameOf(i));
    uint64_t good = 0;
    const double seconds = Seconds([&] {
      const uint32_t asked = tier_->Load(1, owner_, names, groups);
      for (uint32_t accounted = 0; accounted < asked * groups.size();) {
        std::optional<ReadBlocks> piece;
        Wait([&] { return (piece = tier_->Take()).has_value(); });
        accounted += piece->asked;
        good += piece->count;
        tier_->GiveBack(*std::move(piece));
      }
    });
    const uint64_t parts = blocks * groups.size();
    if (good != parts) fmt::print("only {} of {} came back\n", good, parts);
    return static_cast<double>(blocks * kShape.block_bytes()) / seconds;
  }

 private:
  template <typename Ready>
  void Wait(const Ready& ready) {
    std::unique_lock lock(mutex_);
    while (!ready()) news_.wait_for(lock, std::chrono::milliseconds(1));
  }

  const std::string folder_;
  BlockOwnerPtr owner_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::unique_ptr<SsdTier> tier_;
};

// The same bytes as they lie, eight pieces at a time.
double ReadPlain(const std::string& folder) {
  DiskEnvironment disk;
  const auto queue = disk.MakeQueue(8);
  std::vector<AlignedBuffer> buffers;
  for (int i = 0; i < 8; ++i) buffers.emplace_back(kPieceBytes);
  uint64_t bytes = 0;
  const double seconds = Seconds([&] {
    for (const uint64_t segment : ListSegments(folder)) {
      const std::string path = folder + "/" + SegmentFileName(segment);
      const auto file = disk.Open(path, DiskEnvironment::Mode::kRead);
      const uint64_t size = std::filesystem::file_size(path) / kPieceBytes * kPieceBytes;
      IoResult result;
      for (uint64_t at = 0; at < size; at += kPieceBytes) {
        uint64_t slot = at / kPieceBytes % 8;
        if (queue->in_flight() == 8) {
          queue->Wait({&result, 1});
          slot = result.tag;
        }
        queue->Submit({IoRequest::Kind::kRead, file->fd(), at, buffers[slot].span(), slot});
        bytes += kPieceBytes;
      }
      while (queue->in_flight() > 0) queue->Wait({&result, 1});
    }
  });
  return static_cast<double>(bytes) / seconds;
}

void BenchRead(const std::string& folder, uint64_t bytes) {
  const uint64_t blocks = bytes / kShape.block_bytes() / kRun * kRun;
  Bench sealed(folder + "/sealed", true);
  Bench plain(folder + "/plain", false);
  sealed.Fill(blocks);
  plain.Fill(blocks);
  std::vector<double> direct;
  std::vector<double> read;
  std::vector<double> opened;
  std::vector<double> quarters;
  for (int round = 0; round < kRounds; ++round) {
    direct.push_back(ReadPlain(folder + "/plain"));
    read.push_back(plain.Read(blocks, kWhole));
    opened.push_back(sealed.Read(blocks, kWhole));
    quarters.push_back(sealed.Read(blocks, kQuarters));
  }
  const double peak = Median(direct);
  constexpr double kUnit = 1e9;
  fmt::print("direct reads       {:6.2f} GB/s\n", peak / kUnit);
  fmt::print("through the tier   {:6.2f} GB/s  {:3.0f} %\n", Median(read) / kUnit,
             100 * Median(read) / peak);
  fmt::print("likewise, sealed   {:6.2f} GB/s  {:3.0f} %\n", Median(opened) / kUnit,
             100 * Median(opened) / peak);
  fmt::print("... by layers      {:6.2f} GB/s  {:3.0f} %\n", Median(quarters) / kUnit,
             100 * Median(quarters) / peak);
}

void MakeSynthetic(const std::string& folder, uint64_t bytes) {
  std::filesystem::create_directories(folder);
  DiskEnvironment disk;
  const uint64_t record = RecordLayout(kShape, kRun, true).record_bytes;
  uint64_t sequence = 0;
  for (uint64_t segment = 1; sequence * record < bytes; ++segment) {
    std::vector<PlacedRecord> records;
    uint64_t offset = kSegmentStartBytes;
    while (offset + record < 63 * kMiB) {
      RecordHead head{.cipher = Cipher::kAesGcm,
                      .segment = segment,
                      .sequence = ++sequence,
                      .shape = kShape,
                      .owner = {},
                      .root_tag = {},
                      .parent = {},
                      .salt = {},
                      .names = {}};
      for (uint32_t b = 0; b < kRun; ++b) head.names.push_back(NameOf(sequence * kRun + b));
      records.push_back({offset, std::move(head)});
      offset += record;
    }
    const auto file =
        disk.Open(folder + "/" + SegmentFileName(segment), DiskEnvironment::Mode::kCreate);
    const AlignedBuffer start = MakeSegmentStart(segment);
    const AlignedBuffer footer = MakeFooter(segment, offset, records);
    if (file == nullptr || disk.WriteAt(*file, start.span(), 0) < 0 ||
        disk.WriteAt(*file, footer.span(), offset) < 0) {
      fmt::print(stderr, "cannot write in {}\n", folder);
      std::exit(1);
    }
  }
}

void BenchOpen(const std::string& folder) {
  MakeSynthetic(folder, 100 * kGiB);
  std::vector<double> seconds;
  uint64_t blocks = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::unique_ptr<SsdTier> tier;
    seconds.push_back(Seconds([&] {
      tier = *SsdTier::Open({.folder = folder, .limit_bytes = kTiB, .shape = kShape},
                            std::make_unique<DiskEnvironment>());
    }));
    blocks = tier->counts().blocks;
  }
  fmt::print("opening 100 GiB    {:6.2f} s     {} blocks in {} segments\n", Median(seconds), blocks,
             ListSegments(folder).size());
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_disk FOLDER [MiB]\n");
    return 2;
  }
  if (sodium_init() < 0) return 1;
  const std::string folder = std::string(argv[1]) + "/bench_disk";
  std::filesystem::remove_all(folder);
  BenchRead(folder, (argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024) * kMiB);
  BenchOpen(folder + "/open");
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) { return quire::Main(argc, argv); }
