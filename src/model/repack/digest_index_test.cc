#include "model/repack/digest_index.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace quire {
namespace {

namespace fs = std::filesystem;

FileIdentity File(uint64_t inode) {
  return {.device = 1, .inode = inode, .size_bytes = 10, .modified_ns = 5, .changed_ns = 6};
}

class DigestIndexTest : public testing::Test {
 protected:
  DigestIndexTest()
      : folder_(fs::path(testing::TempDir()) / ("quire_digests_" + std::to_string(getpid()))),
        index_(DigestIndex::In(folder_)) {
    fs::remove_all(folder_);
  }
  ~DigestIndexTest() override { fs::remove_all(folder_); }

  std::optional<ContentDigest> Find(uint64_t inode) const {
    const FileIdentity file = File(inode);
    return index_.Find({&file, 1});
  }
  Status Remember(uint64_t inode, const ContentDigest& digest) const {
    const FileIdentity file = File(inode);
    return index_.Remember({&file, 1}, digest);
  }
  std::string Bytes() const {
    std::ifstream file(folder_ / "digests", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void SetBytes(const std::string& bytes) const {
    std::ofstream(folder_ / "digests", std::ios::binary) << bytes;
  }

  const fs::path folder_;
  const DigestIndex index_;
};

TEST_F(DigestIndexTest, RemembersReplacesAndForgets) {
  EXPECT_FALSE(Find(1).has_value());
  ASSERT_TRUE(Remember(1, {.high = 1, .low = 2}).has_value());
  ASSERT_TRUE(Remember(2, {.high = 3, .low = 4}).has_value());
  EXPECT_EQ(Find(1), (ContentDigest{.high = 1, .low = 2}));
  ASSERT_TRUE(Remember(1, {.high = 5, .low = 6}).has_value());
  EXPECT_EQ(Find(1), (ContentDigest{.high = 5, .low = 6}));
  EXPECT_EQ(Bytes().size(), 8u + 2 * 40);
  const FileIdentity one = File(1);
  ASSERT_TRUE(index_.Forget({&one, 1}).has_value());
  EXPECT_FALSE(Find(1).has_value());
  EXPECT_EQ(Find(2), (ContentDigest{.high = 3, .low = 4}));
}

TEST_F(DigestIndexTest, AnyDifferenceIsAnotherFile) {
  ASSERT_TRUE(Remember(1, {.high = 1, .low = 2}).has_value());
  for (int field = 0; field < 5; ++field) {
    FileIdentity other = File(1);
    if (field == 0) other.device += 1;
    if (field == 1) other.inode += 1;
    if (field == 2) other.size_bytes += 1;
    if (field == 3) other.modified_ns += 1;
    if (field == 4) other.changed_ns += 1;
    EXPECT_FALSE(index_.Find({&other, 1}).has_value()) << field;
  }
  const FileIdentity parts[] = {File(1), File(2)};
  EXPECT_FALSE(index_.Find(parts).has_value());
  EXPECT_FALSE(index_.Find({}).has_value());
}

TEST_F(DigestIndexTest, ADamagedIndexKnowsLessAndNeverLies) {
  ASSERT_TRUE(Remember(1, {.high = 1, .low = 2}).has_value());
  ASSERT_TRUE(Remember(2, {.high = 3, .low = 4}).has_value());
  const std::string good = Bytes();
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    SetBytes(bytes);
    const auto first = Find(1);
    const auto second = Find(2);
    EXPECT_FALSE(first.has_value() && second.has_value()) << at;
    EXPECT_EQ(first.value_or(ContentDigest{.high = 1, .low = 2}).low, 2u) << at;
    EXPECT_EQ(second.value_or(ContentDigest{.high = 3, .low = 4}).low, 4u) << at;
  }
  for (size_t size = 0; size < good.size(); ++size) {
    SetBytes(good.substr(0, size));
    EXPECT_FALSE(Find(1).has_value()) << size;  // the older one is last
  }
  ASSERT_TRUE(Remember(1, {.high = 7, .low = 8}).has_value());
  EXPECT_EQ(Find(1), (ContentDigest{.high = 7, .low = 8}));
}

TEST_F(DigestIndexTest, TheOldestAreForgottenFirst) {
  for (uint64_t i = 0; i <= DigestIndex::kMaxRemembered; ++i) {
    ASSERT_TRUE(Remember(i, {.high = i, .low = i}).has_value());
  }
  EXPECT_FALSE(Find(0).has_value());
  EXPECT_TRUE(Find(1).has_value());
  EXPECT_EQ(Bytes().size(), 8u + DigestIndex::kMaxRemembered * 40);
}

TEST_F(DigestIndexTest, AnIndexThatCannotBeReadOrWrittenKnowsNothing) {
  fs::create_directories(folder_ / "digests");
  EXPECT_FALSE(Find(1).has_value());
  EXPECT_FALSE(Remember(1, {.high = 1, .low = 2}).has_value());
}

}  // namespace
}  // namespace quire
