// ledger/ledger_query.h -- rows of the ledger, newest first, a page at a time.
//
// A page goes on from the id (or number) of the last row of the one before, so rows that come
// meanwhile move nothing.
//
// Threads  none. Errors  those of database.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "ledger/ledger_row.h"

namespace quire {

// Which rows are meant; what is not set is not asked for.
struct LedgerFilter {
  std::optional<std::string> tenant = {};
  std::optional<uint64_t> generation = {};
  std::optional<std::string> request_id = {};
  std::optional<std::string> retry_of = {};
  std::optional<std::string> api = {};
  std::optional<std::string> model = {};
  std::optional<std::string> route = {};
  std::optional<std::string> version = {};
  std::optional<std::string> outcome = {};
  std::optional<std::string> verdict = {};
  std::optional<std::string> label = {};
  std::optional<std::string> lever = {};  // in either arm of it
  std::optional<int64_t> since_ms = {};   // started then or later
  std::optional<int64_t> until_ms = {};   // started before

  // " WHERE ...", or nothing, and its parameters.
  std::string Where() const;
  void Bind(Statement& statement) const;
};

struct LedgerPage {
  std::vector<LedgerRow> rows;
  int64_t next = 0;  // what the next page goes on from; 0: there is none
};

struct LedgerWish {
  LedgerFilter filter = {};
  // Ids, of rows and of pages, are numbers among the rows of one tenant and generation; `filter`
  // names both.
  bool own_numbers = false;
  int64_t before = 0;  // LedgerPage::next of the page before; 0: the newest
  uint32_t limit = 100;
};
Result<LedgerPage> ReadLedger(const Database& database, const LedgerWish& wish);

}  // namespace quire
