#include "apps/plan/model_meter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "apps/bench/bench_stage.h"
#include "apps/bench/machine_peaks.h"
#include "apps/plan/stand_in.h"
#include "base/machine.h"
#include "base/size.h"
#include "model/model.h"
#include "plan/capacity/step_forecast.h"
#include "plan/capacity/time_terms.h"

namespace quire {
namespace {

constexpr int kRounds = 3;
constexpr uint32_t kShallow = 96;  // tokens before a decoded one; within the first tile
constexpr uint32_t kDeep = 2048;
constexpr uint32_t kSlopeRows = 64;                 // of a chunk that tells what a position costs
constexpr KvFormat kMainFormat = KvFormat::kK16V8;  // of the points; others only for attention
constexpr std::array kFormats = {kMainFormat, KvFormat::kF16, KvFormat::kQ8};
constexpr std::array<uint32_t, 7> kDecodeRows = {1, 2, 4, 8, 16, 32, 64};
constexpr std::array<uint32_t, 3> kChunkRows = {64, 128, 256};

// A step at a place of a text.
struct StepCase {
  bool decode = false;
  uint32_t rows = 0;
  uint32_t depth = 0;
  auto operator<=>(const StepCase&) const = default;

  uint32_t steps() const { return !decode ? 1 : rows < 8 ? 4 : 2; }
  BenchCase bench() const {
    if (!decode) return {.tokens = rows, .depth = depth};
    return {.tokens = steps(), .depth = depth, .clients = rows};
  }
};

struct StepSamples {
  Samples wall;    // seconds of a step
  Samples output;  // of it, the last matrix
};

// One stand-in in one format, with all that was measured of it.
struct Stage {
  KvFormat format;
  std::unique_ptr<BenchStage> bench;
  std::map<StepCase, StepSamples> samples = {};
  double wall(const StepCase& one) const { return Median(samples.at(one).wall); }
  double output(const StepCase& one) const { return Median(samples.at(one).output); }
};

class ModelMeter {
 public:
  ModelMeter(const ModelShape& shape, WorkerPool& pool) : shape_(shape), pool_(pool) {}

  Status Prepare();
  Result<MeterReport> Run(const std::function<void(double)>& progress);

 private:
  std::vector<StepCase> CasesOf(KvFormat format) const;
  void Measure(const StepCase& one, Stage& stage);
  PeakRates Peaks() const;
  AttentionTimes Slopes(const Stage& stage) const;
  StepPoint PointOf(const StepCase& one, const PeakRates& peaks,
                    const AttentionTimes& slopes) const;
  ModelTimes Times(const PeakRates& peaks) const;

  const ModelShape& shape_;
  WorkerPool& pool_;
  const ModelTimes no_times_{
      .decode = {{1, 0, 0}}, .chunk = {{1, 0, 0}}, .attention = {{kMainFormat, {}}}};
  std::vector<std::byte> bytes_;
  std::shared_ptr<const GgufFile> file_;
  std::unique_ptr<Model> model_;
  ModelShape small_;  // of the stand-in
  uint32_t deep_ = 0;
  std::vector<Stage> stages_;
  std::vector<MachinePeaks> peaks_;
};

Status ModelMeter::Prepare() {
  const uint64_t wanted = StandInBytes(shape_);
  const uint64_t available = AvailableMemory();
  if (available != 0 && wanted > available) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("to time a part of this model takes {} of memory, and {} is free",
                              FormatSize(wanted), FormatSize(available)));
  }
  bytes_ = MakeStandIn(shape_);
  QUIRE_TRY(GgufFile file, GgufFile::Parse(bytes_));
  file_ = std::make_shared<const GgufFile>(std::move(file));
  QUIRE_TRY(model_, Model::Load(file_, {}, pool_));
  small_ = ShapeOfFile(*file_, model_->config());
  deep_ = std::min(kDeep, model_->config().context_length / 2 / kBlockTokens * kBlockTokens);
  for (const KvFormat format : kFormats) {
    std::vector<BenchCase> cases;
    for (const StepCase& one : CasesOf(format)) cases.push_back(one.bench());
    QUIRE_TRY(auto bench,
              BenchStage::Create(*model_, pool_, cases, {.format = format, .chunk_tokens = 256}));
    stages_.push_back({format, std::move(bench), {}});
  }
  return {};
}

std::vector<StepCase> ModelMeter::CasesOf(KvFormat format) const {
  const uint32_t context = model_->config().context_length;
  std::vector<StepCase> cases;
  const auto add = [&](const StepCase& one) {
    if (one.bench().end_position() <= context) cases.push_back(one);
  };
  add({true, 1, std::min(kShallow, context / 4)});
  add({true, 1, deep_});
  add({false, kSlopeRows, 0});
  add({false, kSlopeRows, deep_});
  if (format != kMainFormat) return cases;
  for (const uint32_t rows : kDecodeRows) {
    if (rows > 1) add({true, rows, std::min(kShallow, context / 4)});
  }
  for (const uint32_t rows : kChunkRows) {
    if (rows != kSlopeRows) add({false, rows, 0});
  }
  return cases;
}

void ModelMeter::Measure(const StepCase& one, Stage& stage) {
  const double seconds = stage.bench->Run(one.bench()) / one.steps();
  const double output_ns = static_cast<double>(stage.bench->times().of(PassPhase::kLogits));
  StepSamples& samples = stage.samples[one];
  samples.wall.push_back(seconds);
  samples.output.push_back(output_ns * 1e-9 / pool_.count() / one.steps());
}

PeakRates ModelMeter::Peaks() const {
  const auto median = [&](auto rate) {
    Samples samples;
    for (const MachinePeaks& peaks : peaks_) samples.push_back(rate(peaks));
    return Median(samples);
  };
  return {.dot_ops = median([](const auto& p) { return p.dot.all_cores; }),
          .fma_ops = median([](const auto& p) { return p.fma.all_cores; }),
          .read_bytes = median([](const auto& p) {
            return std::max(p.read_huge.all_cores, p.read_small.all_cores);
          }),
          .disk_read_bytes = 0};
}

// What the same step takes longer further on in a text, for each position that it attends to more.
AttentionTimes ModelMeter::Slopes(const Stage& stage) const {
  const uint32_t shallow = std::min(kShallow, model_->config().context_length / 4);
  const StepForecast positions(small_, no_times_, kMainFormat, {});
  AttentionTimes slopes;
  if (deep_ <= shallow || !stage.samples.contains({false, kSlopeRows, deep_})) return slopes;
  slopes.decode = (stage.wall({true, 1, deep_}) - stage.wall({true, 1, shallow})) /
                  (positions.Attended(deep_) - positions.Attended(shallow));
  slopes.chunk = (stage.wall({false, kSlopeRows, deep_}) - stage.wall({false, kSlopeRows, 0})) /
                 (positions.AttendedBy(kSlopeRows, deep_) - positions.AttendedBy(kSlopeRows, 0));
  return {std::max(slopes.decode, 0.0), std::max(slopes.chunk, 0.0)};
}

// Of the whole model: layers by what they cost at the peaks, the last matrix by its rows.
StepPoint ModelMeter::PointOf(const StepCase& one, const PeakRates& peaks,
                              const AttentionTimes& slopes) const {
  const Stage& stage = stages_.front();
  const StepForecast positions(small_, no_times_, kMainFormat, {});
  const double attention = one.decode ? one.rows * positions.Attended(one.depth) * slopes.decode
                                      : positions.AttendedBy(one.rows, one.depth) * slopes.chunk;
  const double output = stage.output(one);
  const uint32_t outputs = one.decode ? one.rows : 1;
  const double scale = IdealLayers(WorkOf(shape_), peaks, one.rows, outputs) /
                       IdealLayers(WorkOf(small_), peaks, one.rows, outputs);
  const double rows_scale = double{1} * shape_.config.vocab_size / small_.config.vocab_size;
  return {.rows = one.rows,
          .layers = std::max(stage.wall(one) - output - attention, 0.0) * scale,
          .output = output * rows_scale};
}

ModelTimes ModelMeter::Times(const PeakRates& peaks) const {
  ModelTimes times{
      .name = shape_.config.name, .measured = TimeNow(), .stand_in_layers = small_.config.layers};
  for (const Stage& stage : stages_) times.attention[stage.format] = Slopes(stage);
  const AttentionTimes& slopes = times.attention[kMainFormat];
  for (const auto& [one, samples] : stages_.front().samples) {
    const bool at_begin = one.decode ? one.depth < deep_ || one.rows > 1 : one.depth == 0;
    if (!at_begin) continue;
    const StepPoint point = PointOf(one, peaks, slopes);
    (one.decode ? times.decode : times.chunk).push_back(point);
  }
  std::ranges::sort(times.decode, {}, &StepPoint::rows);
  // Few rows of a prompt cost what as many decoded ones do, but for their outputs.
  for (const StepPoint& point : times.decode) {
    if (point.rows < kSlopeRows) {
      times.chunk.push_back({point.rows, point.layers, times.decode.front().output});
    }
  }
  std::ranges::sort(times.chunk, {}, &StepPoint::rows);
  return times;
}

Result<MeterReport> ModelMeter::Run(const std::function<void(double)>& progress) {
  QUIRE_TRY(const auto meter, PeakMeter::Create(pool_));
  double all = 0;
  for (const Stage& stage : stages_) all += static_cast<double>(CasesOf(stage.format).size());
  for (Stage& stage : stages_) stage.bench->Run({.tokens = kBlockTokens});  // first touches
  double done = 0;
  for (int round = 0; round < kRounds; ++round) {
    peaks_.push_back(meter->Measure());
    for (Stage& stage : stages_) {
      for (const StepCase& one : CasesOf(stage.format)) {
        Measure(one, stage);
        progress(++done / (kRounds * all));
      }
    }
  }
  const PeakRates peaks = Peaks();
  return MeterReport{peaks, Times(peaks)};
}

// A file that is gone when this is.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& folder) : path_(folder + "/plan-XXXXXX") {
    descriptor_ = mkstemp(path_.data());
  }
  ~ScratchFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    unlink(path_.c_str());
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace

Result<MeterReport> MeasureModel(const ModelShape& shape, WorkerPool& pool,
                                 const std::function<void(double share)>& progress) {
  ModelMeter meter(shape, pool);
  if (Status prepared = meter.Prepare(); !prepared) return std::unexpected(prepared.error());
  return meter.Run(progress);
}

double MeasureDisk(const std::string& folder) {
  constexpr size_t kPiece = 4 * kMiB;  // as the tier reads
  constexpr int kPieces = 16;
  if (folder.empty()) return 0;
  const ScratchFile file(folder);
  if (file.descriptor() < 0) return 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(std::aligned_alloc(4096, kPiece),
                                                           &std::free);
  if (buffer == nullptr) return 0;
  auto* const bytes = static_cast<unsigned char*>(buffer.get());
  for (int i = 0; i < kPieces; ++i) {
    for (size_t at = 0; at < kPiece; ++at) bytes[at] = static_cast<unsigned char>(at * 31 + i);
    if (write(file.descriptor(), bytes, kPiece) != static_cast<ssize_t>(kPiece)) return 0;
  }
  if (fsync(file.descriptor()) != 0) return 0;
  const int direct = open(file.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (direct < 0) return 0;
  Samples rates;
  for (int i = 0; i < kPieces; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const ssize_t got = pread(direct, bytes, kPiece, static_cast<off_t>(i * kPiece));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (got == static_cast<ssize_t>(kPiece)) rates.push_back(kPiece / took.count());
  }
  close(direct);
  return rates.empty() ? 0 : Median(rates);
}

std::string TimeNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace quire
