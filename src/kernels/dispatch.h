// kernels/dispatch.h -- which instruction set the kernels use.
//
// Chosen once at first use: the best this CPU has, or what QUIRE_ISA=portable|avx2|avxvnni|avx512
// says (an unknown or unavailable value is an error at start). All sets give the same bits.
//
// How a kernel reaches its sets: x_isa.cc, compiled once per set, defines a constant table of
// function pointers, quire::<set>::kXTable; x_table.h declares the struct and, by
// QUIRE_ISA_TABLES(XTable, kXTable), the four constants; x.cc calls
//
//   QUIRE_ISA_PICK(kXTable).function(...)
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

template <typename Table>
const Table& PickTable(const Table& portable, const Table& avx2, const Table& avxvnni,
                       const Table& avx512) {
  switch (CurrentIsa()) {
    case Isa::kPortable:
      return portable;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return avxvnni;
    case Isa::kAvx512:
      break;
  }
  return avx512;
}

}  // namespace quire

#define QUIRE_ISA_PICK(name)                                                               \
  ::quire::PickTable(::quire::portable::name, ::quire::avx2::name, ::quire::avxvnni::name, \
                     ::quire::avx512::name)
