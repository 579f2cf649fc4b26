// Filters on text (registry.h: TextFilters).
#include <algorithm>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/format.h"
#include "text/jinja/python/json.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/search.h"
#include "text/jinja/python/unicode.h"
#include "text/jinja/registry.h"
#include "text/jinja/wrap.h"

namespace quire::jinja {
namespace {

// str(value), but Markup stays Markup.
Value Soft(const Value& value) {
  return value.is(Kind::kString) ? value : Value::String(Str(value));
}

Value Like(const Value& text, std::string result) {
  return Value::String(std::move(result), text.text().markup);
}

template <std::string (*kChange)(std::string_view)>
Value Change(const Arguments& arguments) {
  const Bound args("filter", {"s"}, 1, arguments);
  const Value text = Soft(args[0]);
  return Like(text, kChange(text.str()));
}

std::string TitleWords(std::string_view text) {
  std::string out;
  bool start = true;
  std::string word;
  const auto flush = [&] {
    out += ToLower(word);
    word.clear();
  };
  for (const uint32_t c : Decode(text)) {
    const bool breaks = IsSpace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    std::string letter;
    AppendCodePoint(c, &letter);
    if (breaks || start) {
      flush();
      out += breaks ? letter : ToUpper(letter);
    } else {
      word += letter;
    }
    start = breaks;
  }
  flush();
  return out;
}

Value Trim(const Arguments& arguments) {
  const Bound args("trim", {"value", "chars"}, 1, arguments);
  const Value text = Soft(args[0]);
  return Like(text, std::string(Strip(text.str(), args[1], true, true)));
}

Value ReplaceFilter(const Arguments& arguments) {
  const Bound args("replace", {"s", "old", "new", "count"}, 3, arguments);
  const Int count = args.given(3) && !args[3].is(Kind::kNone) ? args.Integer(3, -1) : -1;
  return Value::String(Replace(Str(args[0]), Str(args[1]), Str(args[2]), count));
}

Value StringFilter(const Arguments& arguments) {
  const Bound args("string", {"s"}, 1, arguments);
  return Soft(args[0]);
}

Value Center(const Arguments& arguments) {
  const Bound args("center", {"value", "width"}, 1, arguments);
  Arguments width;
  width.positional.push_back(args.Or(1, Value::Integer(80)));
  return Call(StringMethod(Soft(args[0]), "center"), width);
}

Value Indent(const Arguments& arguments) {
  const Bound args("indent", {"s", "width", "first", "blank"}, 1, arguments);
  std::string indent;
  if (args.given(1) && args[1].is(Kind::kString)) {
    indent = args[1].str();
  } else {
    const Int width = args.Integer(1, 4);
    if (width > 1 << 16) Raise(Fault::kLimit, "the template needs too much memory");
    indent.assign(static_cast<size_t>(std::max<Int>(width, 0)), ' ');
  }
  const Value text = Add(args[0], Value::String("\n"));  // as jinja2: a TypeError unless text
  if (!text.is(Kind::kString)) Raise(Fault::kType, "indent needs text");
  const bool blank = args.Flag(3, false);
  std::string out = args.Flag(2, false) ? indent : "";
  bool first = true;
  for (const std::string& line : SplitLines(text.str(), false)) {
    ChargeBytes(indent.size() + 1);
    if (!first) out += "\n";
    if (!first && (blank || !line.empty())) out += indent;
    out += line;
    first = false;
  }
  return Like(text, std::move(out));
}

Value Truncate(const Arguments& arguments) {
  const Bound args("truncate", {"s", "length", "killwords", "end", "leeway"}, 1, arguments);
  const Int length = args.Integer(1, 255);
  const std::string end = args.given(3) ? args.String(3) : "...";
  const Int leeway = args.given(4) && !args[4].is(Kind::kNone) ? args.Integer(4, 5) : 5;
  const auto end_length = static_cast<Int>(CodePointCount(end));
  if (length < end_length || leeway < 0) Raise(Fault::kValue, "truncate: length is too small");
  if (Length(args[0]) <= length + leeway) return args[0];
  SliceBounds bounds;
  bounds.stop = Value::Integer(length - end_length);
  const Value cut = GetSlice(args[0], bounds);
  if (!cut.is(Kind::kString)) Raise(Fault::kType, "truncate needs text");
  std::string text = cut.str();
  if (!args.Flag(2, false)) text = SplitRight(text, Value::String(" "), 1)[0];
  return Like(cut, text + end);
}

Value WordCount(const Arguments& arguments) {
  const Bound args("wordcount", {"s"}, 1, arguments);
  Int count = 0;
  bool inside = false;
  for (const uint32_t c : Decode(Str(args[0]))) {
    const bool word = IsAlnum(c) || c == '_';
    if (word && !inside) ++count;
    inside = word;
  }
  return Value::Integer(count);
}

Value WordWrap(const Arguments& arguments) {
  const Bound args("wordwrap", {"s", "width", "break_long_words", "wrapstring", "break_on_hyphens"},
                   1, arguments);
  const Int width = args.Integer(1, 79);
  if (width <= 0) Raise(Fault::kValue, "invalid width (must be > 0)");
  const bool own = args.given(3) && !args[3].is(Kind::kNone);
  const std::string newline = own ? args.String(3) : "\n";
  const WrapStyle style{static_cast<size_t>(width), args.Flag(2, true), args.Flag(4, true)};
  std::string out;
  bool first = true;
  for (const std::string& line : SplitLines(args.String(0), false)) {
    if (!first) out += newline;
    first = false;
    const std::vector<std::string> wrapped = WrapLine(line, style);
    for (size_t i = 0; i < wrapped.size(); ++i) out += (i > 0 ? newline : "") + wrapped[i];
  }
  return Value::String(std::move(out));
}

Value Format(const Arguments& arguments) {
  Arguments rest = arguments;
  if (rest.positional.empty()) Raise(Fault::kType, "format needs a value");
  const Value text = Soft(rest.positional[0]);
  rest.positional.erase(rest.positional.begin());
  if (!rest.positional.empty() && !rest.named.empty()) {
    Raise(Fault::kRuntime, "can't handle positional and keyword arguments at the same time");
  }
  if (rest.named.empty()) return FormatPercent(text, Value::Tuple(std::move(rest.positional)));
  auto dict = std::make_shared<Dict>();
  for (const auto& [name, value] : rest.named) dict->Set(Value::String(name), value);
  return FormatPercent(text, Value::Of(std::move(dict)));
}

Value ToJson(const Arguments& arguments) {
  const Bound args("tojson", {"x", "ensure_ascii", "indent", "separators", "sort_keys"}, 1,
                   arguments);
  JsonStyle style;
  style.ensure_ascii = args.Flag(1, false);
  style.sort_keys = args.Flag(4, false);
  if (args.given(2) && !args[2].is(Kind::kNone)) {
    style.multiline = true;
    if (args[2].is(Kind::kString)) {
      style.indent = args[2].str();
    } else {
      const Int width = args.Integer(2, 0);
      if (width > 1 << 16) Raise(Fault::kLimit, "the template needs too much memory");
      style.indent.assign(static_cast<size_t>(std::max<Int>(width, 0)), ' ');
    }
  }
  style.item_separator = style.multiline ? "," : ", ";
  style.key_separator = ": ";
  if (args.given(3) && !args[3].is(Kind::kNone)) {
    const std::vector<Value> separators = Collect(args[3]);
    if (separators.size() != 2 || !separators[0].is(Kind::kString) ||
        !separators[1].is(Kind::kString)) {
      Raise(Fault::kValue, "separators must be two texts");
    }
    style.item_separator = separators[0].str();
    style.key_separator = separators[1].str();
  }
  return Value::String(DumpJson(args[0], style));
}

Value PrettyPrint(const Arguments& arguments) {
  const Bound args("pprint", {"value"}, 1, arguments);
  return Value::String(PrettyRepr(args[0]));
}

}  // namespace

const std::vector<NamedFilter>& TextFilters() {
  static const std::vector<NamedFilter> filters = {
      {"capitalize", Change<ToCapitalized>},
      {"center", Center},
      {"format", Format},
      {"indent", Indent},
      {"lower", Change<ToLower>},
      {"pprint", PrettyPrint},
      {"replace", ReplaceFilter},
      {"string", StringFilter},
      {"title", Change<TitleWords>},
      {"tojson", ToJson},
      {"trim", Trim},
      {"truncate", Truncate},
      {"upper", Change<ToUpper>},
      {"wordcount", WordCount},
      {"wordwrap", WordWrap},
  };
  return filters;
}

}  // namespace quire::jinja
