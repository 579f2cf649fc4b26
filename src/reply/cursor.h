// reply/cursor.h -- a place in text of which more may come.
//
// Readers move it forward over what they understand and leave the rest for the next time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "reply/json_scan.h"

namespace quire {

class Cursor {
 public:
  // `last`: nothing will come after `text`.
  Cursor(std::string_view text, bool last) : text_(text), last_(last) {}

  std::string_view rest() const { return text_.substr(at_); }
  bool empty() const { return at_ == text_.size(); }
  bool last() const { return last_; }
  char front() const { return text_[at_]; }
  size_t taken() const { return at_; }

  void Skip(size_t bytes) { at_ += bytes; }
  void Back(size_t bytes) { at_ -= bytes; }
  void SkipSpace() {
    while (!empty() && IsJsonSpace(front())) ++at_;
  }

  enum class Match : uint8_t { kYes, kNo, kPart };
  // Whether `mark` comes next, and moves behind it if so; kPart: it may, when more text is there.
  Match Take(std::string_view mark) {
    if (rest().starts_with(mark)) {
      at_ += mark.size();
      return Match::kYes;
    }
    return !last_ && mark.starts_with(rest()) ? Match::kPart : Match::kNo;
  }

 private:
  std::string_view text_;
  bool last_;
  size_t at_ = 0;
};

}  // namespace quire
