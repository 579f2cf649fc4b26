#include "text/text_list.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace quire {
namespace {

TEST(TextList, GivesBackWhatWasAddedUnderItsNumber) {
  std::mt19937 rng(1);
  TextList list;
  std::vector<std::string> model;
  for (int i = 0; i < 5000; ++i) {
    std::string text(rng() % 20, '\0');  // empty ones and zero bytes too
    for (char& byte : text) byte = static_cast<char>(rng());
    list.Add(text);
    model.push_back(text);
    if (i % 1000 == 0) list.ShrinkToFit();
  }
  list.ShrinkToFit();
  ASSERT_EQ(list.size(), model.size());
  for (size_t i = 0; i < model.size(); ++i) EXPECT_EQ(list[i], model[i]);
}

}  // namespace
}  // namespace quire
