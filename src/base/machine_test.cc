#include "base/machine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quire {
namespace {

using Folders = std::vector<std::string>;

TEST(Machine, CgroupLimitsOfEveryAncestorBind) {
  EXPECT_EQ(CgroupFolders("0::/system.slice/quire.service\n"),
            (Folders{"/sys/fs/cgroup/system.slice/quire.service", "/sys/fs/cgroup/system.slice",
                     "/sys/fs/cgroup"}));
  EXPECT_EQ(CgroupFolders("12:cpu:/a\n1:name=systemd:/b\n0::/c\n"),
            (Folders{"/sys/fs/cgroup/c", "/sys/fs/cgroup"}));
  for (const char* text : {"0::/\n", "", "3:memory:/a\n", "0::/"}) {
    EXPECT_EQ(CgroupFolders(text), Folders{"/sys/fs/cgroup"}) << text;
  }
}

TEST(Machine, PagesOfFilesThatNobodyUsesAreKnown) {
  EXPECT_EQ(InactiveFileBytes("anon 5\nfile 700\ninactive_file 300\nactive_file 400\n"), 300u);
  for (const char* text : {"", "anon 5\n", "inactive_file\n", "inactive_file x\n"}) {
    EXPECT_EQ(InactiveFileBytes(text), 0u) << text;
  }
}

TEST(Machine, OffersSomething) {
  EXPECT_GE(UsableCores(), 1u);
  EXPECT_GT(AvailableMemory(), 0u);
  EXPECT_GE(TotalMemory(), AvailableMemory());
}

}  // namespace
}  // namespace quire
