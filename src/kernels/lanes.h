// kernels/lanes.h -- sixteen lanes at once, with the same results on every instruction set.
//
// For *_isa.cc files only: they are compiled once per set, inside quire::QUIRE_ISA_NAMESPACE, and
// are written over three types: F32x16, I32x16 and U8x64 (64 raw bytes; each function says whether
// it reads them signed). A mask of 16 lanes is Mask16. One lane is one float, int32 or 4 bytes.
//
//   avx512   one register      avx2, avxvnni   two registers      portable   four 16-byte vectors
//
// All sets offer the functions below, bit-identical for every input except the payload of NaNs:
//
//   F32x16   + - * / (operators)   Fma(a,b,c)=a*b+c   Sqrt   Neg   Abs   Round (half to even)
//            Min(a,b) = a<b ? a : b    Max(a,b) = a>b ? a : b         (so b where one is NaN)
//            Less LessEqual Equal -> Mask16         Select(mask, yes, no)
//            LoadF32 StoreF32 LoadF32Partial(p,n) StoreF32Partial(p,x,n)  (n <= 16; rest: 0)
//            LoadF16 StoreF16 (round to nearest even) LoadF16Partial LoadBF16   SplatF32  ZeroF32
//            ReduceAdd ReduceMax: tree over lanes i, i+8; then i, i+4; i, i+2; i, i+1
//   I32x16   + - (operators)  Mul  And Or Xor  ShiftLeft<n> ShiftRight<n> (logical)
//            ShiftRightSigned<n>  ShiftLeftBy(x, n)  Min Max  Less Equal -> Mask16  Select
//            LoadI32 StoreI32 LoadU8 LoadI8 (16 bytes, widened)  SplatI32  Iota (0..15)
//            StoreI8 (low byte of each lane)
//   casts    ToI32 (half to even; |x| < 2^31)  ToF32  BitsOf(F32x16)  FromBits(I32x16)
//   Mask16   And Or Not  Any(mask)  FirstLanes(n)
//   U8x64    LoadBytes StoreBytes  SplatBytes4(p): the 4 bytes at p in every lane
//            LowNibbles HighNibbles  Lookup16(table, nibbles)  SplatTable16  And Or Xor
//            SplatByte
//            LanesOf(U8x64) BytesOf(I32x16): bit casts
//   dots     DotU8S8(acc, u8, s8): acc lane += sum of its 4 products, exact
//            DotSum<bits, offset>: up to 8 dots (4 for 6 bits) of weights below 1 << bits with
//            signed bytes of at least -127, each set in its cheapest exact way; `offset` (always
//            1 << (bits - 1) for more than 4 bits) is subtracted from weights that have one:
//              w = Prepare(u8);  sum = start = Start(sums, log2(offset))
//              sum = Add(sum, w, s8) ...;  lanes = End(sum, start)
//            sums: minus the sum of those signed bytes in the form that the set wants:
//            MinusSums AddSums; IntegerOf IntegersOf (of 16 lanes) give it as a number
//            EvenBytes OddBytes (U8x64): signed bytes 0 and 2 (1 and 3) of each lane as 16 bits
//            DotS16(acc, a, b): acc lane += sum of its 2 products of signed 16 bits, exact
//
// Pointers may be unaligned. No standard headers: their inline functions, compiled for one set,
// could be the copy that the linker keeps for all.
#pragma once

#if !defined(QUIRE_ISA_NAMESPACE)
#error "lanes.h is for *_isa.cc files, which are compiled once per instruction set"
#endif

// Types of weights that share a DotSum share kernels: the bits to instantiate for.
#if defined(QUIRE_ISA_avx2)
#define QUIRE_DOT_BITS(bits, offset) ((bits) == 8 || ((bits) == 5 && !(offset)) ? (bits) : 4)
#else
#define QUIRE_DOT_BITS(bits, offset) 8
#endif

#define QUIRE_INLINE inline __attribute__((always_inline))

#if defined(QUIRE_ISA_avx512)
#include "kernels/lanes_avx512.h"
#elif defined(QUIRE_ISA_avx2) || defined(QUIRE_ISA_avxvnni)
#include "kernels/lanes_avx2.h"
#else
#include "kernels/lanes_portable.h"
#endif
#if defined(QUIRE_ISA_avx2)
#include "kernels/dot_sum_avx2.h"
#else
#include "kernels/dot_sum.h"
#endif
