// kernels/ops_table.h -- what ops_isa.cc offers ops.cc, once per instruction set.
//
// No standard headers (isa_tables.h says why). Contracts of the functions: ops.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/isa_tables.h"
#include "kernels/kv_kind.h"

namespace quire {

// One token's place in the KV cache: its block of one layer, as raw addresses.
struct KvPlace {
  char* keys;               // of the first KV head to store
  char* values;             // of the first KV head to store
  size_t key_head_bytes;    // from one KV head to the next
  size_t value_head_bytes;  // likewise
  KvKind key_kind;
  KvKind value_kind;
  uint32_t kv_heads;  // to store
  uint32_t head_dim;
  uint32_t token;  // in the block
};

struct RopeJob {
  const float* cos_sin;
  uint32_t rope_dims;
  uint32_t heads;
  uint32_t head_dim;
};

struct WeighJob {
  const float* x;
  size_t size;
  float max;
  float temperature;
  float floor;
};

struct OpsTable {
  void (*rms_norm)(const float* x, const float* weight, float epsilon, uint32_t size, float* out);
  void (*silu_gate)(const float* gate, const float* up, uint32_t size, float* out);
  void (*gelu_gate)(const float* gate, const float* up, uint32_t size, float* out);
  void (*scale)(float* x, float factor, uint32_t size);
  void (*add)(const float* x, uint32_t size, float* inout);
  void (*rope_adjacent)(const RopeJob& job, float* x);
  void (*rope_halves)(const RopeJob& job, float* x);
  float (*exp)(float x);
  float (*max)(const float* x, size_t size);                  // size > 0
  double (*sum_exp)(const float* x, float max, size_t size);  // sum of exp(x - max)
  void (*weigh_row)(const WeighJob& job, float* out);
  void (*store_kv)(const KvPlace& place, const float* k, const float* v);
};

QUIRE_ISA_TABLES(OpsTable, kOps)

}  // namespace quire
