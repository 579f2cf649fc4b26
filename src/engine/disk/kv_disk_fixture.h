// engine/disk/kv_disk_fixture.h -- for tests: a server's memory above a disk, without the server.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/size.h"
#include "engine/disk/kv_disk.h"
#include "tier/kv_arena.h"

namespace quire {

inline constexpr KvShape kShape{
    .layers = 2, .kv_heads = 1, .head_dim = 16, .format = KvFormat::kF16};
inline constexpr uint32_t kBlocks = 24;

// A server's memory without the server: what it computes are bytes that follow from the tokens.
class Memory {
 public:
  explicit Memory(const std::string& folder, const std::string& secret = std::string(32, 's'),
                  const KvShape& shape = kShape)
      : Memory({.folder = folder, .limit_bytes = 256 * kMiB, .scope_secret = secret}, shape) {}
  Memory(const KvDiskOptions& options, const KvShape& shape)
      : shape_(shape),
        arena_(KvArena::Create(shape, kBlocks * shape.block_bytes()).value()),
        disk_(KvDisk::Open(options, arena_.view()).value()),
        cache({.capacity_blocks = kBlocks}) {
    disk_->Attach(cache, [this] {
      news_.store(true);
      news_.notify_all();
    });
    disk_->AddOwner(kFirstOwner, "default");
  }
  ~Memory() { cache.CheckInvariants(); }

  KvDisk& disk() { return *disk_; }

  // Until something has come from the disk since it was made.
  void AwaitNews() const { news_.wait(false); }

  // Computes what is missing of the full blocks of `tokens`; returns how many tokens were found.
  uint32_t Serve(const std::vector<TokenId>& tokens, bool goes_below = true) {
    BlockTable table(kFirstOwner, goes_below);
    const BlockNames names(scope);
    const uint32_t found = cache.Match(names, tokens, table);
    Check(tokens, table, found);
    const auto size = static_cast<uint32_t>(tokens.size());
    if (!cache.Grow(table, size, EvictionReason::kPrefill)) {
      cache.Release(table);
      return found;
    }
    for (uint32_t i = found / kBlockTokens; i < table.size(); ++i) {
      for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        std::byte* bytes = arena_.view().keys(layer, Index(table[i]), 0);
        for (size_t b = 0; b < shape_.block_layer_bytes(); ++b) bytes[b] = At(tokens, i, layer, b);
      }
    }
    cache.Commit(names, tokens, size, table);
    cache.Release(table);
    return found;
  }

  // Asks the disk first; returns the tokens that it brought up.
  uint32_t Onboard(const std::vector<TokenId>& tokens, uint64_t id = 1, double rate = 0) {
    if (!Want(tokens, id, rate)) return 0;
    for (;;) {
      now_ += 0.01;
      for (const Onboarder::Ready& ready : disk_->Work(now_, Activity::kWaiting)) {
        EXPECT_EQ(ready.request, RequestId{id});
        loss = ready.loss;
        return ready.tokens;
      }
    }
  }
  bool Want(const std::vector<TokenId>& tokens, uint64_t id, double rate = 0, bool alone = false) {
    const auto wanted = disk_->Want({.request = RequestId{id},
                                     .owner = kFirstOwner,
                                     .names = BlockNames(scope),
                                     .prompt = tokens,
                                     .alone = alone},
                                    rate, now_);
    loss = wanted.loss;
    return wanted.waits;
  }
  // Whether `layer` of the blocks that are found of `tokens` is what it should be.
  void CheckLayer(const std::vector<TokenId>& tokens, uint32_t layer) {
    BlockTable table(kFirstOwner);
    const uint32_t found = cache.Match(BlockNames(scope), tokens, table);
    for (uint32_t i = 0; i < found / kBlockTokens; ++i) CheckLayer(tokens, i, table[i], layer);
    cache.Release(table);
  }
  TierLoss loss;  // of the last that was asked for

  Scope scope{.root = {.bytes = {std::byte{5}}}};

 private:
  static std::byte At(const std::vector<TokenId>& tokens, uint32_t block, uint32_t layer,
                      size_t b) {
    uint64_t sum = layer * 77 + b;
    for (uint32_t i = 0; i < (block + 1) * kBlockTokens && i < tokens.size(); ++i) {
      sum = sum * 31 + static_cast<uint64_t>(tokens[i]);
    }
    return static_cast<std::byte>(sum >> 3);
  }
  void Check(const std::vector<TokenId>& tokens, const BlockTable& table, uint32_t found) {
    for (uint32_t i = 0; i < found / kBlockTokens; ++i) {
      for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        CheckLayer(tokens, i, table[i], layer);
      }
    }
  }
  void CheckLayer(const std::vector<TokenId>& tokens, uint32_t i, BlockId block, uint32_t layer) {
    const std::byte* bytes = arena_.view().keys(layer, Index(block), 0);
    for (size_t b = 0; b < shape_.block_layer_bytes(); ++b) {
      ASSERT_EQ(bytes[b], At(tokens, i, layer, b)) << "block " << i << ", layer " << layer;
    }
  }

  std::atomic<bool> news_ = false;
  const KvShape shape_;
  KvArena arena_;
  std::unique_ptr<KvDisk> disk_;
  double now_ = 1;

 public:
  KvCache cache;  // gone before the disk, which listens to it
};

inline std::vector<TokenId> Text(uint32_t seed, uint32_t tokens) {
  std::mt19937 random(seed);
  std::vector<TokenId> text(tokens);
  for (TokenId& token : text) token = static_cast<TokenId>(random() % 1000);
  return text;
}

class KvDiskTest : public testing::Test {
 protected:
  KvDiskTest() {
    std::string path = testing::TempDir() + "kv_disk.XXXXXX";
    folder = mkdtemp(path.data());
  }
  ~KvDiskTest() override { std::filesystem::remove_all(folder); }

  void Leave(const std::vector<TokenId>& tokens) {
    Memory memory(folder);
    memory.Serve(tokens);
    memory.disk().Flush();
  }

  std::string folder;
};

}  // namespace quire
