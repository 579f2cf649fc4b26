#include "ledger/ledger_row.h"

namespace quire {

std::string_view LedgerOutcomeName(LedgerOutcome outcome) {
  static constexpr std::array<std::string_view, kLedgerOutcomes> kNames = {
      "finished", "length", "cancelled", "refused", "error"};
  return kNames[static_cast<size_t>(outcome)];
}

std::optional<LedgerOutcome> FindLedgerOutcome(std::string_view name) {
  for (size_t i = 0; i < kLedgerOutcomes; ++i) {
    const auto outcome = static_cast<LedgerOutcome>(i);
    if (LedgerOutcomeName(outcome) == name) return outcome;
  }
  return std::nullopt;
}

}  // namespace quire
