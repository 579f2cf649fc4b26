#include "ledger/arms.h"

#include <algorithm>

namespace quire {

namespace {
constexpr size_t kMostNameBytes = 48;
}

std::string_view ArmName(Arm arm) { return arm == Arm::kTreatment ? "treatment" : "control"; }

bool IsLeverName(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kMostNameBytes && std::ranges::all_of(name, plain) &&
         name[0] != '-' && name[0] != '.';
}

void AppendArm(std::string_view lever, Arm arm, std::string& arms) {
  if (!arms.empty()) arms += ',';
  arms.append(lever).append("=").append(ArmName(arm));
}

}  // namespace quire
