#include "model/repack/repack_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "model/repack/file_writer.h"

namespace quire {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr uint64_t kDataBytes = 60 * 4096;
constexpr uint64_t kFileBytes = kDataBytes + 4096;

// Files may not grow beyond this while it lives: what a full disk looks like.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

class RepackFolderTest : public testing::Test {
 protected:
  RepackFolderTest()
      : path_(fs::path(testing::TempDir()) /
              ("quire_repack_" + std::to_string(getpid()) + "_" +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(path_);
  }
  ~RepackFolderTest() override { fs::remove_all(path_); }

  static RepackKey KeyOf(char letter) {
    return {.digest = std::string(32, letter), .layout_version = 1, .data_bytes = kDataBytes};
  }
  std::vector<std::byte> Image(const RepackKey& key) {
    std::vector<std::byte> image(RepackImageBytes(key.data_bytes), std::byte{7});
    SealRepackImage(key, image, pool_);
    return image;
  }
  Status Add(const RepackFolder& folder, char letter) {
    const RepackKey key = KeyOf(letter);
    return folder.Add(key, Image(key), nullptr);
  }
  bool Has(const RepackFolder& folder, char letter) {
    return folder.Open(KeyOf(letter), pool_).has_value();
  }
  void UsedAgo(const RepackFolder& folder, char letter, std::chrono::minutes ago) {
    fs::last_write_time(folder.PathOf(KeyOf(letter)), fs::file_time_type::clock::now() - ago);
  }
  size_t NumEntries() {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

  const fs::path path_;
  WorkerPool pool_{2};
};

TEST_F(RepackFolderTest, GivesBackWhatWasAdded) {
  const RepackFolder folder(path_ / "made" / "on the way", 1 << 30);
  EXPECT_EQ(folder.Open(KeyOf('a'), pool_).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(Add(folder, 'a').has_value());
  const auto file = folder.Open(KeyOf('a'), pool_);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_TRUE(std::ranges::equal(file->bytes(), Image(KeyOf('a'))));
  EXPECT_EQ(folder.usage().files, 1u);
  EXPECT_EQ(folder.usage().bytes, kFileBytes);
  EXPECT_FALSE(Has(folder, 'b'));
}

TEST_F(RepackFolderTest, WhatWasUnusedForLongestMakesRoom) {
  const RepackFolder folder(path_, 3 * kFileBytes);
  for (const char letter : {'a', 'b', 'c'}) ASSERT_TRUE(Add(folder, letter).has_value());
  UsedAgo(folder, 'a', 30min);
  UsedAgo(folder, 'b', 20min);
  UsedAgo(folder, 'c', 10min);
  EXPECT_TRUE(Has(folder, 'a'));  // opening is using
  ASSERT_TRUE(Add(folder, 'd').has_value());
  EXPECT_TRUE(Has(folder, 'a'));
  EXPECT_FALSE(Has(folder, 'b'));
  EXPECT_TRUE(Has(folder, 'c'));
  EXPECT_TRUE(Has(folder, 'd'));
  EXPECT_EQ(folder.usage().bytes, 3 * kFileBytes);
}

TEST_F(RepackFolderTest, ReplacingAFileCostsNoOther) {
  const RepackFolder folder(path_, 2 * kFileBytes);
  ASSERT_TRUE(Add(folder, 'a').has_value());
  ASSERT_TRUE(Add(folder, 'b').has_value());
  ASSERT_TRUE(Add(folder, 'b').has_value());
  EXPECT_TRUE(Has(folder, 'a'));
  EXPECT_TRUE(Has(folder, 'b'));
}

TEST_F(RepackFolderTest, MoreThanTheLimitIsRefusedAndCostsNothing) {
  ASSERT_TRUE(Add(RepackFolder(path_, kFileBytes), 'a').has_value());
  const RepackFolder folder(path_, kFileBytes - 1);
  EXPECT_EQ(Add(folder, 'b').error().code, ErrorCode::kNeverFits);
  EXPECT_TRUE(Has(folder, 'a'));
}

TEST_F(RepackFolderTest, ADeletedFileStaysReadableToWhoMappedIt) {
  const RepackFolder folder(path_, kFileBytes);
  ASSERT_TRUE(Add(folder, 'a').has_value());
  const auto file = folder.Open(KeyOf('a'), pool_);
  ASSERT_TRUE(Add(folder, 'b').has_value());
  EXPECT_FALSE(Has(folder, 'a'));
  EXPECT_TRUE(CheckRepackImage(KeyOf('a'), file->bytes(), pool_).has_value());
}

TEST_F(RepackFolderTest, AFullDiskIsAnErrorThatLeavesNothingBehind) {
  const RepackFolder folder(path_, 1 << 30);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{4096}, rlim_t{kFileBytes - 1}}) {
    const FileSizeLimit full(limit);
    const Status added = Add(folder, 'a');
    ASSERT_FALSE(added.has_value()) << limit;
    EXPECT_EQ(added.error().code, ErrorCode::kIo);
    EXPECT_NE(added.error().message.find(folder.PathOf(KeyOf('a'))), std::string::npos);
    EXPECT_EQ(NumEntries(), 0u);
  }
  EXPECT_TRUE(Add(folder, 'a').has_value());
}

TEST_F(RepackFolderTest, AFullDiskKeepsTheFileThatWasThere) {
  const RepackFolder folder(path_, 1 << 30);
  ASSERT_TRUE(Add(folder, 'a').has_value());
  const FileSizeLimit full(4096);
  EXPECT_FALSE(Add(folder, 'a').has_value());
  EXPECT_TRUE(Has(folder, 'a'));
}

TEST_F(RepackFolderTest, AFileWhereTheFolderShouldBeIsAnError) {
  std::ofstream(path_) << "a file";
  const RepackFolder folder(path_, 1 << 30);
  EXPECT_EQ(folder.Open(KeyOf('a'), pool_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Add(folder, 'a').error().code, ErrorCode::kIo);
  EXPECT_EQ(folder.usage().files, 0u);
}

TEST_F(RepackFolderTest, AFolderWhereTheFileShouldBeIsAnError) {
  const RepackFolder folder(path_, 1 << 30);
  fs::create_directories(folder.PathOf(KeyOf('a')));
  EXPECT_FALSE(Has(folder, 'a'));
  EXPECT_EQ(Add(folder, 'a').error().code, ErrorCode::kIo);
  EXPECT_EQ(NumEntries(), 1u);
}

TEST_F(RepackFolderTest, TwoWritersAtOnceLeaveOneGoodFile) {
  const RepackFolder folder(path_, 1 << 30);
  const auto image = Image(KeyOf('a'));
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int round = 0; round < 25; ++round) {
        EXPECT_TRUE(folder.Add(KeyOf('a'), image, nullptr).has_value());
      }
    });
  }
  for (int round = 0; round < 50; ++round) {
    const auto file = folder.Open(KeyOf('a'), pool_);
    EXPECT_TRUE(file || file.error().code == ErrorCode::kNotFound) << file.error().message;
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(Has(folder, 'a'));
  EXPECT_EQ(NumEntries(), 1u);
}

TEST_F(RepackFolderTest, LeftoversOfDeadWritersGo) {
  fs::create_directories(path_);
  const auto make = [&](const char* name, std::chrono::minutes ago) {
    std::ofstream(path_ / name) << "half";
    fs::last_write_time(path_ / name, fs::file_time_type::clock::now() - ago);
  };
  make("dead.temporary", 10min);
  make("young.temporary", 0min);
  make("locked.temporary", 10min);
  make("somebody's file", 10min);
  const int fd = open((path_ / "locked.temporary").c_str(), O_RDONLY);
  flock(fd, LOCK_EX);
  RemoveLeftovers(path_);
  close(fd);
  EXPECT_FALSE(fs::exists(path_ / "dead.temporary"));
  EXPECT_EQ(NumEntries(), 3u);
}

TEST_F(RepackFolderTest, TheDefaultFollowsTheEnvironment) {
  const char* before_cache = std::getenv("XDG_CACHE_HOME");
  const std::string cache = before_cache == nullptr ? "" : before_cache;
  const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(RepackFolder::DefaultPath(), "/cache/quire/repacked");
  setenv("XDG_CACHE_HOME", "relative: to be ignored", 1);
  setenv("HOME", "/home/somebody", 1);
  EXPECT_EQ(RepackFolder::DefaultPath(), "/home/somebody/.cache/quire/repacked");
  unsetenv("HOME");
  EXPECT_EQ(RepackFolder::DefaultPath(), "");
  unsetenv("XDG_CACHE_HOME");
  if (before_cache != nullptr) setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  if (!home.empty()) setenv("HOME", home.c_str(), 1);
}

}  // namespace
}  // namespace quire
