#include "text/jinja/python/meter.h"

#include "text/jinja/python/error.h"

namespace quire::jinja {
namespace {
thread_local Meter* current = nullptr;
}  // namespace

void Meter::Step(uint64_t count) {
  steps_ += count;
  if (steps_ > limits_.steps) Raise(Fault::kLimit, "the template takes too many steps");
}

void Meter::Charge(size_t bytes) {
  if (bytes > limits_.bytes - bytes_) Raise(Fault::kLimit, "the template needs too much memory");
  bytes_ += bytes;
}

void Meter::Enter() {
  if (depth_ >= limits_.depth) Raise(Fault::kLimit, "the template is nested too deeply");
  ++depth_;
}

MeterScope::MeterScope(Meter& meter) : outer_(current) { current = &meter; }
MeterScope::~MeterScope() { current = outer_; }

void CountSteps(uint64_t count) {
  if (current != nullptr) current->Step(count);
}

void ChargeBytes(size_t bytes) {
  if (current != nullptr) current->Charge(bytes);
}

Nesting::Nesting() : meter_(current) {
  if (meter_ != nullptr) meter_->Enter();
}

Nesting::~Nesting() {
  if (meter_ != nullptr) meter_->Leave();
}

}  // namespace quire::jinja
