// text/jinja/python/merge_sort.h -- a stable sort that bears any comparison.
//
// Python's order may raise halfway (1 < "a") or contradict itself (NaN); std::stable_sort may be
// given neither. `before` may throw: the items are then in no particular order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace quire::jinja {

template <typename T, typename Before>
void MergeSort(std::vector<T>* items, Before before) {
  std::vector<T> buffer(items->size());
  for (size_t width = 1; width < items->size(); width *= 2) {
    for (size_t begin = 0; begin < items->size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, items->size());
      const size_t end = std::min(begin + 2 * width, items->size());
      size_t left = begin;
      size_t right = middle;
      for (size_t out = begin; out < end; ++out) {
        const bool take_right =
            right < end && (left == middle || before((*items)[right], (*items)[left]));
        buffer[out] = (*items)[take_right ? right++ : left++];
      }
    }
    items->swap(buffer);
  }
}

}  // namespace quire::jinja
