#include "base/cores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/machine.h"

namespace quire {
namespace {

using Cores = std::vector<uint32_t>;

TEST(Cores, OneOfEachPhysicalCoreComesFirst) {
  EXPECT_EQ(SpreadOverCores(Cores{0, 1, 2, 3}, std::vector<std::string>{"a", "a", "b", "b"}),
            (Cores{0, 2, 1, 3}));
  EXPECT_EQ(SpreadOverCores(Cores{0, 1, 2, 3}, std::vector<std::string>{"a", "b", "a", "b"}),
            (Cores{0, 1, 2, 3}));
  EXPECT_EQ(SpreadOverCores(Cores{4, 5, 9}, std::vector<std::string>{"a", "a", "a"}),
            (Cores{4, 5, 9}));
  EXPECT_EQ(SpreadOverCores(Cores{}, std::vector<std::string>{}), Cores{});
}

TEST(Cores, AllowedCoresAreThoseOfTheMaskEachOnce) {
  Cores cores = AllowedCores();
  EXPECT_GE(cores.size(), UsableCores());  // a quota may leave less than the mask
  std::ranges::sort(cores);
  EXPECT_EQ(std::ranges::adjacent_find(cores), cores.end());
}

TEST(Cores, APinnedThreadMayUseThatCoreAlone) {
  for (const uint32_t core : AllowedCores()) {
    std::thread([core] {
      EXPECT_TRUE(PinThread(core));
      EXPECT_EQ(AllowedCores(), Cores{core});
    }).join();
  }
}

TEST(Cores, ACoreThatIsNotThereIsRefusedAndChangesNothing) {
  const Cores before = AllowedCores();
  EXPECT_FALSE(PinThread(1u << 15));
  EXPECT_FALSE(PinThread(1u << 30));
  EXPECT_EQ(AllowedCores(), before);
}

}  // namespace
}  // namespace quire
