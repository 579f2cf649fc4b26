// fuzz/fuzz_gguf.cc -- any bytes as a GGUF file: refused in one line, or readable to the last byte.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "gguf/gguf_file.h"

namespace quire {
namespace {

// A result that depends on every byte, so that no read is optimised away.
uint64_t Sum(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (const std::byte b : bytes) sum += std::to_integer<uint64_t>(b);
  return sum;
}

uint64_t TouchMetadata(const GgufFile& file) {
  uint64_t sum = 0;
  for (const GgufFile::KeyLine& line : file.DescribeMetadata()) {
    QUIRE_CHECK(file.Has(line.key));
    QUIRE_CHECK(line.value.find('\n') == std::string::npos);
    QUIRE_CHECK(line.value.size() < 1000, "a value is shown in one short line");
    sum += file.GetUint(line.key).value_or(1) + file.GetBool(line.key).value_or(true);
    sum += static_cast<uint64_t>(file.GetInt(line.key).value_or(1));
    sum += file.GetFloat(line.key).has_value() ? 1 : 0;
    sum += Sum(std::as_bytes(std::span(file.GetString(line.key).value_or(""))));
    if (const auto strings = file.GetStrings(line.key)) {
      for (const std::string_view text : *strings) sum += Sum(std::as_bytes(std::span(text)));
    }
    sum += file.GetInts(line.key).has_value() ? 1 : 0;
    sum += file.GetFloats(line.key).has_value() ? 1 : 0;
  }
  return sum;
}

uint64_t TouchTensors(const GgufFile& file, std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    QUIRE_CHECK(file.FindTensor(tensor.name) == &tensor);
    const TensorTypeInfo& type = Info(tensor.type);
    QUIRE_CHECK(tensor.columns() % type.block_values == 0);
    QUIRE_CHECK(tensor.data.size() ==
                tensor.rows() * (tensor.columns() / type.block_values) * type.block_bytes);
    QUIRE_CHECK(tensor.data.data() >= bytes.data());
    QUIRE_CHECK(tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
    sum += Sum(tensor.data);
  }
  return sum;
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = quire::GgufFile::Parse(bytes);
  if (!file) {
    QUIRE_CHECK(!file.error().message.empty());
    QUIRE_CHECK(file.error().message.find('\n') == std::string::npos);
    QUIRE_CHECK(file.error().message.size() < 500, "a refusal is one line");
    return 0;
  }
  volatile uint64_t sum = quire::TouchMetadata(*file) + quire::TouchTensors(*file, bytes);
  static_cast<void>(sum);
  return 0;
}
