// kernels/dispatch.h -- which instruction set the kernels use.
//
// Chosen once at first use: the best this CPU has, or what QUIRE_ISA=portable|avx2|avxvnni|avx512
// says (an unknown or unavailable value is an error at start). All sets give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace quire {

enum class Isa : uint8_t { kPortable, kAvx2, kAvxVnni, kAvx512 };

std::string_view IsaName(Isa isa);
std::span<const Isa> AvailableIsas();  // on this machine, slowest first
Isa CurrentIsa();

// Applies QUIRE_ISA; called by main() before any kernel.
Status SelectIsaFromEnvironment();
// For tests: not while a kernel runs.
void SelectIsa(Isa isa);

}  // namespace quire
