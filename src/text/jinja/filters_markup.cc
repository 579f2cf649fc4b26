// Filters that deal with HTML and URLs (registry.h: MarkupFilters).
#include <string>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/search.h"
#include "text/jinja/python/unicode.h"
#include "text/jinja/registry.h"

namespace quire::jinja {
namespace {

Value EscapeFilter(const Arguments& arguments) {
  const Bound args("escape", {"s"}, 1, arguments);
  return Escape(args[0]);
}

Value ForceEscape(const Arguments& arguments) {
  const Bound args("forceescape", {"value"}, 1, arguments);
  return Value::String(EscapeHtml(Str(args[0])), true);
}

Value Safe(const Arguments& arguments) {
  const Bound args("safe", {"value"}, 1, arguments);
  return Value::String(Str(args[0]), true);
}

std::string Quote(std::string_view text, bool query) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos;
    if (plain || (c == '/' && !query)) {
      out.push_back(c);
    } else if (c == ' ' && query) {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 0xf]);
    }
  }
  return out;
}

Value UrlEncode(const Arguments& arguments) {
  const Bound args("urlencode", {"value"}, 1, arguments);
  const Value& value = args[0];
  if (value.is(Kind::kString) || !IsIterable(value)) {
    return Value::String(Quote(Str(value), false));
  }
  std::string out;
  const auto add = [&](const Value& key, const Value& item) {
    if (!out.empty()) out += "&";
    out += Quote(Str(key), true) + "=" + Quote(Str(item), true);
  };
  if (value.is(Kind::kDict)) {
    for (const Dict::Entry& entry : value.dict().entries) add(entry.first, entry.second);
  } else {
    for (const Value& pair : Collect(value)) {
      const std::vector<Value> parts = Collect(pair);
      if (parts.size() != 2) Raise(Fault::kValue, "urlencode needs pairs");
      add(parts[0], parts[1]);
    }
  }
  return Value::String(std::move(out));
}

Value XmlAttributes(const Arguments& arguments) {
  const Bound args("xmlattr", {"d", "autospace"}, 1, arguments);
  if (!args[0].is(Kind::kDict)) Raise(Fault::kAttribute, "xmlattr needs a mapping");
  std::string out;
  for (const Dict::Entry& entry : args[0].dict().entries) {
    if (entry.second.is(Kind::kNone) || entry.second.is(Kind::kUndefined)) continue;
    if (!entry.first.is(Kind::kString)) Raise(Fault::kType, "attribute names must be text");
    if (entry.first.str().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      Raise(Fault::kValue, "Invalid character in attribute name: " + Repr(entry.first));
    }
    if (!out.empty()) out += " ";
    out += Escape(entry.first).str() + "=\"" + Escape(entry.second).str() + "\"";
  }
  if (args.Flag(1, true) && !out.empty()) out = " " + out;
  return Value::String(std::move(out));
}

std::string Unquote(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"},  {"&gt;", ">"},          {"&quot;", "\""}, {"&#34;", "\""},
      {"&#39;", "'"}, {"&nbsp;", "\xc2\xa0"}, {"&amp;", "&"}};
  for (const auto& [entity, letter] : kEntities) text = Replace(text, entity, letter, -1);
  return text;
}

void RemoveBetween(std::string_view open, std::string_view close, std::string* text) {
  for (size_t start = text->find(open); start != std::string::npos;
       start = text->find(open, start)) {
    const size_t end = text->find(close, start);
    if (end == std::string::npos) return;
    text->erase(start, end + close.size() - start);
  }
}

Value StripTags(const Arguments& arguments) {
  const Bound args("striptags", {"value"}, 1, arguments);
  std::string text = Str(args[0]);
  RemoveBetween("<!--", "-->", &text);
  RemoveBetween("<", ">", &text);
  std::string out;
  for (const std::string& word : Split(text, Value(), -1)) out += (out.empty() ? "" : " ") + word;
  return Value::String(Unquote(std::move(out)));
}

Value Urlize(const Arguments&) {
  Raise(Fault::kRuntime, "the filter 'urlize' is not supported in chat templates");
}

}  // namespace

const std::vector<NamedFilter>& MarkupFilters() {
  static const std::vector<NamedFilter> filters = {
      {"e", EscapeFilter}, {"escape", EscapeFilter},   {"forceescape", ForceEscape},
      {"safe", Safe},      {"striptags", StripTags},   {"urlencode", UrlEncode},
      {"urlize", Urlize},  {"xmlattr", XmlAttributes},
  };
  return filters;
}

}  // namespace quire::jinja
