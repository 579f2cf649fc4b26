// reply/json_scan.h -- follows one JSON value byte by byte and says when it ends or breaks.
//
// Control characters inside strings, which models write and JSON forbids, are passed on escaped.
// Everything else is passed on as it came.
//
// Threads  none. Bounds: kMaxDepth levels; deeper is kBad. Cost: O(1) per byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quire {

class JsonScan {
 public:
  static constexpr size_t kMaxDepth = 48;  // a request that brings it back may nest a little deeper

  enum class Step : uint8_t {
    kMore,    // the byte was taken
    kDone,    // the byte was taken and ended the value
    kBefore,  // the value, a number, ended before this byte, which was not taken
    kBad,     // no JSON continues with this byte, which was not taken
  };

  // Appends what the byte becomes to `out`.
  Step Take(char c, std::string& out);
  // White space before the value does not count.
  bool begun() const { return place_ != Place::kValue || !nesting_.empty(); }

 private:
  enum class Place : uint8_t {
    kValue,       // a value must come
    kFirstItem,   // a value or "]"
    kFirstKey,    // a key or "}"
    kKey,         // a key
    kColon,       // after a key
    kAfterValue,  // "," or the closing bracket
    kString,
    kEscape,
    kHex,
    kNumber,
    kLiteral,
  };
  enum class Digits : uint8_t { kMinus, kZero, kWhole, kPoint, kFraction, kE, kESign, kExponent };

  Step BeginValue(char c);
  Step InString(char c, std::string& out);
  Step InNumber(char c, std::string& out);
  Step BetweenTokens(char c);
  Step EndValue();

  Place place_ = Place::kValue;
  Digits digits_ = Digits::kZero;
  bool is_key_ = false;
  const char* literal_ = nullptr;  // what must still come
  uint32_t hex_left_ = 0;
  std::vector<char> nesting_;  // '{' or '[' of each open level
};

inline bool IsJsonSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace quire
