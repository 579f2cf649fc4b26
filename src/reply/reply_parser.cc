#include "reply/reply_parser.h"

#include <utility>

#include "reply/format/formats.h"
#include "reply/tagged_parser.h"

namespace quire {
namespace {

ReplyRules RulesOf(ReplyFormat format, const ToolNames* names, const TextParameters* texts) {
  switch (format) {
    case ReplyFormat::kHermes:
      return HermesRules(names);
    case ReplyFormat::kQwenCoder:
      return QwenCoderRules(names, texts);
    case ReplyFormat::kLlama:
      return LlamaRules(names);
    case ReplyFormat::kMistral:
      return MistralRules(names);
    case ReplyFormat::kDeepSeek:
      return DeepSeekRules(names);
    case ReplyFormat::kGranite:
      return GraniteRules(names);
    case ReplyFormat::kCommandR:
      return CommandRRules(names);
    case ReplyFormat::kPhi:
      return PhiRules(names);
    case ReplyFormat::kHarmony:
      return HarmonyRules(names);
    case ReplyFormat::kNone:
      break;
  }
  return {};
}

// Keeps what the rules refer to.
class NamedParser final : public ReplyParser {
 public:
  explicit NamedParser(const ReplyOptions& options)
      : names_(options.tools),
        texts_(options.text_parameters),
        one_call_(options.one_call),
        parser_(RulesOf(options.format, names_.empty() ? nullptr : &names_, &texts_),
                options.starts_in_reasoning) {}
  NamedParser(const NamedParser&) = delete;

  void Append(std::string_view text, ReplyEvents& out) override {
    const size_t first_new = out.size();
    parser_.Append(text, out);
    KeepOneCall(first_new, out);
  }
  void Finish(ReplyEvents& out) override {
    const size_t first_new = out.size();
    parser_.Finish(out);
    KeepOneCall(first_new, out);
  }

 private:
  // From the second call on, all is text.
  void KeepOneCall(size_t first_new, ReplyEvents& events) {
    for (size_t i = first_new; i < events.size(); ++i) {
      ReplyEvent& event = events[i];
      second_ = second_ || (one_call_ && event.call > 0);
      if (second_) event = {ReplyEvent::Kind::kContent, 0, event.raw, event.raw};
    }
  }

  const ToolNames names_;
  const TextParameters texts_;
  const bool one_call_;
  bool second_ = false;
  TaggedParser parser_;
};

}  // namespace

bool EndsInReasoning(ReplyFormat format, std::string_view rendered) {
  const ReplyRules rules = RulesOf(format, nullptr, nullptr);
  const size_t end = rendered.find_last_not_of(" \t\r\n");
  return !rules.reasoning.empty() && end != std::string_view::npos &&
         rendered.substr(0, end + 1).ends_with(rules.reasoning.front().open);
}

std::unique_ptr<ReplyParser> MakeReplyParser(const ReplyOptions& options) {
  return std::make_unique<NamedParser>(options);
}

}  // namespace quire
