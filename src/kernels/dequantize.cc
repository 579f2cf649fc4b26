#include <bit>
#include <cstring>

#include "base/check.h"
#include "kernels/matmul.h"
#include "kernels/quant_block.h"

namespace quire {
namespace {

template <typename Element, typename Widen>
void WidenRow(std::span<const std::byte> row, std::span<float> out, Widen widen) {
  for (size_t i = 0; i < out.size(); ++i) {
    Element x;
    std::memcpy(&x, row.data() + i * sizeof(x), sizeof(x));
    out[i] = widen(x);
  }
}

}  // namespace

void DequantizeRow(TensorType type, std::span<const std::byte> row, std::span<float> out) {
  const TensorTypeInfo& info = Info(type);
  QUIRE_CHECK(out.size() % info.block_values == 0);
  QUIRE_CHECK(row.size() == out.size() / info.block_values * info.block_bytes);
  switch (type) {
    case TensorType::kF32:
      std::memcpy(out.data(), row.data(), row.size());
      return;
    case TensorType::kF16:
      return WidenRow<uint16_t>(row, out, HalfToFloat);
    case TensorType::kBF16:
      return WidenRow<uint16_t>(row, out,
                                [](uint16_t x) { return std::bit_cast<float>(uint32_t{x} << 16); });
    default:
      break;
  }
  for (uint32_t b = 0; b < out.size() / 32; ++b) {
    DequantizeBlock(type, ReadQuantBlock(type, row.data(), b), out.data() + 32 * b);
  }
}

}  // namespace quire
