#include "tests/law2/golden_hashes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/numerics.h"

namespace quire::test {

namespace {

constexpr const char* kPath = QUIRE_SOURCE_DIR "/tests/golden/logit_hashes.json";

nlohmann::ordered_json ReadAll() {
  std::ifstream file(kPath);
  if (!file) return {{"numerics", kNumericsVersion}, {"hashes", nlohmann::ordered_json::object()}};
  return nlohmann::ordered_json::parse(file);
}

bool Updating() {
  const char* value = std::getenv("QUIRE_UPDATE_GOLDEN");
  return value != nullptr && *value == '1';
}

}  // namespace

void ExpectGoldenHash(const std::string& model, const std::string& prompt,
                      const std::string& hash) {
  nlohmann::ordered_json all = ReadAll();
  if (Updating()) {
    all["numerics"] = kNumericsVersion;
    all["hashes"][model][prompt] = hash;
    std::ofstream(kPath) << all.dump(1) << '\n';
    return;
  }
  ASSERT_EQ(all["numerics"], kNumericsVersion)
      << "write the hashes anew with QUIRE_UPDATE_GOLDEN=1";
  const auto& hashes = all["hashes"];
  ASSERT_TRUE(hashes.contains(model) && hashes[model].contains(prompt))
      << model << " / " << prompt << " has no hash on record; it is " << hash;
  EXPECT_EQ(hashes[model][prompt], hash)
      << model << " / " << prompt << ": this machine or compiler computes other bits";
}

}  // namespace quire::test
