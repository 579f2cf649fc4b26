// ledger/arms.h -- in which arm of which lever a request was, as its row says it.
//
//   "keep-support=treatment,small-chunks=control"      sorted by name; empty: in none
//
// Threads  pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quire {

enum class Arm : uint8_t {
  kControl,    // treated as everybody is
  kTreatment,  // the change was applied to it
};
inline constexpr size_t kArms = 2;
std::string_view ArmName(Arm arm);  // "control"

// What names of levers are made of, so that nothing in the text above is ambiguous.
bool IsLeverName(std::string_view name);

// Names come in order.
void AppendArm(std::string_view lever, Arm arm, std::string& arms);

// Calls visit(name of the lever, name of the arm) for each.
template <typename Visit>
void VisitArms(std::string_view arms, Visit&& visit) {
  while (!arms.empty()) {
    const std::string_view one = arms.substr(0, arms.find(','));
    arms.remove_prefix(one.size() == arms.size() ? one.size() : one.size() + 1);
    const size_t equals = one.find('=');
    if (equals != std::string_view::npos) visit(one.substr(0, equals), one.substr(equals + 1));
  }
}

}  // namespace quire
