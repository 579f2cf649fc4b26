// A model's weights are the same whether they were repacked now or found in the folder, and
// whatever is wrong with the folder.
#include "model/weight_loader.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <semaphore>

#include "model/content_check.h"
#include "model/single_sequence.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

namespace fs = std::filesystem;
using test::TinyModelOptions;

constexpr TensorType kType = TensorType::kQ4_K;

class WeightLoaderTest : public testing::Test {
 protected:
  WeightLoaderTest()
      : base_(fs::path(testing::TempDir()) / ("quire_loader_" + std::to_string(getpid()))),
        gguf_(base_ / "model.gguf"),
        folder_(base_ / "repacked") {
    fs::remove_all(base_);
    fs::create_directories(base_);
    Write(1);
  }
  ~WeightLoaderTest() override { fs::remove_all(base_); }

  void Write(uint64_t seed) { test::WriteTinyModel({.type = kType, .seed = seed}, gguf_); }

  std::unique_ptr<Model> Load(const std::string& folder, uint64_t limit = 1 << 30) {
    auto file = GgufFile::Open(gguf_);
    EXPECT_TRUE(file.has_value()) << file.error().message;
    file_ = std::make_shared<const GgufFile>(*std::move(file));
    auto model = Model::Load(file_, {.repack_folder = folder, .repack_limit_bytes = limit}, pool_);
    EXPECT_TRUE(model.has_value()) << model.error().message;
    return *std::move(model);
  }
  std::unique_ptr<Model> Load() { return Load(folder_); }

  std::vector<float> Logits(const Model& model) {
    const SingleSequence::Options options{
        .limits = {.max_tokens = 16, .max_logit_rows = 1, .max_context = 64}};
    SingleSequence sequence(model, pool_, options);
    const std::vector<TokenId> prompt = {5, 9, 2, 77, 31, 8};
    const auto logits = sequence.Append(prompt);
    return {logits.begin(), logits.end()};
  }
  // The logits of the file as it is now, with nothing kept anywhere.
  std::vector<float> Plain() { return Logits(*Load("")); }

  fs::path Kept() {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() == ".repacked") return entry.path();
    }
    return {};
  }
  static std::string Bytes(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void SetBytes(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  const fs::path base_;
  const fs::path gguf_;
  const fs::path folder_;
  WorkerPool pool_{2};
  std::shared_ptr<const GgufFile> file_;
};

TEST_F(WeightLoaderTest, TheSecondLoadMapsTheSameBits) {
  const auto plain = Plain();
  const auto first = Load();
  EXPECT_EQ(first->load_report().source, WeightSource::kRepacked);
  EXPECT_FALSE(first->load_report().digest_remembered);
  EXPECT_EQ(first->load_report().repack_path, Kept());
  EXPECT_EQ(Logits(*first), plain);
  const auto second = Load();
  EXPECT_NE(second->load_report().source, WeightSource::kRepacked);
  EXPECT_TRUE(second->load_report().digest_remembered);
  EXPECT_EQ(second->load_report().warning, "");
  EXPECT_EQ(second->digest(), first->digest());
  EXPECT_EQ(Logits(*second), plain);
}

TEST_F(WeightLoaderTest, AFileCutAnywhereIsMadeAnew) {
  const auto plain = Plain();
  Load();
  const fs::path kept = Kept();
  const std::string good = Bytes(kept);
  ASSERT_GT(good.size(), 100u * 4096);
  for (size_t size = 0; size < good.size(); size += 4096) {
    fs::resize_file(kept, size);
    const auto model = Load();
    EXPECT_EQ(model->load_report().source, WeightSource::kRepacked) << size;
    EXPECT_NE(model->load_report().warning.find(kept.string()), std::string::npos) << size;
    EXPECT_EQ(Logits(*model), plain) << size;
    ASSERT_EQ(Bytes(kept), good) << size;
  }
}

TEST_F(WeightLoaderTest, AFileWithFlippedBytesIsMadeAnew) {
  const auto plain = Plain();
  Load();
  const fs::path kept = Kept();
  const std::string good = Bytes(kept);
  for (const size_t at :
       {size_t{0}, size_t{9}, size_t{13}, size_t{20}, size_t{35}, size_t{44}, size_t{60},
        size_t{64}, size_t{70}, size_t{4095}, size_t{4096}, good.size() / 2, good.size() - 1}) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    SetBytes(kept, bytes);
    const auto model = Load();
    EXPECT_EQ(model->load_report().source, WeightSource::kRepacked) << at;
    EXPECT_NE(model->load_report().warning, "") << at;
    EXPECT_EQ(Logits(*model), plain) << at;
    ASSERT_EQ(Bytes(kept), good) << at;
  }
}

TEST_F(WeightLoaderTest, AFullDiskIsOneWarning) {
  const auto plain = Plain();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{.rlim_cur = 8192, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  const auto model = Load();
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(model->load_report().warning, "");
  EXPECT_EQ(model->load_report().repack_path, "");
  EXPECT_EQ(Logits(*model), plain);
  EXPECT_EQ(Kept(), "");
  EXPECT_EQ(Load()->load_report().warning, "");
}

TEST_F(WeightLoaderTest, AFolderThatCannotBeIsOneWarning) {
  const auto plain = Plain();
  std::ofstream(base_ / "a file") << "x";
  // Nobody, not even root, can make a folder in the second.
  for (const std::string& folder : {(base_ / "a file").string(), std::string("/proc/quire")}) {
    const auto model = Load(folder);
    EXPECT_NE(model->load_report().warning.find(folder), std::string::npos)
        << model->load_report().warning;
    EXPECT_EQ(Logits(*model), plain);
  }
  EXPECT_NE(Load(folder_, 1000)->load_report().warning, "");
  EXPECT_EQ(Load("")->load_report().warning, "");
}

TEST_F(WeightLoaderTest, AModelReplacedInPlaceIsAnotherModel) {
  const auto before = Logits(*Load());
  const std::string digest = Load()->digest();
  Write(2);  // the same name and size
  const auto model = Load();
  EXPECT_NE(model->digest(), digest);
  EXPECT_EQ(model->load_report().source, WeightSource::kRepacked);
  EXPECT_EQ(model->load_report().warning, "");
  const auto after = Logits(*model);
  EXPECT_NE(after, before);
  EXPECT_EQ(after, Plain());
}

TEST_F(WeightLoaderTest, AnotherModelsFileUnderThisOnesNameIsNotUsed) {
  const fs::path one = Load()->load_report().repack_path;
  Write(2);
  const fs::path two = Load()->load_report().repack_path;
  ASSERT_NE(one, two);
  fs::copy_file(one, two, fs::copy_options::overwrite_existing);
  const auto model = Load();
  EXPECT_NE(model->load_report().warning, "");
  EXPECT_EQ(Logits(*model), Plain());
}

// The index names the digest of another model, whose repacked weights are there and good: the
// check beside other work finds out.
TEST_F(WeightLoaderTest, TheContentCheckFindsALie) {
  const ContentDigest one = Load()->content();
  std::binary_semaphore said{0};
  std::atomic<bool> lied{false};
  {
    const ContentCheck check(file_, {.high = one.high, .low = one.low + 1}, [&] {
      lied.store(true);
      said.release();
    });
    said.acquire();
  }
  EXPECT_TRUE(lied.load());
}

TEST_F(WeightLoaderTest, TheContentCheckIsSilentAboutTheTruth) {
  const ContentDigest one = Load()->content();
  std::atomic<bool> lied{false};
  for (int i = 0; i < 20; ++i) {
    const ContentCheck check(file_, one, [&] { lied.store(true); });
    if (i % 2 == 0) usleep(20000);  // long enough to finish; otherwise it is given up
  }
  EXPECT_FALSE(lied.load());
}

TEST_F(WeightLoaderTest, TheContentCheckHasPatience) {
  const ContentDigest one = Load()->content();
  std::binary_semaphore said{0};
  const ContentCheck soon(
      file_, {.high = one.high, .low = one.low + 1}, [&] { said.release(); },
      std::chrono::milliseconds(1));
  said.acquire();
  std::atomic<bool> lied{false};
  {
    const ContentCheck check(
        file_, {.high = one.high, .low = one.low + 1}, [&] { lied.store(true); },
        std::chrono::hours(1));
  }
  EXPECT_FALSE(lied.load());
}

// A remembered digest that is wrong, and no repacked weights: the file is read and tells the truth.
TEST_F(WeightLoaderTest, WhatIsRepackedIsNeverNamedByMemory) {
  const auto first = Load();
  const std::string digest = first->digest();
  ASSERT_TRUE(DigestIndex::In(folder_).Remember(file_->identities(), {.high = 1, .low = 2}));
  fs::remove(Kept());
  const auto model = Load();
  EXPECT_EQ(model->digest(), digest);
  EXPECT_FALSE(model->load_report().digest_remembered);
  EXPECT_EQ(DigestIndex::In(folder_).Find(file_->identities()), first->content());
}

}  // namespace
}  // namespace quire
