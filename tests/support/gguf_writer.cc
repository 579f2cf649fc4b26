#include "tests/support/gguf_writer.h"

#include <bit>
#include <fstream>

#include "base/check.h"

namespace quire::test {

void ByteSink::Number(uint64_t value, int num_bytes) {
  for (int i = 0; i < num_bytes; ++i) U8(static_cast<uint8_t>(value >> (8 * i)));
}

void ByteSink::F32(float value) { U32(std::bit_cast<uint32_t>(value)); }

void ByteSink::String(std::string_view text) {
  U64(text.size());
  Append(std::as_bytes(std::span(text)));
}

void GgufWriter::BeginPair(std::string_view key, ValueKind kind) {
  ++num_pairs_;
  pairs_.String(key);
  pairs_.U32(static_cast<uint32_t>(kind));
}

void GgufWriter::BeginArray(std::string_view key, ValueKind element, uint64_t count) {
  BeginPair(key, ValueKind::kArray);
  pairs_.U32(static_cast<uint32_t>(element));
  pairs_.U64(count);
}

void GgufWriter::AddString(std::string_view key, std::string_view value) {
  BeginPair(key, ValueKind::kString);
  pairs_.String(value);
}

void GgufWriter::AddUint(std::string_view key, uint32_t value) {
  BeginPair(key, ValueKind::kUint32);
  pairs_.U32(value);
}

void GgufWriter::AddUint16(std::string_view key, uint16_t value) {
  BeginPair(key, ValueKind::kUint16);
  pairs_.U16(value);
}

void GgufWriter::AddFloat(std::string_view key, float value) {
  BeginPair(key, ValueKind::kFloat32);
  pairs_.F32(value);
}

void GgufWriter::AddBool(std::string_view key, bool value) {
  BeginPair(key, ValueKind::kBool);
  pairs_.U8(value ? 1 : 0);
}

void GgufWriter::AddStrings(std::string_view key, std::span<const std::string> values) {
  BeginArray(key, ValueKind::kString, values.size());
  for (const std::string& value : values) pairs_.String(value);
}

void GgufWriter::AddFloats(std::string_view key, std::span<const float> values) {
  BeginArray(key, ValueKind::kFloat32, values.size());
  for (const float value : values) pairs_.F32(value);
}

void GgufWriter::AddInts(std::string_view key, std::span<const int32_t> values) {
  BeginArray(key, ValueKind::kInt32, values.size());
  for (const int32_t value : values) pairs_.U32(static_cast<uint32_t>(value));
}

void GgufWriter::AddRaw(std::string_view key, uint32_t kind, std::span<const std::byte> raw) {
  BeginPair(key, static_cast<ValueKind>(kind));
  pairs_.Append(raw);
}

std::vector<std::byte> GgufWriter::Finish() const {
  ByteSink file;
  file.Append(std::as_bytes(std::span(header_.magic)));
  file.U32(header_.version);
  file.U64(header_.num_tensors.value_or(tensors_.size()));
  file.U64(header_.num_pairs.value_or(num_pairs_));
  file.Append(pairs_.bytes());

  ByteSink data;
  for (const Tensor& tensor : tensors_) {
    data.AlignTo(header_.alignment);
    file.String(tensor.name);
    file.U32(static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t length : tensor.shape) file.U64(length);
    file.U32(tensor.type_id);
    file.U64(tensor.offset.value_or(data.size()));
    data.Append(tensor.data);
  }
  file.AlignTo(header_.alignment);
  file.Append(data.bytes());
  return file.Take();
}

void WriteBytes(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  QUIRE_CHECK(file.good(), "a test input could not be written");
}

}  // namespace quire::test
