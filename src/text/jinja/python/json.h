// text/jinja/python/json.h -- json.dumps, and how a request's JSON becomes Values.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "text/jinja/python/value.h"

namespace quire::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool multiline = false;      // an indent was given
  std::string indent;          // per level, when multiline
  std::string item_separator;  // with the space that follows it
  std::string key_separator;
};

// TypeError for what JSON has no words for (undefined, objects).
std::string DumpJson(const Value& value, const JsonStyle& style);

// Integers beyond 64 bits come as floats. Refuses nesting beyond V2.
Value FromJson(const nlohmann::ordered_json& json);

}  // namespace quire::jinja
