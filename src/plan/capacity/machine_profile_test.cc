#include "plan/capacity/machine_profile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace quire {
namespace {

MachineProfile Profile() {
  MachineProfile profile;
  profile.machine = {.cpu = "A CPU (family 1)", .isa = "avx2", .threads = 2, .build = "0.1.0/1"};
  profile.measured = "2026-01-02T15:04:05Z";
  profile.peaks = {.dot_ops = 4e11, .fma_ops = 1e11, .read_bytes = 2e10, .disk_read_bytes = 1e9};
  profile.models["0123456789abcdef"] = {
      .name = "a model",
      .measured = "2026-01-02T15:04:05Z",
      .stand_in_layers = 7,
      .decode = {{1, 0.005, 0.001}, {8, 0.009, 0.004}},
      .chunk = {{1, 0.005, 0.001}, {64, 0.05, 0.001}},
      .attention = {{KvFormat::kK16V8, {1e-8, 2e-9}}, {KvFormat::kQ8, {7e-9, 3e-9}}}};
  return profile;
}

TEST(MachineProfile, ComesBackAsItWent) {
  const MachineProfile profile = Profile();
  const auto again = MachineProfile::Parse(profile.Json());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->Json(), profile.Json());
  EXPECT_EQ(again->machine, profile.machine);
  const ModelTimes& times = again->models.at("0123456789abcdef");
  EXPECT_EQ(times.decode[1].rows, 8u);
  EXPECT_EQ(times.decode[1].output, 0.004);
  EXPECT_EQ(times.attention.at(KvFormat::kQ8).chunk, 3e-9);
}

TEST(MachineProfile, IsKeptInAFile) {
  const auto folder = std::filesystem::temp_directory_path() / "quire_profile_test";
  std::filesystem::create_directories(folder);
  const std::string path = ProfilePath(folder.string(), Profile().machine);
  std::filesystem::remove(path);
  EXPECT_EQ(MachineProfile::Load(path).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(Profile().Save(path));
  EXPECT_EQ(MachineProfile::Load(path)->Json(), Profile().Json());
  std::ofstream(path) << "{";
  EXPECT_EQ(MachineProfile::Load(path).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Profile().Save("/dev/null/nowhere").error().code, ErrorCode::kIo);
  std::filesystem::remove_all(folder);
}

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(MachineProfile, WhatIsNotOneIsRefused) {
  const std::string whole = Profile().Json();
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), whole.substr(0, whole.size() / 2),
        Replaced(whole, "\"format\": 1", "\"format\": 2"),
        Replaced(whole, "\"threads\": 2", "\"threads\": 0"),
        Replaced(whole, "\"dot_ops\"", "\"dots\""), Replaced(whole, "\"decode\"", "\"decoded\""),
        Replaced(whole, "0.005", "-0.005"), Replaced(whole, "0.005", "\"fast\""),
        Replaced(whole, "0.005", "1e999"), Replaced(whole, "k16v8", "k16v9") + "x",
        Replaced(whole, " 8,\n", " 1,\n")}) {
    const auto profile = MachineProfile::Parse(text);
    ASSERT_FALSE(profile) << text;
    EXPECT_EQ(profile.error().code, ErrorCode::kCorrupt);
  }
}

TEST(MachineProfile, ManyModelsDoNotGrowItForEver) {
  MachineProfile profile = Profile();
  const ModelTimes times = profile.models.begin()->second;
  for (int i = 0; i < 400; ++i) {
    profile.models[std::to_string(i)] = times;
    profile.models[std::to_string(i)].measured = "2026-01-03T15:04:05Z";
  }
  const auto path = std::filesystem::temp_directory_path() / "quire_profile_many.json";
  ASSERT_TRUE(profile.Save(path));
  const auto kept = MachineProfile::Load(path);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->models.size(), 256u);
  EXPECT_FALSE(kept->models.contains("0123456789abcdef"));  // the oldest
  std::filesystem::remove(path);
}

TEST(MachineProfile, FilesOfOtherThreadsAreOthers) {
  EXPECT_NE(ProfilePath("/d", {.threads = 1}), ProfilePath("/d", {.threads = 2}));
  EXPECT_TRUE(ProfilePath("/d", {.threads = 1}).starts_with("/d/plan-"));
}

}  // namespace
}  // namespace quire
