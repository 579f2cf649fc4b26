#include "reply/tagged_parser.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire {

using Kind = ReplyEvent::Kind;

TaggedParser::TaggedParser(ReplyRules rules, bool in_reasoning) : rules_(std::move(rules)) {
  if (!in_reasoning || rules_.reasoning.empty()) return;
  mode_ = Mode::kReasoning;
  skip_space_ = true;
}

void TaggedParser::Append(std::string_view text, ReplyEvents& out) {
  out_ = &out;
  first_new_ = out.size();
  text_ += text;
  Run(false);
}

void TaggedParser::Finish(ReplyEvents& out) {
  out_ = &out;
  first_new_ = out.size();
  Run(true);
  QUIRE_CHECK(text_.empty());
  if (!raw_.empty()) Emit(Kind::kMark, {});
}

void TaggedParser::Run(bool last) {
  bool more = true;
  while (more) {
    switch (mode_) {
      case Mode::kContent:
        more = StepContent(last);
        break;
      case Mode::kReasoning:
        more = StepReasoning(last);
        break;
      case Mode::kSection:
        more = StepSection(last);
        break;
    }
  }
}

void TaggedParser::Account(size_t bytes) {
  raw_.append(text_, 0, bytes);
  text_.erase(0, bytes);
}

void TaggedParser::Emit(Kind kind, std::string text) {
  const bool flows = kind == Kind::kContent || kind == Kind::kReasoning || kind == Kind::kArguments;
  if (flows && out_->size() > first_new_ && out_->back().kind == kind) {
    out_->back().text += text;
    out_->back().raw += std::exchange(raw_, {});
    return;
  }
  const bool of_call = kind == Kind::kCallBegin || kind == Kind::kArguments ||
                       kind == Kind::kCallEnd || kind == Kind::kCallBroken;
  out_->push_back({kind, of_call ? calls_ : 0, std::move(text), std::exchange(raw_, {})});
}

void TaggedParser::EmitText(Kind kind, size_t bytes) {
  if (bytes == 0) return;
  std::string text = text_.substr(0, bytes);
  Account(bytes);
  if (kind == Kind::kContent && text.find_first_not_of(" \t\r\n") != std::string::npos) {
    begun_ = true;
  }
  Emit(kind, std::move(text));
}

size_t TaggedParser::WithoutSpace(size_t end) const {
  size_t begin = end;
  while (begin > 0 && end - begin < kMaxSpace && IsJsonSpace(text_[begin - 1])) --begin;
  return begin;
}

void TaggedParser::DropSpace() {
  size_t bytes = 0;
  while (bytes < text_.size() && IsJsonSpace(text_[bytes])) ++bytes;
  Account(bytes);
  if (!text_.empty()) skip_space_ = false;
}

bool TaggedParser::watches() const {
  return !rules_.calls.empty() || !rules_.hidden.empty() ||
         (!rules_.reasoning.empty() && (!begun_ || rules_.reasoning_anywhere));
}

TaggedParser::Mark TaggedParser::MarkAt(size_t at, bool last) const {
  const std::string_view rest = std::string_view(text_).substr(at);
  Mark found;
  const auto matches = [&](std::string_view mark, Mark::Kind kind, size_t index) {
    const bool whole = rest.starts_with(mark);
    if (!whole && (last || !mark.starts_with(rest))) return false;
    found = {kind, index, at, whole ? mark.size() : 0};
    return true;
  };
  const bool first = !begun_ && text_.find_first_not_of(" \t\r\n") == at;
  const auto calls = [&](bool bare) {
    for (size_t i = 0; i < rules_.calls.size(); ++i) {
      const bool fits = rules_.calls[i].bare == bare;
      if (fits && matches(rules_.calls[i].mark, Mark::Kind::kCall, i)) return true;
    }
    return false;
  };
  if (calls(false)) return found;
  for (size_t i = 0; (first || rules_.reasoning_anywhere) && i < rules_.reasoning.size(); ++i) {
    if (matches(rules_.reasoning[i].open, Mark::Kind::kReasoning, i)) return found;
  }
  if (first && calls(true)) return found;
  for (size_t i = 0; i < rules_.hidden.size(); ++i) {
    if (matches(rules_.hidden[i], Mark::Kind::kHidden, i)) return found;
  }
  return {Mark::Kind::kNone, 0, text_.size(), 0};
}

TaggedParser::Mark TaggedParser::FindMark(bool last) const {
  for (size_t at = 0; at < text_.size(); ++at) {
    const Mark mark = MarkAt(at, last);
    if (mark.kind != Mark::Kind::kNone) return mark;
  }
  return {Mark::Kind::kNone, 0, text_.size(), 0};
}

bool TaggedParser::StepContent(bool last) {
  if (skip_space_) DropSpace();
  if (text_.empty()) return false;
  if (!watches()) {
    EmitText(Kind::kContent, text_.size());
    return false;
  }
  const Mark mark = FindMark(last);
  const bool ends = last && mark.kind == Mark::Kind::kNone;
  const size_t shown = ends ? mark.at : WithoutSpace(mark.at);
  EmitText(Kind::kContent, shown);
  if (mark.kind == Mark::Kind::kNone || mark.size == 0) return false;
  OpenMark({mark.kind, mark.index, mark.at - shown, mark.size});
  return true;
}

// text_ begins with white space up to mark.at, then the mark.
void TaggedParser::OpenMark(const Mark& mark) {
  if (mark.kind == Mark::Kind::kCall) {
    const ReplyRules::Opening& opening = rules_.calls[mark.index];
    const size_t bytes = mark.at + (opening.bare ? 0 : mark.size);
    call_text_ = text_.substr(0, bytes);
    Account(bytes);
    section_ = opening.make();
    mode_ = Mode::kSection;
    return;
  }
  Account(mark.at + mark.size);
  skip_space_ = true;
  if (mark.kind == Mark::Kind::kHidden) return;
  reasoning_ = mark.index;
  mode_ = Mode::kReasoning;
}

bool TaggedParser::StepReasoning(bool last) {
  if (skip_space_) DropSpace();
  const std::string& close = rules_.reasoning[reasoning_].close;
  size_t at = text_.find(close);
  const bool found = at != std::string::npos;
  if (!found) {
    at = text_.size();
    const size_t longest = std::min(close.size() - 1, text_.size());
    for (size_t tail = last ? 0 : longest; tail > 0; --tail) {
      if (!std::string_view(text_).ends_with(std::string_view(close).substr(0, tail))) continue;
      at -= tail;
      break;
    }
  }
  const size_t shown = last && !found ? at : WithoutSpace(at);
  EmitText(Kind::kReasoning, shown);
  if (!found) return false;
  Account(at - shown + close.size());
  skip_space_ = true;
  begun_ = false;
  mode_ = Mode::kContent;
  return true;
}

void TaggedParser::AccountSection() {
  const size_t bytes = cursor_->taken() - accounted_;
  const std::string_view taken = std::string_view(text_).substr(accounted_, bytes);
  raw_ += taken;
  call_text_ += taken;
  accounted_ += bytes;
}

void TaggedParser::Begin(std::string_view name) {
  AccountSection();
  in_call_ = true;
  Emit(Kind::kCallBegin, std::string(name));
}

void TaggedParser::Arguments(std::string_view json) {
  AccountSection();
  Emit(Kind::kArguments, std::string(json));
}

void TaggedParser::End() {
  AccountSection();
  Emit(Kind::kCallEnd, {});
  call_text_.clear();
  in_call_ = false;
  ++calls_;
}

bool TaggedParser::StepSection(bool last) {
  Cursor cursor(text_, last);
  cursor_ = &cursor;
  accounted_ = 0;
  const CallSection::State state = section_->Read(cursor, *this);
  AccountSection();
  cursor_ = nullptr;
  text_.erase(0, accounted_);
  QUIRE_CHECK(state != CallSection::State::kMore || (text_.empty() || !last));
  if (state == CallSection::State::kMore) return false;
  section_.reset();
  mode_ = Mode::kContent;
  if (state == CallSection::State::kOver) {
    if (!raw_.empty()) Emit(Kind::kMark, {});  // its end is no part of what follows
    begun_ = false;
    skip_space_ = true;
    return true;
  }
  begun_ = true;
  if (in_call_) {
    Emit(Kind::kCallBroken, std::exchange(call_text_, {}));
    in_call_ = false;
    ++calls_;
  } else if (!call_text_.empty()) {
    Emit(Kind::kContent, std::exchange(call_text_, {}));
  }
  return true;
}

}  // namespace quire
