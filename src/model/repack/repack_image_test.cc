#include "model/repack/repack_image.h"

#include <gtest/gtest.h>

#include <vector>

namespace quire {
namespace {

constexpr char kDigest[] = "00112233445566778899aabbccddeeff";

RepackKey KeyFor(uint64_t data_bytes) {
  return {.digest = kDigest, .layout_version = 3, .plan_hash = 77, .data_bytes = data_bytes};
}

class RepackImageTest : public testing::Test {
 protected:
  std::vector<std::byte> Sealed(const RepackKey& key) {
    std::vector<std::byte> image(RepackImageBytes(key.data_bytes));
    for (size_t i = RepackDataOffset(key.data_bytes); i < image.size(); ++i) {
      image[i] = static_cast<std::byte>(i * 2654435761u >> 24);
    }
    SealRepackImage(key, image, pool_);
    return image;
  }
  bool Good(const RepackKey& key, std::span<const std::byte> image) {
    return CheckRepackImage(key, image, pool_).has_value();
  }
  WorkerPool pool_{2};
};

TEST_F(RepackImageTest, ASealedImageIsGoodWhateverItsSize) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{64}, uint64_t{kSectionBytes},
                              uint64_t{kSectionBytes + 64}, uint64_t{3 * kSectionBytes - 64}}) {
    const RepackKey key = KeyFor(size);
    EXPECT_EQ(RepackDataOffset(size) % 4096, 0u);
    EXPECT_TRUE(Good(key, Sealed(key))) << size;
  }
}

// The byte table of docs/formats.md.
TEST_F(RepackImageTest, TheHeaderLiesAsDocumented) {
  const RepackKey key = KeyFor(kSectionBytes + 64);
  const auto image = Sealed(key);
  const auto number = [&](size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(image[at + i]);
    return value;
  };
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(image.data()), 8), "QUIREPAK");
  EXPECT_EQ(number(8, 4), 1u);
  EXPECT_EQ(number(12, 4), 3u);
  EXPECT_EQ(number(16, 4), 0x33221100u);
  EXPECT_EQ(number(28, 4), 0xffeeddccu);
  EXPECT_EQ(number(32, 8), 77u);
  EXPECT_EQ(number(40, 8), kSectionBytes + 64);
  EXPECT_EQ(number(48, 4), kSectionBytes);
  EXPECT_EQ(key.FileName(), std::string(kDigest) + "-v3.repacked");
}

TEST_F(RepackImageTest, AnyFlippedBitIsSeen) {
  const RepackKey key = KeyFor(2 * kSectionBytes + 4096);
  auto image = Sealed(key);
  std::vector<size_t> places;
  for (size_t i = 0; i < RepackDataOffset(key.data_bytes); i += 3) places.push_back(i);
  for (size_t i = 0; i < 64; ++i) places.push_back(image.size() - 1 - i * (image.size() / 65));
  for (const size_t at : places) {
    image[at] ^= std::byte{0x10};
    EXPECT_FALSE(Good(key, image)) << at;
    image[at] ^= std::byte{0x10};
  }
  EXPECT_TRUE(Good(key, image));
}

TEST_F(RepackImageTest, AnyOtherLengthIsSeen) {
  const RepackKey key = KeyFor(kSectionBytes + 8192);
  auto image = Sealed(key);
  for (size_t size = 0; size < image.size(); size += 4096) {
    EXPECT_FALSE(Good(key, std::span(image).first(size))) << size;
  }
  image.resize(image.size() + 64);
  EXPECT_FALSE(Good(key, image));
}

TEST_F(RepackImageTest, ItIsGoodForNoOtherKey) {
  const RepackKey key = KeyFor(4096);
  const auto image = Sealed(key);
  RepackKey other = key;
  other.digest[31] = 'e';
  EXPECT_FALSE(Good(other, image));
  other = key;
  other.layout_version = 4;
  EXPECT_FALSE(Good(other, image));
  other = key;
  other.plan_hash = 78;
  EXPECT_FALSE(Good(other, image));
  other = key;
  other.data_bytes = 4096 - 64;
  EXPECT_FALSE(Good(other, std::span(image).first(image.size() - 64)));
}

}  // namespace
}  // namespace quire
