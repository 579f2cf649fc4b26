// reply/python_scan.h -- follows one Python literal byte by byte and writes it as JSON.
//
//   'a', "a", 1, -2.5, True, False, None, [..], (..), {'a': ..}
//
// Also true, false and null, as models mix them up. A comma may come before a closing bracket.
//
// Threads  none. Bounds: kMaxDepth levels; deeper is kBad. Cost: O(1) per byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reply/json_scan.h"

namespace quire {

class PythonScan {
 public:
  // One less than JsonScan's: what it writes becomes the value of an argument.
  static constexpr size_t kMaxDepth = JsonScan::kMaxDepth - 1;

  using Step = JsonScan::Step;
  // As JsonScan::Take; appends JSON to `out`.
  Step Take(char c, std::string& out);

 private:
  enum class Place : uint8_t {
    kValue,       // a value must come
    kFirst,       // a value (of {: a key) or the closing bracket, with nothing before
    kNext,        // the same behind a comma
    kColon,       // behind a key
    kAfterValue,  // "," or the closing bracket
    kString,
    kEscape,
    kHex,
    kWord,  // a number or a name
  };

  Step BeginValue(char c, std::string& out);
  Step Between(char c, std::string& out);
  Step InString(char c, std::string& out);
  Step Escape(char c, std::string& out);
  Step InWord(char c, std::string& out);
  Step EndValue();
  Step Close(std::string& out);

  Place place_ = Place::kValue;
  char quote_ = 0;
  uint32_t hex_left_ = 0;
  std::string hex_;
  std::string word_;
  bool comma_ = false;         // came, and is not written yet: a closing bracket may follow
  bool in_key_ = false;        // the string being read is a key
  std::vector<char> nesting_;  // the closing bracket of each open level
};

}  // namespace quire
