// server/sessions/session_work.h -- what each request about a session does, apart from waiting.
//
// Every function is one request: it reads, computes, writes, and is done; what it returns is the
// body of the answer. What it changed is on the disk by then.
//
// Threads  any; the store orders them. Whoever calls sees to it that of AppendTo, TruncateTo,
//          CloseSession and an answer under way only one runs per session.
// Errors   those of SessionStore, of the parsers and of Engine::Check and Submit; kConflict for a
// session of
//          another vocabulary.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "server/prepare.h"
#include "server/sessions/session_answer.h"
#include "server/sessions/session_call.h"
#include "session/session_file.h"

namespace quire {

Result<std::string> CreateSession(const SessionCall& call);
Result<std::string> ListSessions(const SessionCall& call);
Result<std::string> ShowSession(const SessionCall& call);
// Forced, also one of which it is not settled whose it is (session_doubt.cc).
Result<std::string> CloseSession(const SessionCall& call);
// Makes ours what the other server of a hand-off does not speak of, if it is forced.
Result<std::string> ReclaimSession(const SessionCall& call);
// The tokens are durable when it returns; they are read ahead of need (ahead_reads.h).
Result<std::string> AppendTo(const SessionCall& call);
Result<std::string> TruncateTo(const SessionCall& call);
Result<std::string> ForkSession(const SessionCall& call);
Result<std::string> PinSession(const SessionCall& call);
Result<std::string> UnpinSession(const SessionCall& call);
Result<std::string> ExportSession(const SessionCall& call);  // the bytes of a file
Result<std::string> ImportSession(const SessionCall& call);
// What a file brings, checked as if a client had sent it; owned anew.
Result<SessionStore::Draft> CheckSessionFile(const ReadyModel& model, ReadSession read);

// An answer to be generated, and what keeping it will change.
struct SessionTurn {
  PreparedGeneration generation;
  SessionAnswer* answer = nullptr;  // of `generation`
  SessionStore::Change change;      // all but the answer
  bool opens = false;               // an answer to a message begins
  AheadReads::Rest rest;
};
Result<SessionTurn> PrepareTurn(const SessionCall& call);
// Once the answer is complete: keeps it. Another server's change meanwhile is kConflict.
Status KeepTurn(const SessionCall& call, SessionTurn& turn);

}  // namespace quire
