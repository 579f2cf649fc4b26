// tier/ssd/tier_fixture.h -- for tests: a disk tier in a folder of its own, and blocks whose bytes
// follow from their names.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/size.h"
#include "tier/ssd/faulty_disk.h"
#include "tier/ssd/ssd_tier.h"

namespace quire {

inline constexpr uint32_t kTestNoteBytes = 64;

inline BlockShape TestShape() {
  return {.layers = 3,
          .layer_bytes = 1000,
          .note_bytes = kTestNoteBytes,
          .numerics_version = 7,
          .kv_format = {std::byte{'f'}}};
}

inline BlockName TestName(uint32_t chain, uint32_t block) {
  BlockName name;
  name.bytes[0] = std::byte{static_cast<uint8_t>(block)};
  name.bytes[1] = std::byte{static_cast<uint8_t>(block >> 8)};
  name.bytes[8] = std::byte{static_cast<uint8_t>(chain)};
  name.bytes[9] = std::byte{static_cast<uint8_t>(chain >> 8)};
  name.bytes[31] = std::byte{1};
  return name;
}

inline std::byte TestByte(const BlockName& name, uint64_t i) {
  const auto seed =
      static_cast<uint64_t>(name.bytes[0]) * 31 + static_cast<uint64_t>(name.bytes[8]);
  return static_cast<std::byte>((seed + i) * 0x9e37'79b9'7f4a'7c15ULL >> 56);
}

inline BlockOwnerPtr TestOwner(uint8_t tag, uint64_t generation = 1) {
  BlockOwner owner;
  owner.tag.tag[0] = std::byte{tag};
  owner.tag.generation = generation;
  owner.key = std::string(kOwnerKeyBytes, static_cast<char>(tag + generation));
  return std::make_shared<const BlockOwner>(owner);
}

class TierFixture : public testing::Test {
 protected:
  TierFixture() {
    std::string path = testing::TempDir() + "tier.XXXXXX";
    folder = mkdtemp(path.data());
  }
  ~TierFixture() override {
    tier.reset();
    std::filesystem::remove_all(folder);
  }

  Status Open(bool encrypt = true, uint64_t limit = 64 * kMiB) {
    auto opened = SsdTier::Open({.folder = folder,
                                 .limit_bytes = limit,
                                 .floor_bytes = 0,
                                 .shape = TestShape(),
                                 .encrypt = encrypt,
                                 .page_cache = cached_bytes > 0,
                                 .cached_bytes = cached_bytes,
                                 .log = [this](std::string_view line) { lines.emplace_back(line); },
                                 .notify = [this] { Notify(); }},
                                std::make_unique<FaultyDisk>(faults));
    if (!opened) return std::unexpected(opened.error());
    tier = *std::move(opened);
    return {};
  }

  // Offloads blocks [first, first + count) of a chain and waits until they are there, or not.
  bool Write(uint32_t chain, uint32_t first, uint32_t count, const BlockOwnerPtr& owner) {
    auto run = tier->Begin(count);
    if (!run) return false;
    run->owner = owner;
    run->root_tag[0] = std::byte{9};
    if (first > 0) run->parent = TestName(chain, first - 1);
    for (uint32_t i = 0; i < count; ++i) {
      const BlockName name = TestName(chain, first + i);
      run->names.push_back(name);
      run->notes.insert(run->notes.end(), kTestNoteBytes, name.bytes[0]);
      for (uint64_t b = 0; b < TestShape().block_bytes(); ++b) {
        run->buffer.data()[run->blocks_at + i * TestShape().block_bytes() + b] = TestByte(name, b);
      }
    }
    tier->Write(*std::move(run));
    Wait([this] { return !tier->is_writing(); });
    return tier->Contains(TestName(chain, first));
  }

  // Reads up to `count` blocks and checks every bit of what comes back; returns how many did.
  uint32_t Read(uint32_t chain, uint32_t first, uint32_t count, const BlockOwnerPtr& owner) {
    std::vector<BlockName> names;
    for (uint32_t i = 0; i < count; ++i) names.push_back(TestName(chain, first + i));
    const uint32_t asked = tier->Load(++ticket, owner, names);
    uint32_t accounted = 0;
    uint32_t good = 0;
    while (accounted < asked) {
      std::optional<ReadBlocks> blocks;
      Wait([&] { return (blocks = tier->Take()).has_value(); });
      EXPECT_EQ(blocks->ticket, ticket);
      accounted += blocks->asked;
      good += blocks->count;
      Check(*blocks, names);
      tier->GiveBack(*std::move(blocks));
    }
    return good;
  }

  std::string folder;
  uint64_t cached_bytes = 0;  // as SsdTierOptions, of the next Open
  std::shared_ptr<DiskFaults> faults = std::make_shared<DiskFaults>();
  std::unique_ptr<SsdTier> tier;
  std::vector<std::string> lines;
  uint64_t ticket = 0;

 private:
  void Check(const ReadBlocks& blocks, const std::vector<BlockName>& names) {
    for (uint32_t i = 0; i < blocks.count; ++i) {
      const BlockName& name = names.at(blocks.first + i);
      for (uint64_t b = 0; b < TestShape().block_bytes(); ++b) {
        ASSERT_EQ(blocks.blocks[i][b], TestByte(name, b));
      }
      for (uint32_t b = 0; b < kTestNoteBytes; ++b) {
        ASSERT_EQ(blocks.notes[i * kTestNoteBytes + b], name.bytes[0]);
      }
    }
  }
  void Notify() {
    const std::lock_guard lock(mutex_);
    ++news_;
    ready_.notify_all();
  }
  template <typename Ready>
  void Wait(const Ready& ready) {
    for (;;) {
      std::unique_lock lock(mutex_);
      const uint64_t before = news_;
      lock.unlock();  // the tier tells news with its own locks held
      if (ready()) return;
      lock.lock();
      ready_.wait_for(lock, std::chrono::milliseconds(50), [&] { return news_ != before; });
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  uint64_t news_ = 0;
};

}  // namespace quire
