#include "server/sessions/session_work.h"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <utility>

#include "engine/engine.h"
#include "server/http/http_message.h"
#include "server/openai/fresh_id.h"
#include "server/sessions/log_rendering.h"
#include "server/sessions/session_fields.h"
#include "server/sessions/session_json.h"
#include "server/sessions/session_kv.h"
#include "server/sessions/stream_summary.h"
#include "server/sessions/stream_window.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr uint32_t kMostListed = 1000;

// Small enough to survive a client that reads numbers as doubles.
uint64_t DrawSeed() {
  std::random_device device;
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

Status CheckVocabulary(const ReadyModel& model, const SessionState& state) {
  if (state.vocabulary == model.vocabulary) return {};
  return Refuse(ErrorCode::kConflict, "this session holds tokens of the model '" + state.model +
                                          "', whose vocabulary is another one than that of '" +
                                          model.names.front() +
                                          "'; serve that model, or begin a new session");
}

void PinAlong(const SessionCall& call, const Session& session, GenerationRequest& request) {
  if (session.pinned_until_ms <= call.now_ms) return;
  request.pin_seconds = static_cast<uint32_t>(
      (session.pinned_until_ms - call.now_ms + kMsPerSecond - 1) / kMsPerSecond);
  request.pin_group = PinGroupOf(call.space, session.id);
}

// Has the KV of `tokens` computed.
GenerationRequest ReadOf(const SessionCall& call, const Session& session,
                         std::vector<TokenId> tokens) {
  GenerationRequest request;
  request.prompt = std::move(tokens);
  request.max_tokens = 0;
  request.tenant = call.space.tenant;
  PinAlong(call, session, request);
  return request;
}

AheadReads::Text TextOf(const SessionCall& call, const Session& session,
                        std::vector<TokenId> tokens) {
  return {.request = ReadOf(call, session, std::move(tokens)), .generation = call.space.generation};
}

// What an append adds to a log, and to its state.
Result<std::vector<TokenId>> TokensOf(const SessionCall& call, const Appended& appended,
                                      const SessionStore::Content& content, SessionState& state) {
  const PromptEncoder& encoder = call.model->encoder;
  const Tokenizer& tokenizer = *call.model->tokenizer;
  if (appended.tokens) {
    const Status checked = encoder.CheckTokens(*appended.tokens, "tokens");
    if (!checked) return std::unexpected(checked.error());
    return *appended.tokens;
  }
  if (appended.text && content.tokens.empty()) {
    auto begun = encoder.Text(*appended.text, appended.parse_special);
    if (!begun && begun.error().param == "prompt") begun.error().param = "text";
    return begun;
  }
  if (appended.text) {
    if (appended.text->empty()) {
      return Refuse(ErrorCode::kInvalidArgument, "'text' must not be empty", "text");
    }
    return tokenizer.Encode(*appended.text,
                            {.add_special = false, .parse_special = appended.parse_special});
  }
  if (state.stream != StreamWindow()) {
    return Refuse(ErrorCode::kUnsupported,
                  "a stream session takes 'text' or 'tokens': messages that were dropped could not "
                  "be rendered again",
                  "messages");
  }
  QUIRE_TRY(LogExtension more,
            RenderOnto(*call.model, *appended.chat, content.tokens, state.message_ends));
  state.message_ends = std::move(more.message_ends);
  state.opening = std::move(more.opening);
  return std::move(more.tokens);
}

// Lets the context begin anew where its window demands it.
Result<std::vector<TokenId>> Fit(const SessionCall& call, const SessionStore::Content& content,
                                 uint64_t coming, std::vector<TokenId> tokens,
                                 SessionStore::Change& change) {
  SessionState& state = change.state;
  change.keep_tokens = content.session.tokens;
  if (state.stream == StreamWindow()) {
    change.tokens.assign(tokens.begin() + change.keep_tokens, tokens.end());
    return tokens;
  }
  if (const Status ready = SummariseInTime(call, tokens, coming, state); !ready) {
    return std::unexpected(ready.error());
  }
  QUIRE_TRY(WindowFit fit, FitWindow(state, std::move(tokens), coming));
  if (fit.anew) {
    change.keep_tokens = std::min(change.keep_tokens, state.stream.sink_tokens);
    state.dropped_tokens += fit.dropped;
    state.rebases += 1;
    state.answer_tokens = 0;
    state.kept = std::move(fit.kept);
    state.summary = fit.summary;
    ForgetSummary(state);
  }
  change.tokens.assign(fit.tokens.begin() + change.keep_tokens, fit.tokens.end());
  return std::move(fit.tokens);
}

// Positions begin anew with the context, draws must not.
uint64_t DrawSeedOf(const SessionState& state) {
  if (state.rebases == 0) return state.seed;
  const uint64_t parts[] = {state.seed, state.rebases};
  uint64_t seed = 0;
  crypto_generichash(reinterpret_cast<unsigned char*>(&seed), sizeof(seed),
                     reinterpret_cast<const unsigned char*>(parts), sizeof(parts), nullptr, 0);
  return seed;
}

void AppendAll(const std::vector<TokenId>& more, std::vector<TokenId>& tokens) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

Result<uint32_t> LengthOf(const Truncation& truncation, const Session& session) {
  const std::vector<uint32_t>& ends = session.state.message_ends;
  uint32_t length = truncation.tokens.value_or(0);
  if (truncation.messages) {
    const uint32_t messages = *truncation.messages;
    if (messages > ends.size()) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "the session holds " + std::to_string(ends.size()) + " messages, not " +
                        std::to_string(messages),
                    "messages");
    }
    const bool unknown =
        messages > 0 && ends[messages - 1] == (messages > 1 ? ends[messages - 2] : 0);
    if (unknown) {
      return Refuse(ErrorCode::kConflict,
                    "where message " + std::to_string(messages) +
                        " ends is not known for so long a conversation; truncate by 'tokens'",
                    "messages");
    }
    length = messages == 0 ? 0 : ends[messages - 1];
  }
  if (length > session.tokens) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "the session has " + std::to_string(session.tokens) + " tokens, not " +
                      std::to_string(length),
                  "tokens");
  }
  return length;
}

// What a shorter log no longer has.
void CutStreamParts(uint32_t length, SessionState& state) {
  if (length < TailBegin(state)) ForgetSummary(state);
  for (LogSpan& span : state.kept) span.end = std::min(span.end, length);
  std::erase_if(state.kept, [](const LogSpan& span) { return span.begin >= span.end; });
  state.summary = {std::min(state.summary.begin, length), std::min(state.summary.end, length)};
}

bool BeginsAnswer(const SessionStore::Content& content) {
  const SessionState& state = content.session.state;
  return !state.opening.empty() && state.answer_tokens == 0 && !state.message_ends.empty() &&
         state.message_ends.back() == content.session.tokens;
}

ReceiptNotes NotesOf(const SessionCall& call, const GenerationFields& fields) {
  ReceiptNotes notes;
  notes.request_id = call.request_id;
  notes.numerics = call.model->engine->numerics();
  notes.ignored = fields.ignored;
  notes.want_hashes = fields.request.return_logit_hash;
  return notes;
}

}  // namespace

std::string NameOf(const SessionSpace& space, const std::string& id) {
  return space.tenant + '\n' + id;
}

uint64_t PinGroupOf(const SessionSpace& space, const std::string& id) {
  uint64_t group = 0;
  const std::string name = NameOf(space, id);
  crypto_generichash(reinterpret_cast<unsigned char*>(&group), sizeof(group),
                     reinterpret_cast<const unsigned char*>(name.data()), name.size(), nullptr, 0);
  return group | 1;  // 0 is no group
}

Result<std::string> CreateSession(const SessionCall& call) {
  QUIRE_TRY(NewSession wanted, ParseNewSession(call.body));
  SessionStore::Draft draft;
  QUIRE_TRY(draft.state.model, call.model->NameFor(wanted.model));
  if (const Status fits = CheckWindow(*call.model, wanted.stream); !fits) {
    return std::unexpected(fits.error());
  }
  draft.id = wanted.id.empty() ? FreshId("sess_") : std::move(wanted.id);
  draft.ttl_seconds = wanted.ttl_seconds;
  draft.state.vocabulary = call.model->vocabulary;
  draft.state.seed = wanted.seed ? *wanted.seed : DrawSeed();
  draft.state.settings = wanted.settings.dump();
  draft.state.stream = wanted.stream;
  QUIRE_TRY(const Session session, call.store.Create(call.space, draft, call.now_ms));
  return SessionJson(session);
}

Result<std::string> ListSessions(const SessionCall& call) {
  SessionStore::Search search;
  search.part = QueryValue(call.query, "search").value_or("");
  search.after = QueryValue(call.query, "after").value_or("");
  if (const auto limit = QueryValue(call.query, "limit")) {
    char* end = nullptr;
    const unsigned long count = std::strtoul(limit->c_str(), &end, 10);
    if (limit->empty() || *end != '\0' || count == 0 || count > kMostListed) {
      return Refuse(ErrorCode::kInvalidArgument, "'limit' must be between 1 and 1000", "limit");
    }
    search.limit = static_cast<uint32_t>(count);
  }
  const uint32_t limit = search.limit++;  // one more tells whether there are more
  QUIRE_TRY(std::vector<Session> sessions, call.store.List(call.space, search, call.now_ms));
  const bool has_more = sessions.size() > limit;
  if (has_more) sessions.pop_back();
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const Session& session : sessions) {
    json.BeginObject();
    WriteSessionFields(session, json);
    json.EndObject();
  }
  json.EndArray().Key("last_id");
  sessions.empty() ? json.Null() : json.String(sessions.back().id);
  json.Field("has_more", has_more).EndObject();
  return json.Take();
}

Result<std::string> ShowSession(const SessionCall& call) {
  const auto wanted = QueryValue(call.query, "tokens");
  if (!wanted || *wanted == "false" || *wanted == "0") {
    QUIRE_TRY(const Session session, call.store.Get(call.space, call.id, call.now_ms));
    return SessionJson(session);
  }
  QUIRE_TRY(const auto content, call.store.Read(call.space, call.id, call.now_ms));
  JsonWriter json;
  json.BeginObject();
  WriteSessionFields(content.session, json);
  json.Key("token_ids").BeginArray();
  for (const TokenId token : content.tokens) json.Number(token);
  json.EndArray().EndObject();
  return json.Take();
}

Result<std::string> AppendTo(const SessionCall& call) {
  QUIRE_TRY(const Appended appended, ParseAppend(call.body));
  QUIRE_TRY(const auto content, call.store.Read(call.space, call.id, call.now_ms));
  if (const Status same = CheckVocabulary(*call.model, content.session.state); !same) {
    return std::unexpected(same.error());
  }
  SessionStore::Change change;
  change.version = content.session.version;
  change.state = content.session.state;
  QUIRE_TRY(const std::vector<TokenId> more, TokensOf(call, appended, content, change.state));
  change.state.answer_tokens = 0;
  std::vector<TokenId> tokens = content.tokens;
  AppendAll(more, tokens);
  if (appended.keep) {
    if (change.state.stream == StreamWindow()) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "'keep' is for stream sessions: another session drops nothing", "keep");
    }
    const Status kept = KeepLast(more.size(), tokens.size(), change.state);
    if (!kept) return std::unexpected(kept.error());
  }
  QUIRE_TRY(tokens, Fit(call, content, 0, std::move(tokens), change));
  std::deque<AheadReads::Text> texts;
  if (!tokens.empty()) {
    std::vector<TokenId> next = NextContext(change.state, tokens);
    texts.push_back(TextOf(call, content.session, std::move(tokens)));
    texts.back().entry = call.entry;
    // Of the next one it does not matter for this answer whether there is room.
    if (const Status fits = call.model->engine->Check(texts.front().request); !fits) {
      return std::unexpected(fits.error());
    }
    if (!next.empty()) {
      texts.push_back(TextOf(call, content.session, std::move(next)));
      texts.back().entry = call.entry;
    }
  }
  const std::string name = NameOf(call.space, call.id);  // no memory for it is an error of this
  QUIRE_TRY(const Session session, call.store.Write(call.space, call.id, change, call.now_ms));
  call.reads->Want(*call.model->engine, name, std::move(texts));
  JsonWriter json;
  json.BeginObject();
  WriteSessionFields(session, json);
  json.Field("appended", more.size()).EndObject();
  return json.Take();
}

Result<std::string> TruncateTo(const SessionCall& call) {
  QUIRE_TRY(const Truncation truncation, ParseTruncation(call.body));
  QUIRE_TRY(auto content, call.store.Read(call.space, call.id, call.now_ms));
  const Session& before = content.session;
  if (const Status here = CheckHere(before); !here) return std::unexpected(here.error());
  QUIRE_TRY(const uint32_t length, LengthOf(truncation, before));
  SessionStore::Change change;
  change.version = before.version;
  change.keep_tokens = length;
  change.state = before.state;
  const uint32_t cut = before.tokens - length;
  change.state.answer_tokens -= std::min(change.state.answer_tokens, cut);
  auto& ends = change.state.message_ends;
  while (!ends.empty() && (ends.back() > length || length == 0)) ends.pop_back();
  CutStreamParts(length, change.state);
  if (truncation.messages) ends.resize(std::min<size_t>(ends.size(), *truncation.messages));
  QUIRE_TRY(const Session session, call.store.Write(call.space, call.id, change, call.now_ms));
  const std::string name = NameOf(call.space, call.id);
  if (call.reads->Forget(name) && length > 0) {
    content.tokens.resize(length);  // of that some may not have been read yet
    std::deque<AheadReads::Text> texts;
    texts.push_back(TextOf(call, session, std::move(content.tokens)));
    call.reads->Want(*call.model->engine, name, std::move(texts));
  }
  return SessionJson(session);
}

Result<std::string> ForkSession(const SessionCall& call) {
  QUIRE_TRY(std::string id, ParseForkId(call.body));
  if (id.empty()) id = FreshId("sess_");
  QUIRE_TRY(const Session session, call.store.Fork(call.space, call.id, id, call.now_ms));
  return SessionJson(session);
}

Result<std::string> PinSession(const SessionCall& call) {
  QUIRE_TRY(const uint32_t seconds, ParsePinSeconds(call.body));
  QUIRE_TRY(auto content, call.store.Read(call.space, call.id, call.now_ms));
  if (const Status same = CheckVocabulary(*call.model, content.session.state); !same) {
    return std::unexpected(same.error());
  }
  content.session.pinned_until_ms = call.now_ms + seconds * kMsPerSecond;
  call.reads->Unpin(NameOf(call.space, call.id));  // this pin replaces those before
  call.model->engine->Unpin(PinGroupOf(call.space, call.id));
  if (!content.tokens.empty()) {
    GenerationRequest request = ReadOf(call, content.session, std::move(content.tokens));
    if (call.entry != nullptr) call.entry->Follow(request, *call.model->engine);
    QUIRE_TRY([[maybe_unused]] const RequestId id,
              call.model->engine->Submit(std::move(request), std::make_shared<EventQueue>()));
  }
  QUIRE_TRY(const Session session,
            call.store.Pin(call.space, call.id, content.session.pinned_until_ms, call.now_ms));
  return SessionJson(session);
}

Result<std::string> UnpinSession(const SessionCall& call) {
  QUIRE_TRY(const Session session, call.store.Pin(call.space, call.id, 0, call.now_ms));
  call.reads->Unpin(NameOf(call.space, call.id));
  call.model->engine->Unpin(PinGroupOf(call.space, call.id));
  return SessionJson(session);
}

Result<std::string> ExportSession(const SessionCall& call) {
  const auto wanted = QueryValue(call.query, "kv");
  const bool with_kv = wanted && *wanted != "false" && *wanted != "0";
  QUIRE_TRY(const auto content, call.store.Read(call.space, call.id, call.now_ms));
  std::string file = WriteSessionFile(content, call.signing_key, with_kv);
  if (with_kv) AppendKv(call, content.tokens, file);
  return file;
}

Result<SessionStore::Draft> CheckSessionFile(const ReadyModel& model, ReadSession read) {
  SessionState& state = read.content.session.state;
  if (const Status same = CheckVocabulary(model, state); !same) {
    return std::unexpected(same.error());
  }
  if (const Status fits = CheckWindow(model, state.stream); !fits) {
    return std::unexpected(fits.error());
  }
  for (const auto* tokens : {&read.content.tokens, &state.opening, &state.next_summary}) {
    if (tokens->empty()) continue;
    const Status known = model.encoder.CheckTokens(*tokens, "tokens");
    if (!known) return std::unexpected(known.error());
  }
  // What it says about answers must be what a client may say.
  JsonWriter settings;
  settings.BeginObject().Key("settings");
  settings.Raw(state.settings.empty() ? "{}" : state.settings).EndObject();
  QUIRE_TRY(const NewSession checked, ParseNewSession(settings.text()));
  SessionStore::Draft draft;
  draft.id = read.content.session.id;
  draft.ttl_seconds = read.content.session.ttl_seconds;
  draft.epoch = read.content.session.epoch + 1;
  draft.state = std::move(state);
  draft.state.settings = checked.settings.dump();
  draft.state.text.clear();
  draft.tokens = std::move(read.content.tokens);
  return draft;
}

Result<std::string> ImportSession(const SessionCall& call) {
  QUIRE_TRY(ReadSession read, ReadSessionFile(call.body, call.signing_key));
  const bool is_signed = read.is_signed;
  const size_t kv_at = read.kv_at;
  QUIRE_TRY(SessionStore::Draft draft, CheckSessionFile(*call.model, std::move(read)));
  draft.id = QueryValue(call.query, "id").value_or(draft.id);
  QUIRE_TRY(const Session session, call.store.Create(call.space, draft, call.now_ms));
  const ImportedKv kv = TakeKv(call, draft.tokens, kv_at);
  JsonWriter json;
  json.BeginObject();
  WriteSessionFields(session, json);
  json.Field("signed_here", is_signed).Key("kv");
  WriteImportedKv(kv, json);
  json.EndObject();
  return json.Take();
}

Result<SessionTurn> PrepareTurn(const SessionCall& call) {
  QUIRE_TRY(const auto content, call.store.Read(call.space, call.id, call.now_ms));
  const Session& session = content.session;
  if (const Status same = CheckVocabulary(*call.model, session.state); !same) {
    return std::unexpected(same.error());
  }
  QUIRE_TRY(GenerationFields fields, ParseSessionGeneration(call.body, session.state.settings));
  QUIRE_TRY([[maybe_unused]] const std::string name, call.model->NameFor(fields.model));
  SessionTurn turn;
  turn.change.version = session.version;
  turn.change.state = session.state;
  turn.opens = BeginsAnswer(content);
  std::vector<TokenId> prompt = content.tokens;
  if (turn.opens) AppendAll(session.state.opening, prompt);
  if (prompt.empty()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "the session is empty: append a text, messages or tokens first");
  }
  QUIRE_TRY(prompt, Fit(call, content, *fields.max_tokens, std::move(prompt), turn.change));
  SessionState& state = turn.change.state;
  if (fields.has_seed) state.seed = fields.request.sampling.seed;
  fields.request.sampling.seed = DrawSeedOf(state);
  fields.has_seed = true;
  QUIRE_TRY(GenerationRequest request, FinishGeneration(*call.model, fields, std::move(prompt)));
  request.answer_tokens = turn.opens ? 0 : state.answer_tokens;
  PinAlong(call, session, request);
  turn.rest = call.reads->MakeWay(NameOf(call.space, call.id), request.prompt,
                                  state.rebases != session.state.rebases);
  SessionAnswer::Facts facts{fields.stream, NotesOf(call, fields)};
  auto answer = std::make_unique<SessionAnswer>(std::move(facts));
  turn.answer = answer.get();
  turn.generation.requests.push_back(std::move(request));
  turn.generation.answer = std::move(answer);
  return turn;
}

Status KeepTurn(const SessionCall& call, SessionTurn& turn) {
  SessionStore::Change& change = turn.change;
  SessionState& state = change.state;
  const auto before = static_cast<uint32_t>(change.keep_tokens + change.tokens.size());
  AppendAll(turn.answer->tokens(), change.tokens);
  const auto answered = static_cast<uint32_t>(turn.answer->tokens().size());
  const uint32_t length = before + answered;
  const bool goes_on =
      state.answer_tokens > 0 && !state.message_ends.empty() && state.message_ends.back() == before;
  state.answer_tokens = (turn.opens ? 0 : state.answer_tokens) + answered;
  if (turn.opens) state.message_ends.push_back(length);
  if (goes_on) state.message_ends.back() = length;
  auto session = call.store.Write(call.space, call.id, change, call.now_ms);
  if (!session) return std::unexpected(session.error());
  turn.answer->Kept(*std::move(session));
  turn.rest.Answered();
  return {};
}

}  // namespace quire
