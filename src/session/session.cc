#include "session/session.h"

#include <algorithm>

#include "session/fields.h"

namespace quire {
namespace {

constexpr uint32_t kStateVersion = 1;
constexpr size_t kMaxIdBytes = 64;

std::unexpected<Error> Broken(const char* what) {
  return Refuse(ErrorCode::kCorrupt, std::string("the session's state is broken: ") + what);
}

bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

std::string EncodeState(const SessionState& state) {
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
      .Take();
}

Result<SessionState> DecodeState(std::string_view bytes) {
  FieldParser parser(bytes);
  if (parser.Number32() != kStateVersion) return Broken("another version");
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
  const StreamWindow& stream = state.stream;
  if (stream != StreamWindow() && stream.window_tokens / 2 <= stream.sink_tokens) {
    return Broken("a window too small for what it keeps");
  }
  return {};
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
