#include "base/spare_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/memory/failing_malloc.h"
#include "tests/memory/spare.h"

namespace quire {
namespace {

using test::FailNth;
using test::KeepSpare;

// One allocation that malloc does not give.
void* Allocate(size_t bytes) {
  FailNth(0);
  void* const memory = ::operator new(bytes);
  EXPECT_TRUE(test::has_failed());
  return memory;
}

TEST(SpareMemory, IsForThreadsThatHaveAPermit) {
  KeepSpare();
  EXPECT_THROW(Allocate(10), std::bad_alloc);
  {
    const SparePermit permit(SpareUse::kAll);
    void* const memory = Allocate(100);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % alignof(std::max_align_t), 0u);
    EXPECT_EQ(SpareMemory::used_bytes(), 128u + 16u);
    std::thread([] { EXPECT_THROW(Allocate(10), std::bad_alloc); }).join();
    const SparePermit none(SpareUse::kNone);
    EXPECT_THROW(Allocate(10), std::bad_alloc);
    ::operator delete(memory);
  }
  EXPECT_THROW(Allocate(10), std::bad_alloc);
  EXPECT_EQ(SpareMemory::used_bytes(), 0u);
}

// Its destructor needs memory, as those of the library of JSON do.
struct Hungry {
  ~Hungry() { ::operator delete(Allocate(1000)); }
};

TEST(SpareMemory, IsForDestructorsWhileAnExceptionIsUnderWay) {
  KeepSpare();
  const auto fail = [] {
    const Hungry hungry;
    throw std::runtime_error("on purpose");
  };
  EXPECT_THROW(fail(), std::runtime_error);
  EXPECT_EQ(SpareMemory::used_bytes(), 0u);
}

TEST(SpareMemory, RequestsLeaveAQuarterOfItToTheServer) {
  KeepSpare();
  std::vector<std::unique_ptr<char[]>> held;
  {
    const SparePermit permit(SpareUse::kRequest);
    held.emplace_back(static_cast<char*>(Allocate(200'000)));
    EXPECT_THROW(for (;;) held.emplace_back(static_cast<char*>(Allocate(30'000))), std::bad_alloc);
  }
  EXPECT_GT(SpareMemory::used_bytes(), test::kSpareBytes / 10 * 7);
  EXPECT_LE(SpareMemory::used_bytes(), test::kSpareBytes / 4 * 3);
  {
    const SparePermit permit(SpareUse::kServer);
    EXPECT_THROW(Allocate(100'000), std::bad_alloc) << "it is of one of those that are served";
    for (int i = 0; i < 3; ++i) held.emplace_back(static_cast<char*>(Allocate(30'000)));
  }
  const SparePermit permit(SpareUse::kAll);
  held.emplace_back(static_cast<char*>(Allocate(100'000)));
  EXPECT_FALSE(SpareMemory::scarce()) << "malloc gives again";
  test::Fail({});
  EXPECT_TRUE(SpareMemory::scarce());
  test::StopFailing();
  held.clear();
  EXPECT_EQ(SpareMemory::used_bytes(), 0u);
}

TEST(SpareMemory, HandsOutNothingTwiceAndTakesAllBack) {
  KeepSpare();
  const SparePermit permit(SpareUse::kAll);
  struct Piece {
    unsigned char* bytes;
    size_t size;
    unsigned char mark;
  };
  std::vector<Piece> pieces;
  std::mt19937 random(5);
  for (int i = 0; i < 200'000; ++i) {
    const size_t size = size_t{1} << random() % 17;
    if (random() % 2 == 0 || pieces.empty()) {
      pieces.reserve(pieces.size() + 1);
      FailNth(0);
      auto* const bytes = static_cast<unsigned char*>(::operator new(size, std::nothrow));
      if (bytes == nullptr) continue;  // all of it is in use
      pieces.push_back({bytes, size, static_cast<unsigned char>(i)});
      std::memset(bytes, static_cast<unsigned char>(i), size);
      continue;
    }
    std::swap(pieces[random() % pieces.size()], pieces.back());
    const Piece piece = pieces.back();
    pieces.pop_back();
    ASSERT_EQ(piece.bytes[0], piece.mark);
    ASSERT_EQ(piece.bytes[piece.size - 1], piece.mark);
    ::operator delete(piece.bytes);
  }
  for (const Piece& piece : pieces) ::operator delete(piece.bytes);
  EXPECT_EQ(SpareMemory::used_bytes(), 0u);
  ::operator delete(Allocate(test::kSpareBytes / 4));  // nothing is left in pieces
}

}  // namespace
}  // namespace quire
