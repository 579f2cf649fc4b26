#include "text/jinja/attribute_path.h"

#include <algorithm>

#include "text/jinja/python/access.h"
#include "text/jinja/python/search.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {

Value FoldCase(const Value& value) {
  return value.is(Kind::kString) ? Value::String(ToLower(value.str())) : value;
}

AttributePath::AttributePath(const Value& attribute, bool fold_case) : fold_case_(fold_case) {
  if (attribute.is(Kind::kMissing) || attribute.is(Kind::kNone)) return;
  if (!attribute.is(Kind::kString)) {
    parts_.push_back(attribute);
    return;
  }
  for (const std::string& part : Split(attribute.str(), Value::String("."), -1)) {
    const bool number =
        !part.empty() && part.size() < 18 &&
        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    parts_.push_back(number ? Value::Integer(std::stoll(part)) : Value::String(part));
  }
}

Value AttributePath::Get(const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    value = GetItem(value, part);
    const bool use_default = !default_.is(Kind::kMissing) && !default_.is(Kind::kNone);
    if (use_default && value.is(Kind::kUndefined)) value = default_;
  }
  return fold_case_ ? FoldCase(value) : value;
}

}  // namespace quire::jinja
