// model/page_size.h -- whether memory lies on pages that can be read at full speed.
//
// On some processors streaming weights from pages of 4 KiB costs a third of the read bandwidth.
#pragma once

#include <cstddef>
#include <span>

namespace quire {

// The share of `bytes`, the whole of one mapping whose pages have been touched, that is mapped in
// huge pages. 1 where the system does not say.
double HugeShare(std::span<const std::byte> bytes);

// The system gives huge pages to memory that asks for them.
bool HugePagesOffered();

}  // namespace quire
