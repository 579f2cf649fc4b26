#include "base/threads.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

// What a limit says is tried on the built binary, tests/cli/test_serve.py.
TEST(Threads, AsManyAsThisMachineLetsHave) {
  EXPECT_TRUE(CheckThreads(0));
  EXPECT_TRUE(CheckThreads(40));
}

}  // namespace
}  // namespace quire
