// cache/eviction/reuse_model.h -- how much it is worth, per second, to keep a block of some kind
// and age.
//
// Blocks of one class (how often read, how many turns, whether last of its text) that were last
// used equally long ago are alike. Per class and bin of age the model counts how many blocks were
// read again, and how many seconds others spent there without: their quotient is the hazard of
// reuse. A class that has seen little leans on all classes of as many turns, and those on a hazard
// of 0.1 / (age + 1 s): then the oldest is worth least, as for an LRU.
//
// The value of a block is the best, over all times to keep it from now on, of
//
//   chance that it is read within that time / seconds that it is expected to be held
//
// so a block whose reuse is due soon is worth more than a fresher one whose reuse is far off, and
// a conversation that is half a minute old may be kept against any number of new ones.
//
// Threads  none. Errors  none.
// Cost     a value is a look-up; Rebuild is O(classes x bins^2), about a tenth of a millisecond.
#pragma once

#include <array>
#include <cstdint>

#include "cache/eviction/eviction_policy.h"

namespace quire {

class ReuseModel {
 public:
  static constexpr uint32_t kHitBins = 6;
  static constexpr uint32_t kTurnBins = 5;
  static constexpr uint32_t kClasses = kHitBins * kTurnBins * 2;
  // Four to an octave: up to 0.5 s, and from there to 18 hours and beyond.
  static constexpr uint32_t kAgeBins = 1 + 4 * 17;

  ReuseModel();

  static uint32_t ClassOf(const BlockUse& use);
  static uint32_t AgeBin(TickMs age);
  static TickMs FirstAge(uint32_t bin);  // that the bin holds

  void CountReuse(uint32_t kind, TickMs age);    // a block was read again at that age
  void CountNoReuse(uint32_t kind, TickMs age);  // it is no longer watched, unread since

  // Takes up what was counted since the last time. survivors[class][bin] blocks are still watched
  // at that age.
  using Survivors = std::array<std::array<uint32_t, kAgeBins>, kClasses>;
  void Rebuild(const Survivors& survivors);

  // In expected reads per second of holding it, from that age on.
  float Value(uint32_t kind, TickMs age) const { return values_[kind][AgeBin(age)]; }

 private:
  // Of blocks of one class, by bin of age.
  struct Counts {
    std::array<double, kAgeBins> reuses{};
    std::array<double, kAgeBins> left{};  // blocks that left in this bin, reused or not
  };
  using Hazards = std::array<double, kAgeBins>;
  struct Sums {
    Hazards reuses{};
    Hazards seconds{};
    void Add(const Sums& other);
  };
  static Hazards Estimate(const Sums& sums, const Hazards& prior);
  void FillValues(uint32_t kind, const Hazards& hazards);

  std::array<Counts, kClasses> counts_;
  std::array<std::array<float, kAgeBins>, kClasses> values_{};
};

}  // namespace quire
