// apps/bench/machine_facts.h -- what a reader of figures must know of where they were taken.
//
// Errors  none: what the system does not say is empty or 0.
#pragma once

#include <cstdint>
#include <string>

namespace quire {

std::string CpuName();         // "AMD EPYC 9R14 (family 25, model 17)"
std::string SystemName();      // "Linux 6.1.0"
uint64_t PeakResidentBytes();  // the most this process has had in RAM so far

// Seconds of CPU that other processes have had since this was made, and what the host of a virtual
// machine took; 0 where the system does not say. Rates taken beside other work mean little.
class OtherWork {
 public:
  OtherWork();
  double Seconds() const;

 private:
  double before_;
};

}  // namespace quire
