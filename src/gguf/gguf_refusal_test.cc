// What is wrong with a file is said in one line, with the place and the name.

#include <gtest/gtest.h>

#include <functional>

#include "gguf/gguf_file.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/random_weights.h"

namespace quire {
namespace {

using test::ByteSink;
using test::GgufWriter;

constexpr auto kCorrupt = ErrorCode::kCorrupt;
constexpr auto kUnsupported = ErrorCode::kUnsupported;

std::vector<std::byte> Bytes(size_t count) { return std::vector<std::byte>(count); }

struct Case {
  const char* what;
  ErrorCode code;
  std::vector<std::string> mentions;
  std::function<void(GgufWriter&)> spoil;
};

void ExpectRefusals(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    GgufWriter writer;
    writer.AddString("general.architecture", "llama");
    c.spoil(writer);
    const auto bytes = writer.Finish();
    const auto file = GgufFile::Parse(bytes);
    ASSERT_FALSE(file.has_value()) << c.what;
    const Error& error = file.error();
    EXPECT_EQ(error.code, c.code) << c.what << ": " << error.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << c.what;
    EXPECT_LT(error.message.size(), 300u) << error.message;
    for (const std::string& text : c.mentions) {
      EXPECT_NE(error.message.find(text), std::string::npos) << c.what << ": " << error.message;
    }
  }
}

TEST(GgufRefusal, Headers) {
  ExpectRefusals({
      {"text",
       kCorrupt,
       {"offset 0", "not a GGUF file", "'<htm'"},
       [](GgufWriter& w) { w.header().magic = "<htm"; }},
      {"old", kUnsupported, {"before GGUF"}, [](GgufWriter& w) { w.header().magic = "tjgg"; }},
      {"v1", kUnsupported, {"version 1", "2 and 3"}, [](GgufWriter& w) { w.header().version = 1; }},
      {"v4", kUnsupported, {"version 4"}, [](GgufWriter& w) { w.header().version = 4; }},
      {"v0", kUnsupported, {"version 0"}, [](GgufWriter& w) { w.header().version = 0; }},
      {"big-endian",
       kUnsupported,
       {"big-endian", "version 3"},
       [](GgufWriter& w) { w.header().version = 0x03000000; }},
      {"pairs",
       kCorrupt,
       {"18446744073709551615 metadata pairs"},
       [](GgufWriter& w) { w.header().num_pairs = UINT64_MAX; }},
      {"tensors",
       kCorrupt,
       {"9223372036854775808 tensors"},
       [](GgufWriter& w) { w.header().num_tensors = uint64_t{1} << 63; }},
  });
}

void AddArray(GgufWriter& w, uint32_t element, uint64_t count, size_t num_bytes) {
  ByteSink raw;
  raw.U32(element);
  raw.U64(count);
  raw.Append(Bytes(num_bytes));
  w.AddRaw("array", 9, raw.bytes());
}

TEST(GgufRefusal, Metadata) {
  ExpectRefusals({
      {"empty key", kCorrupt, {"offset 69", "is empty"}, [](GgufWriter& w) { w.AddUint("", 1); }},
      {"twice",
       kCorrupt,
       {"'general.architecture' occurs twice"},
       [](GgufWriter& w) { w.AddUint("general.architecture", 1); }},
      {"not UTF-8",
       kCorrupt,
       {"'k\\xff' is not UTF-8"},
       [](GgufWriter& w) { w.AddUint("k\xFF", 1); }},
      {"surrogate", kCorrupt, {"not UTF-8"}, [](GgufWriter& w) { w.AddUint("\xED\xA0\x80", 1); }},
      {"overlong", kCorrupt, {"not UTF-8"}, [](GgufWriter& w) { w.AddUint("\xC0\xAF", 1); }},
      {"kind",
       kCorrupt,
       {"'k' has unknown kind 13"},
       [](GgufWriter& w) { w.AddRaw("k", 13, Bytes(64)); }},
      {"bool",
       kCorrupt,
       {"'k' holds a bool that is 2"},
       [](GgufWriter& w) { w.AddRaw("k", 7, std::vector<std::byte>{std::byte{2}}); }},
      {"long array",
       kCorrupt,
       {"'array' claims 4611686018427387905 values of uint32"},
       [](GgufWriter& w) { AddArray(w, 4, (uint64_t{1} << 62) + 1, 8); }},
      {"strings",
       kCorrupt,
       {"'array' claims 1000000 values of string"},
       [](GgufWriter& w) { AddArray(w, 8, 1000000, 64); }},
      {"element kind",
       kCorrupt,
       {"'array' has unknown kind 77"},
       [](GgufWriter& w) { AddArray(w, 77, 1, 64); }},
      {"long string",
       kCorrupt,
       {"'k'", "bytes needed"},
       [](GgufWriter& w) {
         ByteSink raw;
         raw.U64(UINT64_MAX - 3);
         w.AddRaw("k", 8, raw.bytes());
       }},
  });
}

TEST(GgufRefusal, ArraysThatNestTooDeep) {
  for (const uint32_t depth : {kMaxArrayDepth, kMaxArrayDepth + 1, 100000u}) {
    ByteSink raw;
    for (uint32_t i = 1; i < depth; ++i) {
      raw.U32(9);
      raw.U64(1);
    }
    raw.U32(0);
    raw.U64(3);
    raw.Append(Bytes(3));
    GgufWriter writer;
    writer.AddRaw("deep", 9, raw.bytes());
    const auto bytes = writer.Finish();
    const auto file = GgufFile::Parse(bytes);
    EXPECT_EQ(file.has_value(), depth == kMaxArrayDepth) << depth;
    if (file) {
      EXPECT_EQ(file->DescribeMetadata()[0].value, "[1 array]");
    } else {
      EXPECT_NE(file.error().message.find("'deep' nests arrays deeper than 4"), std::string::npos);
    }
  }
}

TEST(GgufRefusal, Alignment) {
  for (const uint32_t alignment : {0u, 3u, 4u, 24u, 0xFFFFFFFFu}) {
    ExpectRefusals(
        {{"alignment", kCorrupt, {"general.alignment", "power of two"}, [&](GgufWriter& w) {
            w.AddUint("general.alignment", alignment);
          }}});
  }
  ExpectRefusals({{"kind", kCorrupt, {"general.alignment", "integer"}, [](GgufWriter& w) {
                     w.AddString("general.alignment", "32");
                   }}});
}

TEST(GgufRefusal, TensorNamesAndShapes) {
  ExpectRefusals({
      {"no name",
       kCorrupt,
       {"no name"},
       [](GgufWriter& w) { w.AddTensor({"", 0, {8}, Bytes(32)}); }},
      {"not UTF-8",
       kCorrupt,
       {"'\\x80'", "not UTF-8"},
       [](GgufWriter& w) { w.AddTensor({"\x80", 0, {8}, Bytes(32)}); }},
      {"twice",
       kCorrupt,
       {"'t' occurs twice"},
       [](GgufWriter& w) {
         w.AddTensor({"t", 0, {8}, Bytes(32)});
         w.AddTensor({"t", 0, {8}, Bytes(32)});
       }},
      {"no axis",
       kCorrupt,
       {"'t' has 0 axes"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {}, Bytes(32)}); }},
      {"axes",
       kCorrupt,
       {"'t' has 5 axes"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {1, 1, 1, 1, 1}, Bytes(32)}); }},
      {"zero",
       kCorrupt,
       {"'t' has an axis of length 0"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {8, 0}, Bytes(32)}); }},
      {"values overflow",
       kCorrupt,
       {"'t' has a shape that overflows"},
       [](GgufWriter& w) {
         w.AddTensor({"t", 0, {uint64_t{1} << 33, uint64_t{1} << 33}, Bytes(32)});
       }},
      {"bytes overflow",
       kCorrupt,
       {"'t' has a size that overflows"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {uint64_t{1} << 63}, Bytes(32)}); }},
      {"rows",
       kCorrupt,
       {"'t' has rows of 100 values", "256", "Q4_K"},
       [](GgufWriter& w) { w.AddTensor({"t", 12, {100, 256}, Bytes(144 * 100)}); }},
  });
}

TEST(GgufRefusal, TensorTypesAndPlaces) {
  ExpectRefusals({
      {"type",
       kUnsupported,
       {"'t' is stored as IQ2_XXS"},
       [](GgufWriter& w) { w.AddTensor({"t", 16, {256}, Bytes(66)}); }},
      {"no type",
       kUnsupported,
       {"'t' is stored as type 4294967295"},
       [](GgufWriter& w) { w.AddTensor({"t", 0xFFFFFFFF, {256}, Bytes(66)}); }},
      {"offset",
       kCorrupt,
       {"'t' begins at data offset 33", "alignment 32"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {8}, Bytes(128), 33}); }},
      {"outside",
       kCorrupt,
       {"'t' lies beyond the end"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {8}, Bytes(32), uint64_t{1} << 40}); }},
      {"offset wraps",
       kCorrupt,
       {"'t' lies beyond the end"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {16}, Bytes(64), UINT64_MAX - 31}); }},
      {"one byte short",
       kCorrupt,
       {"'t' lies beyond the end", "cut short"},
       [](GgufWriter& w) { w.AddTensor({"t", 0, {8}, Bytes(31)}); }},
      {"overlap",
       kCorrupt,
       {"'u' overlaps tensor 't'"},
       [](GgufWriter& w) {
         w.AddTensor({"u", 0, {8}, Bytes(32), 32});
         w.AddTensor({"t", 0, {16}, Bytes(64), 0});
       }},
      {"same place",
       kCorrupt,
       {"overlaps tensor"},
       [](GgufWriter& w) {
         w.AddTensor({"u", 0, {8}, Bytes(32), 0});
         w.AddTensor({"t", 0, {8}, Bytes(32), 0});
       }},
  });
}

TEST(GgufRefusal, NamesAreShownSafely) {
  ExpectRefusals({{"escape", kCorrupt, {"\\x1b[31m\\x0a", "...'"}, [](GgufWriter& w) {
                     const std::string name = "\x1b[31m\n" + std::string(5000, 'x');
                     w.AddTensor({name, 0, {0}, {}});
                   }}});
}

// Everything a reader of the file would touch.
uint64_t Touch(const GgufFile& file) {
  uint64_t sum = 0;
  for (const auto& line : file.DescribeMetadata()) {
    sum += line.value.size();
    sum += file.GetUint(line.key).value_or(0) + file.GetBool(line.key).value_or(false);
    sum += static_cast<uint64_t>(file.GetInt(line.key).value_or(0));
    sum += file.GetFloat(line.key).has_value() + file.GetString(line.key).value_or("").size();
    for (const auto& text : file.GetStrings(line.key).value_or(std::vector<std::string_view>())) {
      for (const char c : text) sum += static_cast<unsigned char>(c);
    }
    sum += file.GetInts(line.key).has_value() + file.GetFloats(line.key).has_value();
  }
  for (const TensorInfo& tensor : file.tensors()) {
    EXPECT_EQ(file.FindTensor(tensor.name), &tensor);
    for (const std::byte b : tensor.data) sum += std::to_integer<uint64_t>(b);
  }
  return sum;
}

// A small file with every kind of value and several tensors.
std::vector<std::byte> Sample() {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddUint("general.alignment", 32);
  for (uint32_t kind = 0; kind <= 12; ++kind) {
    if (kind == 8 || kind == 9) continue;
    constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    writer.AddRaw("kind" + std::to_string(kind), kind, Bytes(kBytes[kind]));
  }
  writer.AddStrings("strings", std::vector<std::string>{"one", "two", ""});
  writer.AddInts("ints", std::vector<int32_t>{1, 2, 3});
  writer.AddTensor({"norm", 0, {5}, Bytes(20)});
  writer.AddTensor({"matrix", 8, {64, 2}, Bytes(136)});
  writer.AddTensor({"last", 12, {256, 1}, Bytes(144)});
  return writer.Finish();
}

// A copy of its own, so that a sanitizer sees every read beyond the end.
Result<GgufFile> ParseAndTouch(const std::vector<std::byte>& bytes) {
  auto file = GgufFile::Parse(bytes);
  if (file) Touch(*file);
  return file;
}

TEST(GgufHostile, EveryTruncationIsRefused) {
  const auto whole = Sample();
  ASSERT_TRUE(ParseAndTouch(whole).has_value());
  for (size_t length = 0; length < whole.size(); ++length) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    cut.shrink_to_fit();
    const auto file = ParseAndTouch(cut);
    ASSERT_FALSE(file.has_value()) << length;
    ASSERT_EQ(file.error().code, kCorrupt) << length << ": " << file.error().message;
  }
}

TEST(GgufHostile, FlippedBitsNeverCrash) {
  const auto whole = Sample();
  test::Rng rng(20);
  int refused = 0;
  constexpr int kFiles = 20000;
  for (int i = 0; i < kFiles; ++i) {
    auto bytes = whole;
    const uint32_t flips = 1 + rng.Below(4);
    for (uint32_t f = 0; f < flips; ++f) {
      bytes[rng.Below(static_cast<uint32_t>(bytes.size()))] ^= std::byte(1 << rng.Below(8));
    }
    refused += ParseAndTouch(bytes).has_value() ? 0 : 1;
  }
  // Most bits carry meaning that the rest of the file contradicts; values and weights do not.
  EXPECT_GT(refused, kFiles / 4);
  EXPECT_LT(refused, kFiles);
}

TEST(GgufHostile, OverwrittenNumbersNeverCrash) {
  const auto whole = Sample();
  constexpr uint64_t kNasty[] = {0,
                                 1,
                                 9,
                                 0x7F,
                                 0x80000000,
                                 UINT64_MAX,
                                 INT64_MAX,
                                 UINT64_MAX - 31,
                                 uint64_t{1} << 62,
                                 uint64_t{1} << 32};
  for (size_t at = 0; at + 8 <= whole.size(); ++at) {
    for (const uint64_t number : kNasty) {
      auto bytes = whole;
      for (size_t i = 0; i < 8; ++i) bytes[at + i] = std::byte(number >> (8 * i));
      static_cast<void>(ParseAndTouch(bytes));
    }
  }
}

}  // namespace
}  // namespace quire
