// reply/call_object.h -- reads one call that is a JSON object: {"name": ..., "arguments": {...}}.
//
// The keys may come in any order, arguments also as JSON inside a string, and all of it inside
// {"type": "function", "function": {...}}. Arguments flow as soon as the name is known. A call is
// whole when its name and its arguments are; one without arguments, when its object ends.
//
// Threads  none. Cost: linear; arguments that come before the name are kept until then.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reply/call_sink.h"
#include "reply/cursor.h"
#include "reply/json_scan.h"

namespace quire {

struct CallObjectRules {
  // Not null: only these names, and no keys but those of calls. For places where any JSON may be.
  const std::vector<std::string>* only = nullptr;
  bool doubled_braces = false;  // {{...}} as well, which some templates teach by mistake
};

class CallObject {
 public:
  explicit CallObject(CallObjectRules rules) : rules_(rules) {}

  enum class State : uint8_t { kMore, kDone, kBad };
  // Reads on; stops behind the object, or before the byte that cannot be part of it. kMore only
  // at the end of the text.
  State Read(Cursor& cursor, CallSink& sink);
  // Whether the call is whole: what follows changes nothing any more.
  bool ended() const { return ended_; }

 private:
  enum class Place : uint8_t { kOpen, kFirstKey, kKey, kInKey, kColon, kValue, kInValue, kAfter };
  enum class Role : uint8_t { kName, kArguments, kFunction, kOther };

  State Take(char c, CallSink& sink);
  State TakeStructure(char c, CallSink& sink);
  State BeginValue(char c, CallSink& sink);
  State EndKey();
  State EndValue(CallSink& sink);
  State EndName(CallSink& sink);
  State EndArguments(CallSink& sink);
  State Close(CallSink& sink);
  void FlushArguments(CallSink& sink);

  CallObjectRules rules_;
  Place place_ = Place::kOpen;
  Role role_ = Role::kOther;
  JsonScan scan_;
  std::string value_;  // of the key or value being read
  bool arguments_are_text_ = false;
  std::string name_;
  bool has_name_ = false;
  std::string arguments_;  // read, and not told yet
  bool has_arguments_ = false;
  bool streaming_ = false;  // the value being read flows to the sink
  bool ended_ = false;
  uint32_t depth_ = 0;    // objects open around the keys: 1, or 2 inside "function"
  uint32_t doubled_ = 0;  // braces that came twice
};

}  // namespace quire
