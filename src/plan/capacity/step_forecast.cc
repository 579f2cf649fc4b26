#include "plan/capacity/step_forecast.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sched/step_target.h"

namespace quire {
namespace {

struct StepTime {
  double layers;
  double output;
};

// Read off the points: between two of them along the line, beyond the last along its last piece.
StepTime TimeOf(const std::vector<StepPoint>& points, double rows) {
  if (points.size() == 1) {
    const double share = rows / points[0].rows;
    return {points[0].layers * share, points[0].output * share};
  }
  size_t i = 1;
  while (i + 1 < points.size() && points[i].rows < rows) ++i;
  const StepPoint& a = points[i - 1];
  const StepPoint& b = points[i];
  const double share = (rows - a.rows) / (double{1} * b.rows - a.rows);
  return {std::max(a.layers + share * (b.layers - a.layers), 0.0),
          std::max(a.output + share * (b.output - a.output), 0.0)};
}

// The format itself, or one that was measured scaled by what has to be read.
AttentionTimes AttentionOf(const ModelShape& shape, const ModelTimes& times, KvFormat format) {
  QUIRE_CHECK(!times.attention.empty(), "no format was measured");
  const auto found = times.attention.find(format);
  if (found != times.attention.end()) return found->second;
  const auto& [other, known] = *times.attention.begin();
  const double scale = static_cast<double>(shape.kv(format).block_bytes()) /
                       static_cast<double>(shape.kv(other).block_bytes());
  return {known.decode * scale, known.chunk};
}

}  // namespace

StepForecast::StepForecast(const ModelShape& shape, const ModelTimes& times, KvFormat format,
                           Pace pace)
    : shape_(shape), times_(times), pace_(pace), attention_(AttentionOf(shape, times, format)) {
  QUIRE_CHECK(!times.decode.empty() && !times.chunk.empty(), "nothing was measured");
}

double StepForecast::Attended(uint32_t position) const {
  const double all = double{1} * position + 1;
  const double windowed = shape_.num_windowed();
  const double seen = std::min<double>(all, shape_.config.window);
  return (shape_.config.layers - windowed) * all + windowed * seen;
}

double StepForecast::AttendedBy(uint32_t rows, uint32_t first) const {
  const double count = rows;
  const double windowed = shape_.num_windowed();
  const double all = count * first + count * (count + 1) / 2;
  double seen = 0;
  if (windowed > 0) {
    const double window = shape_.config.window;
    const double growing = std::clamp(window - first, 0.0, count);  // rows that see all before them
    seen = growing * first + growing * (growing + 1) / 2 + (count - growing) * window;
  }
  return (shape_.config.layers - windowed) * all + windowed * seen;
}

double StepForecast::DecodeSeconds(uint32_t sequences, uint32_t depth) const {
  const StepTime step = TimeOf(times_.decode, sequences);
  return step.layers + step.output + sequences * Attended(depth) * attention_.decode +
         sequences * kTokenSeconds;
}

double StepForecast::ChunkSeconds(uint32_t rows, uint32_t first) const {
  const StepTime step = TimeOf(times_.chunk, rows);
  // Few rows share what they read with fewer others.
  constexpr double kSharedRows = 16;
  const double alone = std::max(0.0, 1 - (rows - 1.0) / (kSharedRows - 1));
  const double position = attention_.chunk + alone * (attention_.decode - attention_.chunk);
  return step.layers + AttendedBy(rows, first) * position;
}

uint32_t StepForecast::RowsInStep(uint32_t first, uint32_t most) const {
  const double longest = LongestStep(pace_.target_seconds, pace_.pause_seconds);
  uint32_t low = 1;
  uint32_t high = std::max(1u, most);
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    if (ChunkSeconds(middle, first) <= longest) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return std::min(std::max(low, kBlockTokens), most);
}

StepForecast::Prefill StepForecast::PrefillOf(uint32_t tokens, uint32_t cached) const {
  Prefill prefill;
  prefill.seconds = kRequestSeconds + times_.chunk.front().output;
  for (uint32_t at = std::min(cached, tokens - 1); at < tokens;) {
    const uint32_t rows = RowsInStep(at, std::min(pace_.step_tokens, tokens - at));
    prefill.seconds += ChunkSeconds(rows, at);
    prefill.largest_step = std::max(prefill.largest_step, rows);
    ++prefill.steps;
    at += rows;
  }
  return prefill;
}

}  // namespace quire
