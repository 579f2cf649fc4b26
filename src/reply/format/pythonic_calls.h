// reply/format/pythonic_calls.h -- a section of calls in a list, as JSON or as Python writes them.
//
//   [f(x="a", n=[1, 2]), g()]      or      [{"name": "f", "parameters": {...}}]
//
// Only tools that were given count, and only arguments by name.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "reply/format/formats.h"
#include "reply/format/json_calls.h"
#include "reply/python_scan.h"

namespace quire {

class PythonicCalls final : public CallSection {
 public:
  // `rules`: of calls that are JSON; rules.object.only has the tools that were given.
  explicit PythonicCalls(JsonCallsRules rules) : rules_(std::move(rules)), json_(rules_) {}

  State Read(Cursor& cursor, CallSink& sink) override;

  static MakeCallSection Maker(JsonCallsRules rules) {
    return [rules] { return std::make_unique<PythonicCalls>(rules); };
  }

 private:
  enum class Place : uint8_t {
    kFirst,  // nothing yet, or "[": it is not known which kind it is
    kJson,
    kName,
    kFirstArgument,  // behind "("
    kArgument,       // behind ","
    kKey,
    kEquals,
    kValue,
    kAfterValue,
    kAfterCall,
    kBehind,  // the list is over
  };

  std::optional<State> Step(Cursor& cursor, CallSink& sink);
  std::optional<State> ReadFirst(Cursor& cursor);
  std::optional<State> ReadName(Cursor& cursor, CallSink& sink);
  std::optional<State> ReadArgument(Cursor& cursor, CallSink& sink);
  std::optional<State> ReadKey(Cursor& cursor, CallSink& sink);
  std::optional<State> ReadValue(Cursor& cursor, CallSink& sink);
  std::optional<State> ReadAfterCall(Cursor& cursor);
  std::optional<State> ReadBehind(Cursor& cursor);
  void EndCall(CallSink& sink);

  const JsonCallsRules rules_;
  JsonCalls json_;
  Place place_ = Place::kFirst;
  bool in_list_ = false;
  bool any_ = false;  // a call was whole
  std::string name_;
  std::string key_;
  std::set<std::string> keys_;
  PythonScan scan_;
};

}  // namespace quire
