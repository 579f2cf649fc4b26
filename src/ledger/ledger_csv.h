// ledger/ledger_csv.h -- rows as comma-separated values, with the columns of the table.
//
// A text that a spreadsheet would take for a formula gets an apostrophe before it.
//
// Threads  pure functions.
#pragma once

#include <string>

#include "ledger/ledger_row.h"

namespace quire {

std::string LedgerCsvHead();  // a line
void AppendCsv(const LedgerRow& row, std::string& out);

}  // namespace quire
