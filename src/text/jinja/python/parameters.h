// text/jinja/python/parameters.h -- binds what a call passes to what a function takes, as Python
// does.
//
//   const Bound args("indent", {"s", "width", "first", "blank"}, 1, arguments);
//   args.Integer(1, 4)
//
// Errors  TypeError: too many, missing, unknown or repeated arguments.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

class Bound {
 public:
  // The first `required` of `names` must be given.
  Bound(std::string_view function, std::initializer_list<std::string_view> names, size_t required,
        const Arguments& arguments);

  size_t size() const { return values_.size(); }
  bool given(size_t i) const { return !values_[i].is(Kind::kMissing); }
  const Value& operator[](size_t i) const { return values_[i]; }  // kMissing unless given
  Value Or(size_t i, Value otherwise) const { return given(i) ? values_[i] : otherwise; }
  bool Flag(size_t i, bool otherwise) const;   // truth of it
  Int Integer(size_t i, Int otherwise) const;  // TypeError unless an integer
  const std::string& String(size_t i) const;   // TypeError unless a string

 private:
  std::vector<Value> values_;
};

}  // namespace quire::jinja
