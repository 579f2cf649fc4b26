#include "text/merge_symbols.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "text/piece_table.h"

namespace quire {
namespace {

// Units are numbered strings; a random set of pairs joins, with random order numbers.
struct Rules {
  std::map<std::pair<std::string, std::string>, uint64_t> orders;
  PieceTable names;

  Merge Find(const std::string& left, const std::string& right) {
    const auto found = orders.find({left, right});
    if (found == orders.end()) return {};
    return {found->second, names.Add(left + right)};
  }
};

std::vector<std::string> Naive(std::vector<std::string> parts, Rules& rules) {
  while (true) {
    size_t best = 0;
    uint64_t order = Merge::kNever;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const uint64_t found = rules.Find(parts[i], parts[i + 1]).order;
      if (found < order) {
        order = found;
        best = i;
      }
    }
    if (order == Merge::kNever) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(Merger, EqualsANaiveLoopForShortAndLongWords) {
  std::mt19937 rng(5);
  Merger merger;
  for (int round = 0; round < 600; ++round) {
    Rules rules;
    std::vector<std::string> pieces = {"a", "b", "c"};
    for (int i = 0; i < 20; ++i) {
      const std::string left = pieces[rng() % pieces.size()];
      const std::string right = pieces[rng() % pieces.size()];
      rules.orders.emplace(std::pair{left, right}, rng() % 12);  // equal orders too
      pieces.push_back(left + right);
    }
    std::string word;
    for (uint32_t n = rng() % (round % 2 ? 200 : 48); n > 0; --n) word += "abc"[rng() % 3];
    merger.symbols.clear();
    std::vector<std::string> parts;
    for (uint32_t i = 0; i < word.size(); ++i) {
      parts.push_back(word.substr(i, 1));
      merger.symbols.push_back({i, 1, rules.names.Add(parts.back())});
    }
    merger.Run([&](const Symbol& left, const Symbol& right) {
      return rules.Find(std::string(rules.names.Text(left.unit)),
                        std::string(rules.names.Text(right.unit)));
    });
    std::vector<std::string> merged;
    for (const Symbol& symbol : merger.symbols) {
      merged.push_back(word.substr(symbol.begin, symbol.size));
      ASSERT_EQ(rules.names.Text(symbol.unit), merged.back());
    }
    ASSERT_EQ(merged, Naive(parts, rules)) << word;
  }
}

TEST(PieceTable, NumbersEachStringOnce) {
  PieceTable table;
  std::map<std::string, uint32_t> want;
  std::mt19937 rng(6);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = std::to_string(rng() % 5000);
    const auto [known, is_new] = want.emplace(text, table.size());
    ASSERT_EQ(table.Find(text), is_new ? PieceTable::kNone : known->second);
    ASSERT_EQ(table.Add(text), known->second);
    ASSERT_EQ(table.Text(known->second), text);
  }
  EXPECT_EQ(table.size(), want.size());
  EXPECT_EQ(table.Find("a string longer than any in it"), PieceTable::kNone);
}

}  // namespace
}  // namespace quire
