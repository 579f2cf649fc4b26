#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "gguf/gguf_file.h"
#include "gguf/gguf_part.h"
#include "tests/support/gguf_writer.h"

namespace quire {
namespace {

using test::GgufWriter;

// What part `index` of `count` holds: one tensor of its own.
struct Part {
  uint16_t no;
  uint16_t count;
  std::string tensor;
};

class Split : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(testing::TempDir()) / (std::string("split_") + info->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(uint32_t index, uint32_t count) const {
    return SiblingPath((directory_ / "m-00001-of-").string() + fmt::format("{:05}.gguf", count),
                       index, count)
        .value();
  }

  void Write(const std::string& path, const Part& part, uint32_t total_tensors) {
    GgufWriter writer;
    if (part.no == 0) writer.AddString("general.architecture", "llama");
    writer.AddUint16("split.no", part.no);
    writer.AddUint16("split.count", part.count);
    writer.AddUint("split.tensors.count", total_tensors);
    writer.AddTensor({part.tensor, 0, {8}, std::vector<std::byte>(32, std::byte(part.no))});
    test::WriteBytes(path, writer.Finish());
  }

  void WriteGood(uint16_t count) {
    for (uint16_t i = 0; i < count; ++i) {
      Write(Path(i, count), {i, count, "t" + std::to_string(i)}, count);
    }
  }

  void ExpectRefusal(const std::string& path, ErrorCode code,
                     const std::vector<std::string>& mentions) {
    const auto file = GgufFile::Open(path);
    ASSERT_FALSE(file.has_value());
    EXPECT_EQ(file.error().code, code) << file.error().message;
    for (const std::string& text : mentions) {
      EXPECT_NE(file.error().message.find(text), std::string::npos) << file.error().message;
    }
  }

  std::filesystem::path directory_;
};

TEST_F(Split, ReadsAsOne) {
  WriteGood(3);
  const auto file = GgufFile::Open(Path(0, 3));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->GetString("general.architecture"), "llama");
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->FindTensor("t2")->data[31], std::byte{2});
  ASSERT_EQ(file->paths().size(), 3u);
  EXPECT_EQ(file->paths()[1], Path(1, 3));
  uint64_t bytes = 0;
  for (const auto& path : file->paths()) bytes += std::filesystem::file_size(path);
  EXPECT_EQ(file->file_bytes(), bytes);
}

TEST_F(Split, AMissingPartIsNamed) {
  WriteGood(4);
  std::filesystem::remove(Path(2, 4));
  ExpectRefusal(Path(0, 4), ErrorCode::kNotFound, {"part 3 of 4", Path(2, 4)});
}

TEST_F(Split, ADamagedPartIsNamed) {
  WriteGood(2);
  std::filesystem::resize_file(Path(1, 2), 100);
  ExpectRefusal(Path(0, 2), ErrorCode::kCorrupt, {"part 2 of 2", Path(1, 2), "offset"});
}

TEST_F(Split, OnlyTheFirstPartOpens) {
  WriteGood(2);
  ExpectRefusal(Path(1, 2), ErrorCode::kInvalidArgument, {"part 2 of 2", "00001-of-00002"});
}

TEST_F(Split, AnotherNameCannotFindTheOthers) {
  WriteGood(2);
  const std::string renamed = (directory_ / "model.gguf").string();
  std::filesystem::rename(Path(0, 2), renamed);
  ExpectRefusal(renamed, ErrorCode::kCorrupt, {renamed, "-00001-of-00002.gguf"});
}

TEST_F(Split, PartsThatLieAboutWhoTheyAreEndTheSearch) {
  // Every name leads to the same first part: a cycle, if parts were believed.
  constexpr uint16_t kCount = 65535;
  Write(Path(0, kCount), {0, kCount, "t"}, kCount);
  for (uint32_t i = 1; i < 5; ++i) {
    std::filesystem::create_symlink(Path(0, kCount), Path(i, kCount));
  }
  ExpectRefusal(Path(0, kCount), ErrorCode::kCorrupt, {"says part 1 of 65535", "name part 2"});

  WriteGood(3);
  Write(Path(1, 3), {1, 4, "t1"}, 3);
  ExpectRefusal(Path(0, 3), ErrorCode::kCorrupt, {"says part 2 of 4", "name part 2 of 3"});
}

TEST_F(Split, CountsAndNamesMustAgree) {
  WriteGood(2);
  Write(Path(0, 2), {0, 2, "t0"}, 7);
  ExpectRefusal(Path(0, 2), ErrorCode::kCorrupt, {"split.tensors.count", "says 7", "hold 2"});
  Write(Path(0, 2), {0, 2, "t1"}, 2);
  ExpectRefusal(Path(0, 2), ErrorCode::kCorrupt, {"'t1' is in two parts"});
  Write(Path(0, 2), {2, 2, "t0"}, 2);
  ExpectRefusal(Path(0, 2), ErrorCode::kCorrupt, {"split.no", "split.count"});
}

TEST_F(Split, OneOfOneIsWhole) {
  Write(Path(0, 1), {0, 1, "t"}, 1);
  EXPECT_TRUE(GgufFile::Open(Path(0, 1)).has_value());
  const std::string renamed = (directory_ / "model.gguf").string();
  std::filesystem::rename(Path(0, 1), renamed);
  EXPECT_TRUE(GgufFile::Open(renamed).has_value());
}

}  // namespace
}  // namespace quire
