#include "apps/plan/model_meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "apps/bench/bench_stage.h"
#include "apps/bench/machine_peaks.h"
#include "apps/bench/peak_loops.h"
#include "apps/plan/stand_in.h"
#include "apps/plan/step_samples.h"
#include "base/machine.h"
#include "base/size.h"
#include "model/model.h"
#include "plan/capacity/step_forecast.h"
#include "plan/capacity/time_terms.h"

namespace quire {
namespace {

constexpr uint32_t kShallow = 96;  // tokens before a decoded one; within the first tile
constexpr uint32_t kDeep = 2048;
constexpr uint32_t kLongRows = 16;                  // a step of so many takes long
constexpr int kShortSteps = 4;                      // that a shorter one is measured at once
constexpr uint32_t kSlopeRows = 64;                 // of a chunk that tells what a position costs
constexpr KvFormat kMainFormat = KvFormat::kK16V8;  // of the points; others only for attention
constexpr std::array kFormats = {kMainFormat, KvFormat::kF16, KvFormat::kQ8};
constexpr std::array<uint32_t, 7> kDecodeRows = {1, 2, 4, 8, 16, 32, 64};
constexpr std::array<uint32_t, 5> kChunkRows = {16, 64, 128, 256, 512};
constexpr int kOtherFormatRounds = 3;  // of so many, one measures formats but the main one

// A step at a place of a text.
struct StepCase {
  bool decode = false;
  uint32_t rows = 0;
  uint32_t depth = 0;
  auto operator<=>(const StepCase&) const = default;

  bool is_long() const { return rows >= kLongRows; }
  BenchCase bench() const {
    if (!decode) return {.tokens = rows, .depth = depth};
    return {.tokens = 1, .depth = depth, .clients = rows};
  }
};

// One stand-in in one format, with all that was measured of it.
struct Stage {
  KvFormat format;
  std::unique_ptr<BenchStage> bench;
  std::map<StepCase, StepSamples> samples = {};
  size_t rounds = 0;
  double wall(const StepCase& one) const { return MedianOfMeans(samples.at(one).wall, rounds); }
  double output(const StepCase& one) const { return MedianOfMeans(samples.at(one).output, rounds); }
  double attention(const StepCase& one) const {
    return MedianOfMeans(samples.at(one).attention, rounds);
  }
};

class ModelMeter {
 public:
  ModelMeter(const ModelShape& shape, WorkerPool& pool) : shape_(shape), pool_(pool) {}

  Status Prepare();
  Result<MeterReport> Run(const MeterEffort& effort, const std::function<void(double)>& progress);

 private:
  std::vector<StepCase> CasesOf(KvFormat format) const;
  void Measure(const StepCase& one, Stage& stage);
  void ReadTheRest();
  void MeasureRound(int round);
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
  std::vector<std::byte> rest_;  // as many as the model's weights are more, up to a bound
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
  rest_.assign(UnreadBytes(shape_), std::byte{1});  // a page of zeros would be one for all
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
              BenchStage::Create(*model_, pool_, cases,
                                 {.format = format, .chunk_tokens = kChunkRows.back()}));
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
  const auto of = [&](PassPhase phase) {
    return static_cast<double>(stage.bench->times().of(phase)) * 1e-9 / pool_.count();
  };
  StepSamples& samples = stage.samples[one];
  for (int i = 0; i < (one.is_long() ? 1 : kShortSteps); ++i) {
    if (!one.is_long()) ReadTheRest();
    samples.wall.push_back(stage.bench->Run(one.bench()));
    samples.output.push_back(of(PassPhase::kLogits));
    samples.attention.push_back(of(PassPhase::kAttention));
  }
}

// A step of few rows takes as long as reading weights does, less where some are still in a cache
// since the step before. Of a stand-in more would be than of the model, so what it lacks is read.
void ModelMeter::ReadTheRest() {
  pool_.Run([this](const Worker& worker) {
    const auto [begin, end] = worker.Share(static_cast<uint32_t>(rest_.size() / kKiB));
    ReadLoop(rest_.data() + begin * kKiB, (end - begin) * kKiB);
  });
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

// What attention takes longer further on in a text, for each position that it attends to more. Of
// the phase itself, not of whole steps: their difference is small beside what they vary by.
AttentionTimes ModelMeter::Slopes(const Stage& stage) const {
  const uint32_t shallow = std::min(kShallow, model_->config().context_length / 4);
  const StepForecast positions(small_, no_times_, kMainFormat, {});
  AttentionTimes slopes;
  if (deep_ <= shallow || !stage.samples.contains({false, kSlopeRows, deep_})) return slopes;
  slopes.decode = (stage.attention({true, 1, deep_}) - stage.attention({true, 1, shallow})) /
                  (positions.Attended(deep_) - positions.Attended(shallow));
  slopes.chunk =
      (stage.attention({false, kSlopeRows, deep_}) - stage.attention({false, kSlopeRows, 0})) /
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
  // Fewer rows of a prompt cost what as many decoded ones do, but for their outputs.
  for (const StepPoint& point : times.decode) {
    if (point.rows < kChunkRows.front()) {
      times.chunk.push_back({point.rows, point.layers, times.decode.front().output});
    }
  }
  std::ranges::sort(times.chunk, {}, &StepPoint::rows);
  return times;
}

// A machine that others share is slow for some tenths of a second, again and again. So the cases
// are short and take turns, and one token alone, which is over soonest, comes after each that takes
// long: no bad moment meets most samples of a case.
void ModelMeter::MeasureRound(int round) {
  for (Stage& stage : stages_) {
    if (stage.format != kMainFormat && round % kOtherFormatRounds != 0) continue;
    ++stage.rounds;
    const std::vector<StepCase> cases = CasesOf(stage.format);
    for (const StepCase& one : cases) {
      Measure(one, stage);
      if (one.is_long() && stage.format == kMainFormat) Measure(cases.front(), stage);
    }
  }
}

Result<MeterReport> ModelMeter::Run(const MeterEffort& effort,
                                    const std::function<void(double)>& progress) {
  QUIRE_TRY(const auto meter, PeakMeter::Create(pool_));
  for (Stage& stage : stages_) stage.bench->Run({.tokens = kBlockTokens});  // first touches
  const auto start = std::chrono::steady_clock::now();
  double share = 0;
  for (int round = 0; share < 1; ++round) {
    peaks_.push_back(meter->Measure());
    MeasureRound(round);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    share = std::min((round + 1.0) / effort.least_rounds, took.count() / effort.seconds);
    progress(std::min(share, 1.0));
  }
  const PeakRates peaks = Peaks();
  return MeterReport{peaks, Times(peaks)};
}

}  // namespace

Result<MeterReport> MeasureModel(const ModelShape& shape, WorkerPool& pool,
                                 const MeterEffort& effort,
                                 const std::function<void(double share)>& progress) {
  ModelMeter meter(shape, pool);
  if (Status prepared = meter.Prepare(); !prepared) return std::unexpected(prepared.error());
  return meter.Run(effort, progress);
}

std::string TimeNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace quire
