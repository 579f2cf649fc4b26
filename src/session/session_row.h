// session/session_row.h -- a session as the store handles it, for the parts of the store alone.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

#include "session/session_store.h"

namespace quire {

struct SessionStore::Row {
  int64_t serial = 0;
  SessionSpace space;
  LogPlace place;
  int64_t state_bytes = 0;  // sealed
  Session session;
};

template <typename Function>
auto SessionStore::InTransaction(Function function) -> decltype(function()) {
  const std::lock_guard lock(mutex_);
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database_));
  auto result = function();
  if (!result) return result;
  if (Status done = transaction.Commit(); !done) return std::unexpected(std::move(done).error());
  return result;
}

}  // namespace quire
