// ledger/ledger_schema.h -- brings a file to the table that this program writes, or refuses it.
#pragma once

#include "base/result.h"
#include "base/sqlite/database.h"

namespace quire {

inline constexpr const char* kLedgerName = "ledger";  // in errors

// Creates what is missing. kCorrupt for a file of a newer version, or of another program.
Status MigrateLedger(const Database& database);
// The same without changing anything: kCorrupt for every file that MigrateLedger would change.
Status CheckLedger(const Database& database);

}  // namespace quire
