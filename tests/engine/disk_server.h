// tests/engine/disk_server.h -- a step loop above a disk whose reads end when a test wants, for
// tests.
//
// The model has no arithmetic, as that of fake_model.h, but layers: in each one the KV of a token
// is the token, and logits follow from what all layers hold.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/size.h"
#include "engine/disk/gated_disk.h"
#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"
#include "tests/engine/fake_model.h"
#include "tier/kv_arena.h"

namespace quire::test {

inline constexpr KvShape kAheadShape{
    .layers = 8, .kv_heads = 1, .head_dim = 16, .format = KvFormat::kF16};
inline constexpr uint32_t kAheadBlocks = 32;

// A process with a disk below it.
class DiskServer {
 public:
  DiskServer(const std::string& folder, const std::shared_ptr<Gate>& gate)
      : gate_(gate),
        arena_(KvArena::Create(kAheadShape, kAheadBlocks * kAheadShape.block_bytes()).value()),
        disk_(KvDisk::Open({.folder = folder,
                            .limit_bytes = 256 * kMiB,
                            .scope_secret = std::string(32, 's'),
                            .least_part_bytes = kAheadShape.block_bytes() / 4,
                            .environment = [gate] { return std::make_unique<GatedDisk>(gate); }},
                           arena_.view())
                  .value()),
        tokenizer_(LoadTinyTokenizer()),
        loop(
            {.budget = {},
             .num_blocks = kAheadBlocks,
             .block_bytes = kAheadShape.block_bytes(),
             .model_digest = "fake",
             .kv_format = "f16",
             .scope_secret = std::string(32, 's'),
             .disk = disk_.get(),
             .clock = [this] { return SteadySeconds() + late_seconds_; }},
            *tokenizer_, [this](std::span<const BatchItem> batch) { return Run(batch); },
            metrics_) {
    loop.OnEnd([this](const GenerationRequest&) { reads_at_end = gate_->ended(); });
  }

  std::shared_ptr<EventQueue> Start(GenerationRequest request) {
    auto events = std::make_shared<EventQueue>();
    loop.Start({RequestId{++last_}, std::move(request), events, SteadySeconds()});
    return events;
  }
  Story RunToEnd(GenerationRequest request) {
    const auto events = Start(std::move(request));
    while (loop.Step() || loop.WaitsForDisk()) {
      loop.CheckInvariants();
      if (disk_->num_waiting() == 0) gate_->Open(UINT32_MAX);
    }
    Story story;
    story.Read(*events);
    return story;
  }
  KvDisk& disk() { return *disk_; }

  bool is_late = false;     // layers after the first come only once a step was left
  bool is_in_vain = false;  // waiting for them is
  bool seems_long = false;  // they come at once, but by the clock after a year
  uint32_t left_in_layer = kAheadShape.layers;  // where it was left, or none
  uint32_t reads_at_end = 0;                    // that had ended when the request did

 private:
  // Asked while a layer is waited for.
  bool WaitsInVain() {
    if (seems_long && late_seconds_ == 0) {
      late_seconds_ = 365.0 * 24 * 3600;
      gate_->Open(UINT32_MAX);
    }
    return is_in_vain;
  }
  TokenId& Slot(const BatchItem& item, uint32_t layer, uint32_t p) {
    const KvView& view = arena_.view();
    std::byte* const keys = view.keys(layer, item.table[p / kBlockTokens], 0);
    return reinterpret_cast<TokenId*>(keys)[p % kBlockTokens];
  }

  std::optional<std::span<const float>> Run(std::span<const BatchItem> batch) {
    if (disk_->ahead() && !is_late && !seems_long) gate_->Open(UINT32_MAX);
    std::vector<std::vector<uint64_t>> hashes(batch.size());
    for (uint32_t layer = 0; layer < kAheadShape.layers; ++layer) {
      for (const BatchItem& item : batch) {
        for (uint32_t i = 0; i < item.tokens.size(); ++i) {
          Slot(item, layer, item.first_position + i) = item.tokens[i];
        }
      }
      if (!loop.AwaitLayer(layer, [this] { return WaitsInVain(); })) {
        left_in_layer = layer;
        gate_->Open(UINT32_MAX);
        return std::nullopt;
      }
      for (size_t i = 0; i < batch.size(); ++i) AddLayer(batch[i], layer, hashes[i]);
    }
    logits_.clear();
    for (const auto& rows : hashes) {
      for (const uint64_t hash : rows) {
        logits_.resize(logits_.size() + tokenizer_->vocab_size());
        FakeModel::FillRow(hash, std::span(logits_).last(tokenizer_->vocab_size()));
      }
    }
    return logits_;
  }
  void AddLayer(const BatchItem& item, uint32_t layer, std::vector<uint64_t>& hashes) {
    hashes.resize(item.num_logit_rows, 1);
    const uint32_t end = item.first_position + static_cast<uint32_t>(item.tokens.size());
    for (uint32_t row = 0; row < item.num_logit_rows; ++row) {
      for (uint32_t p = 0; p <= end - item.num_logit_rows + row; ++p) {
        hashes[row] = FakeModel::Extend(hashes[row], Slot(item, layer, p));
      }
    }
  }

  const std::shared_ptr<Gate> gate_;
  double late_seconds_ = 0;
  KvArena arena_;
  std::unique_ptr<KvDisk> disk_;
  std::unique_ptr<Tokenizer> tokenizer_;
  EngineMetrics metrics_;
  std::vector<float> logits_;
  uint64_t last_ = 0;

 public:
  StepLoop loop;
};

}  // namespace quire::test
