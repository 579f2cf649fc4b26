// lever/arm_draw.h -- which arm of a lever somebody is in.
//
//   H(key; lever, unit, value) as a number in [0, 1)   below the share: treatment
//
// So whoever is in the treatment stays there while the share grows, arms of one lever say nothing
// of those of another, and nobody without the key can choose a label that falls into the arm he
// likes.
//
// Threads  immutable.
#pragma once

#include <string>
#include <string_view>

#include "ledger/arms.h"
#include "lever/lever.h"

namespace quire {

class ArmDraw {
 public:
  explicit ArmDraw(std::string key) : key_(std::move(key)) {}  // of any length

  double Draw(std::string_view lever, LeverUnit unit, std::string_view value) const;
  // Of a request that the lever concerns.
  Arm ArmOf(const Lever& lever, std::string_view tenant, std::string_view route) const;

 private:
  const std::string key_;
};

}  // namespace quire
