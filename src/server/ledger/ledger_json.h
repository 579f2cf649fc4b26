// server/ledger/ledger_json.h -- rows of the ledger, and sums over them, as JSON.
#pragma once

#include "ledger/ledger_row.h"
#include "ledger/ledger_sums.h"
#include "server/openai/json_writer.h"

namespace quire {

void WriteLedgerRow(const LedgerRow& row, JsonWriter& json);
void WriteLedgerSum(const LedgerSum& sum, JsonWriter& json);

}  // namespace quire
