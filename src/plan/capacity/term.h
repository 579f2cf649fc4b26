// plan/capacity/term.h -- a figure and where it comes from.
#pragma once

#include <string>

namespace quire {

struct Term {
  std::string name = {};
  double value = 0;             // of bytes, seconds or tokens a second, as its list says
  std::string arithmetic = {};  // how it was had, with the numbers
};

}  // namespace quire
