#include "server/sessions/log_rendering.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "text/tokenizer.h"

namespace quire {
namespace {

// Every message's end costs a rendering of all before it; so much text is enough for that.
constexpr size_t kMostBytesForEnds = size_t{8} << 20;

// The text that a rendering must begin with.
std::string TextOf(const Tokenizer& tokenizer, std::span<const TokenId> log,
                   std::string_view rendered) {
  const TokenId bos = tokenizer.bos();
  const bool hides_bos = !log.empty() && bos != kNoToken && log.front() == bos &&
                         !rendered.starts_with(tokenizer.Piece(bos));
  return tokenizer.Decode(hides_bos ? log.subspan(1) : log, true);
}

std::unexpected<Error> DoesNotExtend(std::string_view rendered, std::string_view log) {
  const auto differ = std::ranges::mismatch(rendered, log).in1;
  const auto at = static_cast<size_t>(differ - rendered.begin());
  return Refuse(
      ErrorCode::kConflict,
      "the rendered messages do not go on from what the session holds: they differ after " +
          std::to_string(at) + " of its " + std::to_string(log.size()) +
          " bytes; send the whole conversation as it went, truncate the session, or "
          "begin a new one",
      "messages");
}

ChatRequest FirstMessages(const ChatRequest& chat, size_t count) {
  ChatRequest part = chat;
  Json& messages = part.variables["messages"];
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(count), messages.end());
  return part;
}

// How many of `tokens` spell the first `bytes`, at least.
uint32_t TokensFor(const Tokenizer& tokenizer, std::span<const TokenId> tokens, size_t bytes,
                   size_t hidden) {
  size_t spelled = 0;
  uint32_t count = static_cast<uint32_t>(hidden);
  for (; count < tokens.size() && spelled < bytes; ++count) {
    spelled += tokenizer.Piece(tokens[count]).size();
  }
  return count;
}

}  // namespace

Result<LogExtension> RenderOnto(const ReadyModel& model, const ChatRequest& chat,
                                std::span<const TokenId> log,
                                const std::vector<uint32_t>& known_ends) {
  const Tokenizer& tokenizer = *model.tokenizer;
  QUIRE_TRY(PromptEncoder::RenderedChat rendered, model.encoder.RenderChat(chat, false));
  QUIRE_TRY(PromptEncoder::RenderedChat asking, model.encoder.RenderChat(chat, true));
  LogExtension extension;
  if (!asking.text.starts_with(rendered.text)) {
    rendered = std::move(asking);  // a template that has no opening of its own
  } else {
    QUIRE_TRY(extension.opening, model.encoder.EncodeFrom(asking, rendered.text.size()));
  }
  const std::string text = TextOf(tokenizer, log, rendered.text);
  if (!rendered.text.starts_with(text)) return DoesNotExtend(rendered.text, text);
  QUIRE_TRY(extension.tokens, model.encoder.EncodeFrom(rendered, text.size()));
  const TokenId bos = tokenizer.bos();
  if (log.empty() && tokenizer.adds_bos() && bos != kNoToken &&
      (extension.tokens.empty() || extension.tokens.front() != bos)) {
    extension.tokens.insert(extension.tokens.begin(), bos);
  }

  std::vector<TokenId> all(log.begin(), log.end());
  all.insert(all.end(), extension.tokens.begin(), extension.tokens.end());
  const bool hides_bos = !all.empty() && all.front() == bos && bos != kNoToken &&
                         !rendered.text.starts_with(tokenizer.Piece(bos));
  const size_t messages = chat.variables["messages"].size();
  // The last one that is known may have been closed only now.
  std::vector<uint32_t>& ends = extension.message_ends;
  ends = known_ends;
  ends.resize(std::min(messages, known_ends.empty() ? 0 : known_ends.size() - 1));
  size_t spent = 0;
  while (ends.size() + 1 < messages) {
    const uint32_t before = ends.empty() ? 0 : ends.back();
    spent += rendered.text.size();
    ends.push_back(before);  // unknown, unless
    if (spent > kMostBytesForEnds) continue;
    const auto part = model.encoder.RenderChat(FirstMessages(chat, ends.size()), false);
    if (!part || !rendered.text.starts_with(part->text)) continue;
    const uint32_t end = TokensFor(tokenizer, all, part->text.size(), hides_bos ? 1 : 0);
    ends.back() = std::max(before, end);
  }
  if (ends.size() < messages) ends.push_back(static_cast<uint32_t>(all.size()));
  return extension;
}

Result<std::optional<std::vector<TokenId>>> PromptOnto(const ReadyModel& model,
                                                       const ChatRequest& chat,
                                                       std::span<const TokenId> log) {
  QUIRE_TRY(const PromptEncoder::RenderedChat asking, model.encoder.RenderChat(chat, true));
  const std::string text = TextOf(*model.tokenizer, log, asking.text);
  if (!asking.text.starts_with(text)) return std::nullopt;
  QUIRE_TRY(const std::vector<TokenId> more, model.encoder.EncodeFrom(asking, text.size()));
  if (more.empty()) return std::nullopt;
  std::vector<TokenId> prompt(log.begin(), log.end());
  prompt.insert(prompt.end(), more.begin(), more.end());
  return std::optional(std::move(prompt));
}

}  // namespace quire
