// The table of the matrix kernels, one per instruction set.
#include "kernels/matmul_kernels.h"
#include "kernels/packed_layout.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

void Multiply(const MatMulJob& job) {
  if (LayoutOf(job.type).unit_blocks == 0) return MultiplyFloat(job);
  if (job.tokens <= kMaxFewTokens) return MultiplyFew(job);
  MultiplyMany(job);
}

}  // namespace

const MatMulTable kMatMulTable = {.quantize = Quantize, .multiply = Multiply};

}  // namespace quire::QUIRE_ISA_NAMESPACE
