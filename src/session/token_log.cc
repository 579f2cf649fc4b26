#include "session/token_log.h"

#include <sodium.h>

#include <algorithm>
#include <span>
#include <utility>

#include "session/fields.h"

namespace quire {
namespace {

constexpr size_t kUidBytes = 16;

std::unexpected<Error> Broken() {
  return Refuse(ErrorCode::kCorrupt,
                "a session's tokens on disk are not what was written; restore the database from a "
                "backup, or delete the session");
}

std::string RunPlace(std::string_view uid, uint32_t first, uint32_t count) {
  return FieldWriter().Text("quire run 1").Bytes(uid).Number32(first).Number32(count).Take();
}

std::string LinkPlace(std::string_view uid, std::string_view parent_uid, uint32_t base) {
  return FieldWriter().Text("quire log 1").Bytes(uid).Text(parent_uid).Number32(base).Take();
}

}  // namespace

Result<LogId> TokenLogs::Create() { return Insert({}, 0); }

Result<LogId> TokenLogs::Insert(LogPlace parent, uint32_t depth) {
  std::string uid(kUidBytes, '\0');
  randombytes_buf(uid.data(), uid.size());
  std::string parent_uid;
  if (parent.log != kNoLog) {
    QUIRE_TRY(parent_uid, UidOf(parent.log));
  }
  const std::string link = owner_.seal.Close({}, LinkPlace(uid, parent_uid, parent.tokens));
  const Status done = database_
                          .Prepare(
                              "INSERT INTO log (uid, tenant, generation, parent, base, depth, "
                              "tokens, link) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                          .Blob(uid)
                          .Text(owner_.tenant)
                          .Int(static_cast<int64_t>(owner_.generation))
                          .Int(static_cast<int64_t>(parent.log))
                          .Int(parent.tokens)
                          .Int(depth)
                          .Int(parent.tokens)
                          .Blob(link)
                          .Run();
  if (!done) return std::unexpected(done.error());
  return LogId{database_.last_insert()};
}

Result<std::string> TokenLogs::UidOf(LogId log) const {
  Statement query = database_.Prepare("SELECT uid FROM log WHERE serial = ?");
  QUIRE_TRY(const bool found, query.Int(static_cast<int64_t>(log)).Step());
  if (!found) return Broken();
  return query.GetText(0);
}

Result<TokenLogs::Row> TokenLogs::Load(LogId log) const {
  Statement query = database_.Prepare(
      "SELECT l.uid, l.parent, l.base, l.depth, l.tokens, l.link, p.uid FROM log AS l "
      "LEFT JOIN log AS p ON p.serial = l.parent WHERE l.serial = ?");
  QUIRE_TRY(const bool found, query.Int(static_cast<int64_t>(log)).Step());
  if (!found) return Broken();
  Row row;
  row.uid = query.GetText(0);
  row.parent = LogId{query.GetInt(1)};
  row.base = static_cast<uint32_t>(query.GetInt(2));
  row.depth = static_cast<uint32_t>(query.GetInt(3));
  row.tokens = static_cast<uint32_t>(query.GetInt(4));
  const std::string place = LinkPlace(row.uid, query.GetText(6), row.base);
  const bool whole = owner_.seal.Open(query.GetText(5), place).has_value();
  if (!whole || row.base > row.tokens || row.depth > kMaxDepth) return Broken();
  return row;
}

Status TokenLogs::SetTokens(LogId log, uint32_t tokens) {
  return database_.Prepare("UPDATE log SET tokens = ? WHERE serial = ?")
      .Int(tokens)
      .Int(static_cast<int64_t>(log))
      .Run();
}

Status TokenLogs::AddRun(LogId log, const Row& row, uint32_t first,
                         std::span<const TokenId> tokens) {
  FieldWriter bytes;
  for (const TokenId token : tokens) bytes.Number32(static_cast<uint32_t>(token));
  const auto count = static_cast<uint32_t>(tokens.size());
  const std::string sealed = owner_.seal.Close(bytes.bytes(), RunPlace(row.uid, first, count));
  return database_.Prepare("INSERT INTO run (log, first, count, sealed) VALUES (?, ?, ?, ?)")
      .Int(static_cast<int64_t>(log))
      .Int(first)
      .Int(count)
      .Blob(sealed)
      .Run();
}

Status TokenLogs::AddRuns(LogId log, const Row& row, const std::vector<TokenId>& tokens) {
  for (size_t at = 0; at < tokens.size(); at += kRunTokens) {
    const size_t count = std::min<size_t>(kRunTokens, tokens.size() - at);
    const Status added = AddRun(log, row, row.tokens + static_cast<uint32_t>(at),
                                std::span(tokens).subspan(at, count));
    if (!added) return added;
  }
  net_tokens_ += static_cast<int64_t>(tokens.size());
  return SetTokens(log, row.tokens + static_cast<uint32_t>(tokens.size()));
}

Result<LogPlace> TokenLogs::Settle(LogPlace place) const {
  for (;;) {
    QUIRE_TRY(const Row row, Load(place.log));
    if (place.tokens > row.tokens) return Broken();
    if (place.tokens > row.base || row.parent == kNoLog) return place;
    place.log = row.parent;
  }
}

// A log that begins at `place`: the child of the one it is in, or, where the chain would get too
// long, a copy of all that it spells.
Result<LogPlace> TokenLogs::Branch(LogPlace place) {
  QUIRE_TRY(const Row row, Load(place.log));
  if (place.tokens > 0 && row.depth < kMaxDepth) {
    QUIRE_TRY(const LogId child, Insert(place, row.depth + 1));
    return LogPlace{child, place.tokens};
  }
  QUIRE_TRY(const std::vector<TokenId> all, Read(place));
  QUIRE_TRY(const LogId root, Create());
  QUIRE_TRY(const Row fresh, Load(root));
  if (const Status added = AddRuns(root, fresh, all); !added) {
    return std::unexpected(added.error());
  }
  return LogPlace{root, place.tokens};
}

Result<LogPlace> TokenLogs::Append(LogPlace place, const std::vector<TokenId>& tokens) {
  if (tokens.empty()) return place;
  QUIRE_TRY(Row row, Load(place.log));
  if (place.tokens != row.tokens) {
    QUIRE_TRY(place, Branch(place));
    QUIRE_TRY(row, Load(place.log));
  }
  if (const Status added = AddRuns(place.log, row, tokens); !added) {
    return std::unexpected(added.error());
  }
  place.tokens += static_cast<uint32_t>(tokens.size());
  return place;
}

Result<std::vector<TokenId>> TokenLogs::OpenRun(const Row& row, uint32_t first, uint32_t count,
                                                const std::string& sealed) const {
  const auto bytes = owner_.seal.Open(sealed, RunPlace(row.uid, first, count));
  if (!bytes || bytes->size() != size_t{count} * sizeof(uint32_t)) return Broken();
  FieldParser parser(*bytes);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(parser.Number32());
  return tokens;
}

// Appends the ids [base, end) of the log itself.
Status TokenLogs::ReadRuns(LogId log, uint32_t end, std::vector<TokenId>& out) const {
  QUIRE_TRY(const Row row, Load(log));
  Statement query = database_.Prepare(
      "SELECT first, count, sealed FROM run WHERE log = ? AND first < ? ORDER BY first");
  query.Int(static_cast<int64_t>(log)).Int(end);
  uint32_t at = row.base;
  for (;;) {
    QUIRE_TRY(const bool more, query.Step());
    if (!more) break;
    const auto first = static_cast<uint32_t>(query.GetInt(0));
    const auto count = static_cast<uint32_t>(query.GetInt(1));
    if (first != at || out.size() != at) return Broken();
    QUIRE_TRY(const std::vector<TokenId> tokens, OpenRun(row, first, count, query.GetText(2)));
    const uint32_t wanted = std::min(count, end - first);
    out.insert(out.end(), tokens.begin(), tokens.begin() + wanted);
    at += count;
  }
  if (at < end) return Broken();
  return {};
}

Result<std::vector<TokenId>> TokenLogs::Read(LogPlace place) const {
  std::vector<LogPlace> chain;
  while (place.log != kNoLog) {
    chain.push_back(place);
    if (chain.size() > kMaxDepth + 1) return Broken();
    QUIRE_TRY(const Row row, Load(place.log));
    if (place.tokens > row.tokens || place.tokens < row.base) return Broken();
    place = {row.parent, row.base};
  }
  std::vector<TokenId> tokens;
  tokens.reserve(chain.front().tokens);
  for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
    const Status read = ReadRuns(link->log, link->tokens, tokens);
    if (!read) return std::unexpected(read.error());
  }
  return tokens;
}

Result<int64_t> TokenLogs::Needed(LogId log) const {
  Statement query = database_.Prepare(
      "SELECT max((SELECT ifnull(max(tokens), -1) FROM session WHERE log = ?1), "
      "(SELECT ifnull(max(base), -1) FROM log WHERE parent = ?1))");
  QUIRE_TRY([[maybe_unused]] const bool row, query.Int(static_cast<int64_t>(log)).Step());
  return query.GetInt(0);
}

// Removes the ids from `end` on; a run that reaches across is sealed anew.
Status TokenLogs::CutRuns(LogId log, const Row& row, uint32_t end) {
  Statement query = database_.Prepare(
      "SELECT first, count, sealed FROM run WHERE log = ? AND first < ? ORDER BY first DESC LIMIT "
      "1");
  QUIRE_TRY(const bool found, query.Int(static_cast<int64_t>(log)).Int(end).Step());
  std::vector<TokenId> kept;
  uint32_t from = end;
  if (found && query.GetInt(0) + query.GetInt(1) > end) {
    from = static_cast<uint32_t>(query.GetInt(0));
    QUIRE_TRY(kept, OpenRun(row, from, static_cast<uint32_t>(query.GetInt(1)), query.GetText(2)));
    kept.resize(end - from);
  }
  const Status cut = database_.Prepare("DELETE FROM run WHERE log = ? AND first >= ?")
                         .Int(static_cast<int64_t>(log))
                         .Int(from)
                         .Run();
  if (!cut || kept.empty()) return cut;
  return AddRun(log, row, from, kept);
}

Status TokenLogs::Trim(LogId log) {
  while (log != kNoLog) {
    QUIRE_TRY(const Row row, Load(log));
    QUIRE_TRY(const int64_t needed, Needed(log));
    if (needed == row.tokens) return {};
    const uint32_t end = std::max(row.base, static_cast<uint32_t>(std::max<int64_t>(needed, 0)));
    if (Status cut = CutRuns(log, row, end); !cut) return cut;
    net_tokens_ -= row.tokens - end;
    if (needed >= 0) return SetTokens(log, end);
    Status gone =
        database_.Prepare("DELETE FROM log WHERE serial = ?").Int(static_cast<int64_t>(log)).Run();
    if (!gone) return gone;
    log = row.parent;
  }
  return {};
}

}  // namespace quire
