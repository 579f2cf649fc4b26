#include "text/jinja/python/parameters.h"

#include <algorithm>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {

Bound::Bound(std::string_view function, std::initializer_list<std::string_view> names,
             size_t required, const Arguments& arguments) {
  const std::string title = std::string(function) + "()";
  if (arguments.positional.size() > names.size()) {
    Raise(Fault::kType, title + " takes at most " + std::to_string(names.size()) + " arguments (" +
                            std::to_string(arguments.positional.size()) + " given)");
  }
  values_ = arguments.positional;
  values_.resize(names.size());
  for (const auto& [name, value] : arguments.named) {
    const auto* const found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      Raise(Fault::kType, title + " got an unexpected keyword argument '" + name + "'");
    }
    Value& place = values_[static_cast<size_t>(found - names.begin())];
    if (!place.is(Kind::kMissing)) {
      Raise(Fault::kType, title + " got multiple values for argument '" + name + "'");
    }
    place = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!given(i)) {
      Raise(Fault::kType,
            title + " missing required argument '" + std::string(names.begin()[i]) + "'");
    }
  }
}

bool Bound::Flag(size_t i, bool otherwise) const {
  return given(i) ? Truth(values_[i]) : otherwise;
}

Int Bound::Integer(size_t i, Int otherwise) const {
  return given(i) ? AsIndex(values_[i]) : otherwise;
}

const std::string& Bound::String(size_t i) const {
  if (!values_[i].is(Kind::kString)) {
    RequireDefined(values_[i]);
    Raise(Fault::kType, "expected str, not " + TypeName(values_[i]));
  }
  return values_[i].str();
}

}  // namespace quire::jinja
