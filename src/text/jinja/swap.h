// text/jinja/swap.h -- sets a variable for the length of a scope.
#pragma once

#include <utility>

namespace quire::jinja {

template <typename T>
class Swap {
 public:
  Swap(T* place, T value) : place_(place), outer_(std::exchange(*place, std::move(value))) {}
  ~Swap() { *place_ = std::move(outer_); }
  Swap(const Swap&) = delete;
  Swap& operator=(const Swap&) = delete;

 private:
  T* const place_;
  T outer_;
};

}  // namespace quire::jinja
