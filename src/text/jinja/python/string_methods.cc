// Methods of str (access.h: StringMethod).
#include <algorithm>
#include <map>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/format.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/search.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

using Method = Value (*)(const Value& self, const Arguments& arguments);

// A text of the same kind (plain or Markup) as `self`.
Value Like(const Value& self, std::string text) {
  return Value::String(std::move(text), self.text().markup);
}

Value ListOf(const Value& self, std::vector<std::string> pieces) {
  std::vector<Value> items;
  items.reserve(pieces.size());
  for (std::string& piece : pieces) items.push_back(Like(self, std::move(piece)));
  return Value::List(std::move(items));
}

template <std::string (*kChange)(std::string_view)>
Value Change(const Value& self, const Arguments& arguments) {
  const Bound args("str method", {}, 0, arguments);
  ChargeBytes(self.str().size());
  return Like(self, kChange(self.str()));
}

template <bool (*kIs)(uint32_t), bool kEmptyIs>
Value All(const Value& self, const Arguments& arguments) {
  const Bound args("str method", {}, 0, arguments);
  const std::vector<uint32_t> letters = Decode(self.str());
  if (letters.empty()) return Value::Bool(kEmptyIs);
  return Value::Bool(std::all_of(letters.begin(), letters.end(), kIs));
}

bool IsAscii(uint32_t c) { return c < 0x80; }

// islower and isupper: some letter is cased, and none is of the other case.
template <bool (*kIs)(uint32_t), bool (*kIsOther)(uint32_t)>
Value AllCased(const Value& self, const Arguments& arguments) {
  const Bound args("str method", {}, 0, arguments);
  bool found = false;
  for (const uint32_t c : Decode(self.str())) {
    if (kIsOther(c) || IsTitleCase(c)) return Value::Bool(false);
    found = found || kIs(c);
  }
  return Value::Bool(found);
}

Value IsTitleText(const Value& self, const Arguments&) {
  bool found = false;
  bool inside_word = false;
  for (const uint32_t c : Decode(self.str())) {
    const bool upper = IsUpper(c) || IsTitleCase(c);
    const bool lower = IsLower(c);
    if ((upper && inside_word) || (lower && !inside_word)) return Value::Bool(false);
    inside_word = upper || lower;
    found = found || inside_word;
  }
  return Value::Bool(found);
}

Value IsIdentifier(const Value& self, const Arguments&) {
  const std::vector<uint32_t> letters = Decode(self.str());
  return Value::Bool(!letters.empty() && IsIdentifierStart(letters[0]) &&
                     std::all_of(letters.begin(), letters.end(), IsIdentifierPart));
}

template <bool kLeft, bool kRight>
Value StripMethod(const Value& self, const Arguments& arguments) {
  const Bound args("strip", {"chars"}, 0, arguments);
  return Like(self, std::string(Strip(self.str(), args[0], kLeft, kRight)));
}

template <std::vector<std::string> (*kSplit)(std::string_view, const Value&, Int)>
Value SplitMethod(const Value& self, const Arguments& arguments) {
  const Bound args("split", {"sep", "maxsplit"}, 0, arguments);
  RequireDefined(args[0]);
  return ListOf(self, kSplit(self.str(), args[0], args.Integer(1, -1)));
}

Value SplitLinesMethod(const Value& self, const Arguments& arguments) {
  const Bound args("splitlines", {"keepends"}, 0, arguments);
  return ListOf(self, SplitLines(self.str(), args.Flag(0, false)));
}

// The byte range that optional start and end indices of find() and the like select.
struct Window {
  size_t begin;
  size_t end;
  bool valid;  // start <= end
};

Window Select(const Value& self, const Bound& args) {
  const auto length = static_cast<Int>(self.text().length);
  const auto clamp = [length](const Value& bound, Int otherwise) {
    if (bound.is(Kind::kMissing) || bound.is(Kind::kNone)) return otherwise;
    const Int index = AsIndex(bound);
    return std::clamp<Int>(index < 0 ? index + length : index, 0, length + 1);
  };
  const Int start = clamp(args[1], 0);
  const Int end = std::min(clamp(args[2], length), length);
  return {OffsetOfIndex(self.str(), static_cast<size_t>(start)),
          OffsetOfIndex(self.str(), static_cast<size_t>(end)), start <= end};
}

template <bool kFromRight, bool kMustFind>
Value FindMethod(const Value& self, const Arguments& arguments) {
  const Bound args("find", {"sub", "start", "end"}, 1, arguments);
  const std::string& wanted = args.String(0);
  const Window window = Select(self, args);
  if (window.valid) {
    const std::string_view part =
        std::string_view(self.str()).substr(window.begin, window.end - window.begin);
    const size_t found = kFromRight ? part.rfind(wanted) : part.find(wanted);
    if (found != std::string_view::npos) {
      const std::string_view before = std::string_view(self.str()).substr(0, window.begin + found);
      return Value::Integer(static_cast<Int>(CodePointCount(before)));
    }
  }
  if (kMustFind) Raise(Fault::kValue, "substring not found");
  return Value::Integer(-1);
}

Value CountMethod(const Value& self, const Arguments& arguments) {
  const Bound args("count", {"sub", "start", "end"}, 1, arguments);
  const std::string& wanted = args.String(0);
  const Window window = Select(self, args);
  if (!window.valid) return Value::Integer(0);
  std::string_view part =
      std::string_view(self.str()).substr(window.begin, window.end - window.begin);
  if (wanted.empty()) return Value::Integer(static_cast<Int>(CodePointCount(part)) + 1);
  Int count = 0;
  for (size_t at = part.find(wanted); at != std::string_view::npos;
       at = part.find(wanted, at + wanted.size())) {
    ++count;
  }
  return Value::Integer(count);
}

template <bool kAtStart>
Value AffixMethod(const Value& self, const Arguments& arguments) {
  const Bound args(kAtStart ? "startswith" : "endswith", {"prefix", "start", "end"}, 1, arguments);
  const Window window = Select(self, args);
  std::vector<Value> wanted;
  if (args[0].is(Kind::kTuple)) {
    wanted = args[0].items();
  } else {
    wanted.push_back(args[0]);
  }
  for (const Value& affix : wanted) {
    if (!affix.is(Kind::kString)) {
      Raise(Fault::kType,
            "startswith first arg must be str or a tuple of str, not " + TypeName(affix));
    }
    if (!window.valid) continue;
    const std::string_view part =
        std::string_view(self.str()).substr(window.begin, window.end - window.begin);
    if (kAtStart ? part.starts_with(affix.str()) : part.ends_with(affix.str())) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

Value ReplaceMethod(const Value& self, const Arguments& arguments) {
  const Bound args("replace", {"old", "new", "count"}, 2, arguments);
  const std::string with = self.text().markup ? Escape(args[1]).str() : args.String(1);
  return Like(self, Replace(self.str(), args.String(0), with, args.Integer(2, -1)));
}

Value JoinMethod(const Value& self, const Arguments& arguments) {
  const Bound args("join", {"iterable"}, 1, arguments);
  std::string out;
  size_t index = 0;
  const std::shared_ptr<Iterator> iterator = MakeIterator(args[0]);
  for (Value item; iterator->Next(&item); ++index) {
    if (!item.is(Kind::kString)) {
      Raise(Fault::kType, "sequence item " + std::to_string(index) + ": expected str instance, " +
                              TypeName(item) + " found");
    }
    if (index > 0) out += self.str();
    out += self.text().markup ? Escape(item).str() : item.str();
    ChargeBytes(self.str().size() + item.str().size());
  }
  return Like(self, std::move(out));
}

template <bool kFromRight>
Value PartitionMethod(const Value& self, const Arguments& arguments) {
  const Bound args("partition", {"sep"}, 1, arguments);
  const std::string& by = args.String(0);
  if (by.empty()) Raise(Fault::kValue, "empty separator");
  const std::string& text = self.str();
  const size_t found = kFromRight ? text.rfind(by) : text.find(by);
  if (found == std::string::npos) {
    if (kFromRight) return Value::Tuple({Like(self, ""), Like(self, ""), self});
    return Value::Tuple({self, Like(self, ""), Like(self, "")});
  }
  return Value::Tuple({Like(self, text.substr(0, found)), Like(self, by),
                       Like(self, text.substr(found + by.size()))});
}

template <bool kPrefix>
Value RemoveAffixMethod(const Value& self, const Arguments& arguments) {
  const Bound args("removeprefix", {"affix"}, 1, arguments);
  const std::string& affix = args.String(0);
  std::string text = self.str();
  if (kPrefix && text.starts_with(affix)) text.erase(0, affix.size());
  if (!kPrefix && text.ends_with(affix)) text.resize(text.size() - affix.size());
  return Like(self, std::move(text));
}

FormatSpec Padding(const Bound& args, char align) {
  FormatSpec spec;
  spec.align = align;
  spec.width = args.Integer(0, 0);
  if (spec.width > 1 << 24) Raise(Fault::kLimit, "the template needs too much memory");
  if (args.size() > 1 && args.given(1)) {
    spec.fill = args.String(1);
    if (CodePointCount(spec.fill) != 1) {
      Raise(Fault::kType, "The fill character must be exactly one character long");
    }
  }
  return spec;
}

template <char kAlign>
Value JustifyMethod(const Value& self, const Arguments& arguments) {
  const Bound args("ljust", {"width", "fillchar"}, 1, arguments);
  return Like(self, Pad("", self.str(), Padding(args, kAlign)));
}

// Python's center() puts the odd space on the left when the width is odd.
Value CenterMethod(const Value& self, const Arguments& arguments) {
  const Bound args("center", {"width", "fillchar"}, 1, arguments);
  FormatSpec spec = Padding(args, '>');
  const auto length = static_cast<Int>(self.text().length);
  const Int missing = std::max<Int>(spec.width - length, 0);
  const Int left = missing / 2 + (missing & spec.width & 1);
  const Int width = spec.width;
  spec.width = length + left;
  std::string text = Pad("", self.str(), spec);
  spec.align = '<';
  spec.width = width;
  return Like(self, Pad("", std::move(text), spec));
}

Value ZeroFillMethod(const Value& self, const Arguments& arguments) {
  const Bound args("zfill", {"width"}, 1, arguments);
  FormatSpec spec = Padding(args, '=');
  spec.fill = "0";
  const std::string& text = self.str();
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  return Like(self, Pad(text.substr(0, sign ? 1 : 0), text.substr(sign ? 1 : 0), spec));
}

Value ExpandTabsMethod(const Value& self, const Arguments& arguments) {
  const Bound args("expandtabs", {"tabsize"}, 0, arguments);
  const Int size = args.Integer(0, 8);
  if (size > 1 << 16) Raise(Fault::kLimit, "the template needs too much memory");
  std::string out;
  Int column = 0;
  for (const uint32_t c : Decode(self.str())) {
    if (c == '\t') {
      const Int spaces = size > 0 ? size - column % size : 0;
      ChargeBytes(static_cast<size_t>(spaces));
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      AppendCodePoint(c, &out);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return Like(self, std::move(out));
}

Value FormatMethod(const Value& self, const Arguments& arguments) {
  return Like(self, FormatBraces(self.str(), arguments));
}

Value FormatMapMethod(const Value& self, const Arguments& arguments) {
  const Bound args("format_map", {"mapping"}, 1, arguments);
  if (!args[0].is(Kind::kDict)) Raise(Fault::kType, "format_map() requires a mapping");
  Arguments named;
  for (const Dict::Entry& entry : args[0].dict().entries) {
    if (entry.first.is(Kind::kString)) named.named.emplace_back(entry.first.str(), entry.second);
  }
  return Like(self, FormatBraces(self.str(), named));
}

Value UnsupportedMethod(const Value&, const Arguments&) {
  Raise(Fault::kType, "this string method is not supported in chat templates");
}

const std::map<std::string_view, Method>& Methods() {
  static const std::map<std::string_view, Method> methods = {
      {"capitalize", Change<ToCapitalized>},
      {"casefold", Change<CaseFold>},
      {"center", CenterMethod},
      {"count", CountMethod},
      {"encode", UnsupportedMethod},
      {"endswith", AffixMethod<false>},
      {"expandtabs", ExpandTabsMethod},
      {"find", FindMethod<false, false>},
      {"format", FormatMethod},
      {"format_map", FormatMapMethod},
      {"index", FindMethod<false, true>},
      {"isalnum", All<IsAlnum, false>},
      {"isalpha", All<IsAlpha, false>},
      {"isascii", All<IsAscii, true>},
      {"isdecimal", All<IsDecimal, false>},
      {"isdigit", All<IsDigit, false>},
      {"isidentifier", IsIdentifier},
      {"islower", AllCased<IsLower, IsUpper>},
      {"isnumeric", All<IsNumeric, false>},
      {"isprintable", All<IsPrintable, true>},
      {"isspace", All<IsSpace, false>},
      {"istitle", IsTitleText},
      {"isupper", AllCased<IsUpper, IsLower>},
      {"join", JoinMethod},
      {"ljust", JustifyMethod<'<'>},
      {"lower", Change<ToLower>},
      {"lstrip", StripMethod<true, false>},
      {"maketrans", UnsupportedMethod},
      {"partition", PartitionMethod<false>},
      {"removeprefix", RemoveAffixMethod<true>},
      {"removesuffix", RemoveAffixMethod<false>},
      {"replace", ReplaceMethod},
      {"rfind", FindMethod<true, false>},
      {"rindex", FindMethod<true, true>},
      {"rjust", JustifyMethod<'>'>},
      {"rpartition", PartitionMethod<true>},
      {"rsplit", SplitMethod<SplitRight>},
      {"rstrip", StripMethod<false, true>},
      {"split", SplitMethod<Split>},
      {"splitlines", SplitLinesMethod},
      {"startswith", AffixMethod<true>},
      {"strip", StripMethod<true, true>},
      {"swapcase", Change<SwapCase>},
      {"title", Change<ToTitle>},
      {"translate", UnsupportedMethod},
      {"upper", Change<ToUpper>},
      {"zfill", ZeroFillMethod},
  };
  return methods;
}

}  // namespace

Value StringMethod(const Value& text, std::string_view name) {
  const auto found = Methods().find(name);
  if (found == Methods().end()) return {};
  return NewMethod(std::string(name), text,
                   [method = found->second](const Value& self, Arguments& arguments) {
                     return method(self, arguments);
                   });
}

}  // namespace quire::jinja
