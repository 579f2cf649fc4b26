#include "base/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace quire {
namespace {

std::string TempPath(std::string_view name) {
  return (std::filesystem::path(testing::TempDir()) / ("quire_mapped_" + std::string(name)))
      .string();
}

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::string_view Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheWholeFileAlsoAfterAMove) {
  const std::string path = TempPath("whole");
  WriteFile(path, "a quire of pages");
  MappedFile file = MappedFile::Open(path).value();
  const std::byte* address = file.bytes().data();
  MappedFile moved = std::move(file);
  EXPECT_EQ(Text(moved), "a quire of pages");
  EXPECT_EQ(moved.bytes().data(), address);

  WriteFile(TempPath("other"), "other");
  MappedFile other = MappedFile::Open(TempPath("other")).value();
  other = std::move(moved);
  EXPECT_EQ(Text(other), "a quire of pages");
  EXPECT_EQ(other.identity(), MappedFile::Open(path)->identity());
}

TEST(MappedFile, ItsIdentityFollowsTheFileAndItsTimes) {
  const std::string path = TempPath("identity");
  WriteFile(path, "one");
  const FileIdentity first = MappedFile::Open(path)->identity();
  EXPECT_EQ(first.size_bytes, 3u);
  EXPECT_EQ(MappedFile::Open(path)->identity(), first);

  // Forging the time of the contents shows in the time of the inode.
  timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 1000, .tv_nsec = 5}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const FileIdentity touched = MappedFile::Open(path)->identity();
  EXPECT_EQ(touched.modified_ns, 1000'000'000'005);
  EXPECT_NE(touched, first);

  std::filesystem::copy_file(path, TempPath("copy"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_NE(MappedFile::Open(TempPath("copy"))->identity().inode, first.inode);
}

TEST(MappedFile, AnEmptyFileIsEmpty) {
  WriteFile(TempPath("empty"), "");
  EXPECT_TRUE(MappedFile::Open(TempPath("empty")).value().bytes().empty());
}

TEST(MappedFile, SurvivesItsNameButNotAWrongOne) {
  WriteFile(TempPath("gone"), "still here");
  const MappedFile file = MappedFile::Open(TempPath("gone")).value();
  std::filesystem::remove(TempPath("gone"));
  EXPECT_EQ(Text(file), "still here");

  const auto missing = MappedFile::Open(TempPath("gone"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find(TempPath("gone")), std::string::npos);
}

TEST(MappedFile, RefusesDirectoriesAndPipesWithoutWaiting) {
  const auto directory = MappedFile::Open(testing::TempDir());
  ASSERT_FALSE(directory.has_value());
  EXPECT_EQ(directory.error().code, ErrorCode::kInvalidArgument);

  const std::string pipe = TempPath("pipe");
  std::filesystem::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto fifo = MappedFile::Open(pipe);
  ASSERT_FALSE(fifo.has_value());
  EXPECT_EQ(fifo.error().code, ErrorCode::kInvalidArgument);
  std::filesystem::remove(pipe);
}

}  // namespace
}  // namespace quire
