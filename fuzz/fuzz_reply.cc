// fuzz/fuzz_reply.cc -- any text as an answer: taken apart the same however it is cut, losing
// nothing, with calls that are whole.
//
// The first byte chooses the format, the second the seed of the cuts and whether reasoning is open.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "base/check.h"
#include "reply/json_scan.h"
#include "reply/reply_message.h"
#include "reply/reply_parser.h"

namespace quire {
namespace {

// Brackets and quotes in order; that strings are UTF-8 is not the parser's business.
bool JsonObject(const std::string& text) {
  JsonScan scan;
  std::string copy;
  const size_t begin = text.find('{');
  for (size_t at = begin; at < text.size(); ++at) {
    const JsonScan::Step step = scan.Take(text[at], copy);
    if (step == JsonScan::Step::kBad) return false;
    if (step == JsonScan::Step::kDone) {
      return text.find_first_not_of(" \t\r\n", at + 1) == std::string::npos;
    }
  }
  return false;
}

struct Read {
  std::string raw;
  std::string order;  // of kinds, merged
  ReplyMessage message;
};

void Add(const ReplyEvents& events, Read& read) {
  constexpr std::string_view kLetters = "crbaex";
  for (const ReplyEvent& event : events) {
    read.raw += event.raw;
    read.message.Add(event);
    if (event.kind == ReplyEvent::Kind::kMark) continue;
    const char letter = kLetters[static_cast<size_t>(event.kind)];
    const bool flows = letter == 'c' || letter == 'r' || letter == 'a';
    if (!flows || !read.order.ends_with(letter)) read.order += letter;
  }
}

// With `cuts` 0 all at once.
Read ReadAll(const ReplyOptions& options, std::string_view text, uint32_t cuts) {
  const auto parser = MakeReplyParser(options);
  std::mt19937 random(cuts);
  Read read;
  while (!text.empty()) {
    const size_t size = cuts == 0 ? text.size() : std::min<size_t>(text.size(), 1 + random() % 7);
    ReplyEvents events;
    parser->Append(text.substr(0, size), events);
    Add(events, read);
    text.remove_prefix(size);
  }
  ReplyEvents events;
  parser->Finish(events);
  Add(events, read);
  return read;
}

void Check(const ReplyOptions& options, std::string_view text, uint32_t cuts) {
  const Read whole = ReadAll(options, text, 0);
  const Read cut = ReadAll(options, text, cuts);
  QUIRE_CHECK(whole.raw == text && cut.raw == text, "text was lost or made up");
  QUIRE_CHECK(whole.order == cut.order, "cuts change what is read");
  QUIRE_CHECK(whole.message.content == cut.message.content);
  QUIRE_CHECK(whole.message.reasoning == cut.message.reasoning);
  QUIRE_CHECK(whole.message.calls.size() == cut.message.calls.size());
  for (size_t i = 0; i < whole.message.calls.size(); ++i) {
    const ReplyMessage::Call& call = whole.message.calls[i];
    QUIRE_CHECK(call.arguments == cut.message.calls[i].arguments && !call.name.empty());
    QUIRE_CHECK(JsonObject(call.arguments), "arguments are no object");
  }
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const quire::ReplyOptions options = {
      .format = quire::kReplyFormats[data[0] % quire::kReplyFormats.size()],
      .tools = {"f", "get_weather"},
      .starts_in_reasoning = (data[1] & 1) != 0,
      .one_call = (data[1] & 2) != 0,
      .text_parameters = {{"f", "text"}},
  };
  quire::Check(options, text, 1 + data[1]);
  return 0;
}
