#include "session/session.h"

#include <algorithm>

#include "session/fields.h"

namespace quire {
namespace {

constexpr uint32_t kStateVersion = 3;
constexpr uint32_t kBeforeSummarised = 2;  // ends with the next summary
constexpr uint32_t kBeforeSummaries = 1;   // ends with the number of rebases
constexpr size_t kMaxIdBytes = 64;

std::unexpected<Error> Broken(const char* what) {
  return Refuse(ErrorCode::kCorrupt, std::string("the session's state is broken: ") + what);
}

bool ReadStreamParts(FieldParser& parser, SessionState& state) {
  state.stream.summary_tokens = parser.Number32();
  state.stream.summary_prompt = parser.Text();
  const std::vector<uint32_t> kept = parser.Counts();
  for (size_t i = 0; i + 1 < kept.size(); i += 2) state.kept.push_back({kept[i], kept[i + 1]});
  state.summary.begin = parser.Number32();
  state.summary.end = parser.Number32();
  state.next_summary = parser.Tokens();
  return kept.size() % 2 == 0;
}

// In order, apart and inside.
bool AreSpans(const std::vector<LogSpan>& spans, uint64_t tokens) {
  uint32_t behind = 0;
  for (const LogSpan& span : spans) {
    if (span.begin < behind || span.end <= span.begin || span.end > tokens) return false;
    behind = span.end;
  }
  return true;
}

bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

std::string EncodeState(const SessionState& state) {
  std::vector<uint32_t> kept;
  for (const LogSpan& span : state.kept) kept.insert(kept.end(), {span.begin, span.end});
  return FieldWriter()
      .Number32(kStateVersion)
      .Text(state.model)
      .Text(state.vocabulary)
      .Number64(state.seed)
      .Number32(state.answer_tokens)
      .Tokens(state.opening)
      .Counts(state.message_ends)
      .Text(state.settings)
      .Text(state.text)
      .Number32(state.stream.sink_tokens)
      .Number32(state.stream.window_tokens)
      .Number64(state.dropped_tokens)
      .Number64(state.rebases)
      .Number32(state.stream.summary_tokens)
      .Text(state.stream.summary_prompt)
      .Counts(kept)
      .Number32(state.summary.begin)
      .Number32(state.summary.end)
      .Tokens(state.next_summary)
      .Number32(state.summarised ? 1 : 0)
      .Take();
}

Result<SessionState> DecodeState(std::string_view bytes) {
  FieldParser parser(bytes);
  const uint32_t version = parser.Number32();
  if (version < kBeforeSummaries || version > kStateVersion) return Broken("another version");
  SessionState state;
  state.model = parser.Text();
  state.vocabulary = parser.Text();
  state.seed = parser.Number64();
  state.answer_tokens = parser.Number32();
  state.opening = parser.Tokens();
  state.message_ends = parser.Counts();
  state.settings = parser.Text();
  state.text = parser.Text();
  state.stream.sink_tokens = parser.Number32();
  state.stream.window_tokens = parser.Number32();
  state.dropped_tokens = parser.Number64();
  state.rebases = parser.Number64();
  if (version > kBeforeSummaries) {
    if (!ReadStreamParts(parser, state)) return Broken("a kept part without end");
    state.summarised = !state.next_summary.empty();
  }
  if (version > kBeforeSummarised) state.summarised = parser.Number32() != 0;
  if (!parser.complete()) return Broken("it is cut off, or longer than its fields");
  return state;
}

Status CheckState(const SessionState& state, uint64_t tokens) {
  if (state.answer_tokens > tokens) return Broken("more answered than there is");
  const std::vector<uint32_t>& ends = state.message_ends;
  if (!std::ranges::is_sorted(ends) || (!ends.empty() && ends.back() > tokens)) {
    return Broken("messages that end beyond the log");
  }
  if (std::ranges::any_of(state.opening, [](TokenId token) { return token < 0; })) {
    return Broken("a token id below 0");
  }
  if (std::ranges::any_of(state.next_summary, [](TokenId token) { return token < 0; })) {
    return Broken("a token id below 0");
  }
  if (!state.next_summary.empty() && !state.summarised) return Broken("a summary of nobody");
  if (!AreSpans(state.kept, tokens) || state.summary.begin > state.summary.end ||
      state.summary.end > tokens) {
    return Broken("kept parts that are not in the log");
  }
  const StreamWindow& stream = state.stream;
  const LogSpan& summary = state.summary;
  const auto crosses = [&](const LogSpan& span) {
    return span.begin < summary.end && summary.begin < span.end;
  };
  if (summary.begin < summary.end &&
      (summary.begin < stream.sink_tokens || std::ranges::any_of(state.kept, crosses))) {
    return Broken("a summary where something is kept");
  }
  if (stream != StreamWindow() && stream.window_tokens / 2 <= stream.sink_tokens) {
    return Broken("a window too small for what it keeps");
  }
  return {};
}

Status CheckHere(const Session& session) {
  if (session.moved_to.empty()) return {};
  Error moved{ErrorCode::kMoved,
              "the session '" + session.id + "' has moved to " + session.moved_to + "; go on there",
              {}};
  moved.location = session.moved_to;
  return std::unexpected(std::move(moved));
}

Status CheckSessionId(std::string_view id) {
  const bool fits = !id.empty() && id.size() <= kMaxIdBytes && id.front() != '.' &&
                    std::ranges::all_of(id, IsIdCharacter);
  if (fits) return {};
  return Refuse(ErrorCode::kInvalidArgument,
                "'id' must be 1 to 64 letters, digits, '.', '_' and '-', and not begin with '.'",
                "id");
}

}  // namespace quire
