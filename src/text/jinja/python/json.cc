#include "text/jinja/python/json.h"

#include <cmath>

#include "text/jinja/python/error.h"
#include "text/jinja/python/merge_sort.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

void AppendUnit(uint32_t unit, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  *out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out->push_back(kDigits[unit >> shift & 0xf]);
}

class Dumper {
 public:
  explicit Dumper(const JsonStyle& style) : style_(style) {}

  void Dump(const Value& value) {
    CountSteps(1);
    switch (value.kind()) {
      case Kind::kNone:
        out_ += "null";
        return;
      case Kind::kBool:
        out_ += value.boolean() ? "true" : "false";
        return;
      case Kind::kInt:
        out_ += ReprInt(value.integer());
        return;
      case Kind::kFloat:
        out_ += Number(value.number());
        return;
      case Kind::kString:
        DumpText(value.str());
        return;
      case Kind::kList:
      case Kind::kTuple:
        return DumpItems(value.items());
      case Kind::kDict:
        return DumpDict(value.dict());
      default:
        Raise(Fault::kType, "Object of type " + TypeName(value) + " is not JSON serializable");
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  static std::string Number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return ReprFloat(value);
  }

  void DumpText(std::string_view text) {
    out_.push_back('"');
    for (size_t i = 0; i < text.size();) {
      const CodePoint c = DecodeAt(text, i);
      DumpLetter(c.value, text.substr(i, c.size));
      i += c.size;
    }
    out_.push_back('"');
  }

  void DumpLetter(uint32_t c, std::string_view bytes) {
    constexpr std::string_view kEscaped = "\"\\\n\r\t\f\b";
    constexpr std::string_view kEscapes = "\"\\nrtfb";
    const size_t at = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : std::string_view::npos;
    if (at != std::string_view::npos) {
      out_.push_back('\\');
      out_.push_back(kEscapes[at]);
    } else if (c < 0x20 || (style_.ensure_ascii && c >= 0x7f && c < 0x10000)) {
      if (c == 0x7f) {
        out_ += bytes;
      } else {
        AppendUnit(c, &out_);
      }
    } else if (style_.ensure_ascii && c >= 0x10000) {
      AppendUnit(0xd800 + ((c - 0x10000) >> 10), &out_);
      AppendUnit(0xdc00 + ((c - 0x10000) & 0x3ff), &out_);
    } else {
      out_ += bytes;
    }
  }

  void NewLine() {
    if (!style_.multiline) return;
    ChargeBytes(1 + level_ * style_.indent.size());
    out_.push_back('\n');
    for (size_t i = 0; i < level_; ++i) out_ += style_.indent;
  }

  void DumpItems(const std::vector<Value>& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_.push_back('[');
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      NewLine();
      Dump(items[i]);
    }
    --level_;
    NewLine();
    out_.push_back(']');
  }

  void DumpDict(const Dict& dict) {
    if (dict.entries.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      MergeSort(&entries,
                [](const auto* a, const auto* b) { return Compare("<", a->first, b->first); });
    }
    out_.push_back('{');
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      NewLine();
      DumpKey(entries[i]->first);
      out_ += style_.key_separator;
      Dump(entries[i]->second);
    }
    --level_;
    NewLine();
    out_.push_back('}');
  }

  void DumpKey(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        return DumpText(key.str());
      case Kind::kNone:
        return DumpText("null");
      case Kind::kBool:
        return DumpText(key.boolean() ? "true" : "false");
      case Kind::kInt:
        return DumpText(ReprInt(key.integer()));
      case Kind::kFloat:
        return DumpText(Number(key.number()));
      default:
        Raise(Fault::kType, "keys must be str, int, float, bool or None, not " + TypeName(key));
    }
  }

  const JsonStyle& style_;
  std::string out_;
  size_t level_ = 0;
};

Value Convert(const nlohmann::ordered_json& json, uint32_t depth) {
  if (depth > Cell::kMaxDepth) Raise(Fault::kLimit, "the request is nested too deeply");
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return Value::Bool(json.get<bool>());
    case nlohmann::json::value_t::number_integer:
      return Value::Integer(json.get<int64_t>());
    case nlohmann::json::value_t::number_unsigned:
      return Value::Integer(json.get<uint64_t>());
    case nlohmann::json::value_t::number_float:
      return Value::Float(json.get<double>());
    case nlohmann::json::value_t::string:
      return Value::String(json.get_ref<const std::string&>());
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(Convert(item, depth + 1));
      return Value::List(std::move(items));
    }
    case nlohmann::json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) {
        dict->Set(Value::String(key), Convert(item, depth + 1));
      }
      return Value::Of(std::move(dict));
    }
    default:
      return Value::None();
  }
}

}  // namespace

std::string DumpJson(const Value& value, const JsonStyle& style) {
  Dumper dumper(style);
  dumper.Dump(value);
  return dumper.Take();
}

Value FromJson(const nlohmann::ordered_json& json) { return Convert(json, 0); }

}  // namespace quire::jinja
