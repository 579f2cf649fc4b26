#include "cache/eviction/reuse_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace quire {

namespace {

// A hazard is believed as if this many blocks had spent a bin's width at its prior.
constexpr double kPriorBlocks = 5;
// What was seen fades with every Rebuild: the last few hundred of them count.
constexpr double kFade = 1 - 1.0 / 256;
constexpr uint32_t kFirstBits = 10;  // ages from 512 ms on have bins of their own

// Rising edges of the bins after the first, which is for 0.
uint32_t BinBelow(uint32_t value, std::initializer_list<uint32_t> edges) {
  uint32_t bin = 0;
  for (const uint32_t edge : edges) bin += value >= edge;
  return bin;
}

double SecondsIn(uint32_t bin) {
  const TickMs from = ReuseModel::FirstAge(bin);
  return static_cast<double>(ReuseModel::FirstAge(bin + 1) - from) / 1000;
}

}  // namespace

ReuseModel::ReuseModel() { Rebuild(Survivors{}); }

uint32_t ReuseModel::ClassOf(const BlockUse& use) {
  const uint32_t hits = BinBelow(use.hits, {1, 2, 4, 16, 64});
  const uint32_t turn = BinBelow(use.turn, {1, 2, 4, 6});
  return (hits * kTurnBins + turn) * 2 + use.tail;
}

uint32_t ReuseModel::AgeBin(TickMs age) {
  const uint32_t bits = static_cast<uint32_t>(std::bit_width(age));
  if (bits < kFirstBits) return 0;
  const uint32_t quarter = static_cast<uint32_t>(age >> (bits - 3)) & 3;
  return std::min(1 + 4 * (bits - kFirstBits) + quarter, kAgeBins - 1);
}

TickMs ReuseModel::FirstAge(uint32_t bin) {
  if (bin == 0) return 0;
  const uint32_t octave = (bin - 1) / 4;
  return TickMs{4 + (bin - 1) % 4} << (octave + kFirstBits - 3);
}

void ReuseModel::CountReuse(uint32_t kind, TickMs age) {
  const uint32_t bin = AgeBin(age);
  ++counts_[kind].reuses[bin];
  ++counts_[kind].left[bin];
}

void ReuseModel::CountNoReuse(uint32_t kind, TickMs age) { ++counts_[kind].left[AgeBin(age)]; }

void ReuseModel::Sums::Add(const Sums& other) {
  for (uint32_t bin = 0; bin < kAgeBins; ++bin) {
    reuses[bin] += other.reuses[bin];
    seconds[bin] += other.seconds[bin];
  }
}

ReuseModel::Hazards ReuseModel::Estimate(const Sums& sums, const Hazards& prior) {
  Hazards hazards;
  for (uint32_t bin = 0; bin < kAgeBins; ++bin) {
    const double believed = kPriorBlocks * SecondsIn(bin);
    hazards[bin] = (sums.reuses[bin] + prior[bin] * believed) / (sums.seconds[bin] + believed);
  }
  return hazards;
}

void ReuseModel::Rebuild(const Survivors& survivors) {
  std::array<Sums, kClasses> sums;
  std::array<Sums, kTurnBins * 2> of_turns;
  Sums all;
  for (uint32_t kind = 0; kind < kClasses; ++kind) {
    Counts& counts = counts_[kind];
    double older = 0;  // blocks that got beyond the bin
    for (uint32_t bin = kAgeBins; bin-- > 0;) {
      const double leaving = counts.left[bin] + survivors[kind][bin];
      sums[kind].reuses[bin] = counts.reuses[bin];
      sums[kind].seconds[bin] = (older + leaving / 2) * SecondsIn(bin);
      older += leaving;
      counts.reuses[bin] *= kFade;
      counts.left[bin] *= kFade;
    }
    of_turns[kind % (kTurnBins * 2)].Add(sums[kind]);
    all.Add(sums[kind]);
  }
  Hazards prior;
  for (uint32_t bin = 0; bin < kAgeBins; ++bin) {
    prior[bin] = 0.1 / (static_cast<double>(FirstAge(bin)) / 1000 + SecondsIn(bin) / 2 + 1);
  }
  const Hazards pooled = Estimate(all, prior);
  std::array<Hazards, kTurnBins * 2> turns;
  for (uint32_t i = 0; i < turns.size(); ++i) turns[i] = Estimate(of_turns[i], pooled);
  for (uint32_t kind = 0; kind < kClasses; ++kind) {
    FillValues(kind, Estimate(sums[kind], turns[kind % (kTurnBins * 2)]));
  }
}

void ReuseModel::FillValues(uint32_t kind, const Hazards& hazards) {
  std::array<double, kAgeBins> chance;   // of being read within the bin
  std::array<double, kAgeBins> seconds;  // expected to be held in it
  for (uint32_t bin = 0; bin < kAgeBins; ++bin) {
    chance[bin] = 1 - std::exp(-hazards[bin] * SecondsIn(bin));
    seconds[bin] = hazards[bin] > 1e-12 ? chance[bin] / hazards[bin] : SecondsIn(bin);
  }
  for (uint32_t from = 0; from < kAgeBins; ++from) {
    double unread = 1;
    double reads = 0;
    double held = 0;
    double best = 0;
    for (uint32_t bin = from; bin < kAgeBins; ++bin) {
      reads += unread * chance[bin];
      held += unread * seconds[bin];
      unread *= 1 - chance[bin];
      best = std::max(best, reads / held);
    }
    values_[kind][from] = static_cast<float>(best);
  }
}

}  // namespace quire
