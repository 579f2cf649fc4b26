// text/jinja/attribute_path.h -- the `attribute` argument of filters: "a.b.0", several with commas.
#pragma once

#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

// Follows one path from an item to what a filter looks at.
class AttributePath {
 public:
  // kMissing or None: the item itself. With `fold_case`, text compares without case.
  explicit AttributePath(const Value& attribute, bool fold_case = false);
  Value Get(const Value& item) const;
  void set_default(Value value) { default_ = std::move(value); }  // instead of undefined parts

 private:
  std::vector<Value> parts_;
  bool fold_case_;
  Value default_;
};

// Lower case of text, other values as they are: how filters compare by default.
Value FoldCase(const Value& value);

}  // namespace quire::jinja
