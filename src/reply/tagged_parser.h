// reply/tagged_parser.h -- finds reasoning and calls by their marks; the rest is content.
//
//   content --reasoning mark--> reasoning --its end--> content
//   content --call mark--> section --over or broken--> content
//
// White space beside marks, up to kMaxSpace bytes, belongs to them; a call that breaks gives it
// back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reply/call_section.h"
#include "reply/reply_parser.h"
#include "reply/reply_rules.h"

namespace quire {

class TaggedParser final : public ReplyParser, private CallSink {
 public:
  static constexpr size_t kMaxSpace = 64;

  // `in_reasoning`: the close mark of rules.reasoning[0] comes first.
  TaggedParser(ReplyRules rules, bool in_reasoning);

  void Append(std::string_view text, ReplyEvents& out) override;
  void Finish(ReplyEvents& out) override;

 private:
  enum class Mode : uint8_t { kContent, kReasoning, kSection };
  struct Mark {
    enum class Kind : uint8_t { kNone, kCall, kReasoning, kHidden };
    Kind kind = Kind::kNone;
    size_t index = 0;  // in its list
    size_t at = 0;
    size_t size = 0;  // 0: it may begin here, more text must tell
  };

  void Begin(std::string_view name) override;
  void Arguments(std::string_view json) override;
  void End() override;

  void Run(bool last);
  bool StepContent(bool last);  // false: more text is needed
  bool StepReasoning(bool last);
  bool StepSection(bool last);
  void OpenMark(const Mark& mark);
  Mark FindMark(bool last) const;
  Mark MarkAt(size_t at, bool last) const;
  bool watches() const;

  // Moves `bytes` of text_ to the account of the next event.
  void Account(size_t bytes);
  void AccountSection();
  void Emit(ReplyEvent::Kind kind, std::string text);
  void EmitText(ReplyEvent::Kind kind, size_t bytes);
  // The part of text_[0, end) before the white space that a mark would own.
  size_t WithoutSpace(size_t end) const;
  void DropSpace();

  const ReplyRules rules_;
  Mode mode_ = Mode::kContent;
  std::string text_;         // not understood yet
  std::string raw_;          // understood, on no event's account yet
  bool begun_ = false;       // content came, since the last reasoning or call
  bool skip_space_ = false;  // behind a mark
  size_t reasoning_ = 0;     // which one is open
  std::unique_ptr<CallSection> section_;
  Cursor* cursor_ = nullptr;  // of section_, while it reads
  size_t accounted_ = 0;      // bytes of cursor_ that are
  std::string call_text_;     // since the last call ended or the section began
  bool in_call_ = false;
  uint32_t calls_ = 0;
  ReplyEvents* out_ = nullptr;
  size_t first_new_ = 0;  // events of out_ before it are not ours to touch
};

}  // namespace quire
