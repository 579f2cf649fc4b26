// tests/law2/golden_hashes.h -- the logit hashes that every machine, compiler and libc must give.
//
// tests/golden/logit_hashes.json: {"numerics": version, "hashes": {model: {prompt: hash}}}.
// With QUIRE_UPDATE_GOLDEN=1 in the environment the file is written anew instead of compared; do
// that only together with a new kNumericsVersion.
#pragma once

#include <string>

namespace quire::test {

// Fails the test (EXPECT) if the hash of this model and prompt is not the one on record.
void ExpectGoldenHash(const std::string& model, const std::string& prompt, const std::string& hash);

}  // namespace quire::test
