// kernels/isa_tables.h -- declares one constant table of functions per instruction set.
//
// For x_table.h headers, which x_isa.cc (compiled once per set) and x.cc share; dispatch.h tells
// how. No standard headers, because *_isa.cc files include this.
#pragma once

// In namespace quire: declares quire::<set>::name for every set.
#define QUIRE_ISA_TABLES(Table, name) \
  namespace portable {                \
  extern const Table name;            \
  }                                   \
  namespace avx2 {                    \
  extern const Table name;            \
  }                                   \
  namespace avxvnni {                 \
  extern const Table name;            \
  }                                   \
  namespace avx512 {                  \
  extern const Table name;            \
  }
