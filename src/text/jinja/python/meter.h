// text/jinja/python/meter.h -- counts what a rendering uses, and stops it at its limits.
//
// Every value charges its bytes where it is made, and every loop of the interpreter its steps, so
// no template runs forever or fills the memory, whatever it combines. Bytes are never given back:
// the sum bounds both the memory in use and the work of copying.
//
// Threads  a rendering stays on one thread; MeterScope makes its meter that thread's current one,
// so
//          that values need not carry it. Without a scope nothing is counted (constants made while
//          parsing are bounded by the source).
// Errors   TemplateError(kLimit).
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire::jinja {

struct MeterLimits {
  uint64_t steps;
  size_t bytes;
  uint32_t depth;
};

class Meter {
 public:
  explicit Meter(MeterLimits limits) : limits_(limits) {}
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  void Step(uint64_t count = 1);
  void Charge(size_t bytes);
  void Enter();
  void Leave() { --depth_; }

 private:
  const MeterLimits limits_;
  uint64_t steps_ = 0;
  size_t bytes_ = 0;
  uint32_t depth_ = 0;
};

class MeterScope {
 public:
  explicit MeterScope(Meter& meter);
  ~MeterScope();
  MeterScope(const MeterScope&) = delete;
  MeterScope& operator=(const MeterScope&) = delete;

 private:
  Meter* outer_;
};

// These act on the current meter, and do nothing without one.
void CountSteps(uint64_t count);
void ChargeBytes(size_t bytes);  // call before allocating what a template chose the size of

// One level of nesting for as long as it lives.
class Nesting {
 public:
  Nesting();
  ~Nesting();
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Meter* meter_;
};

}  // namespace quire::jinja
