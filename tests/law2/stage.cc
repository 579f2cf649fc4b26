#include "tests/law2/stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "base/check.h"
#include "base/size.h"
#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"
#include "engine/transfer/kv_courier.h"
#include "model/forward.h"
#include "tier/kv_arena.h"

namespace quire::test {

namespace {

constexpr uint32_t kStepTokens = 576;
constexpr uint32_t kOlderPrompt = 30;  // two blocks, and soon a third
constexpr uint32_t kOlderAnswer = 80;
constexpr uint32_t kOtherPrompt = 60;  // at most
constexpr uint32_t kSpareBlocks = 2;   // where memory is tight
constexpr std::string_view kWay = "from stage to stage";

uint32_t BlocksFor(size_t tokens) {
  return static_cast<uint32_t>((tokens + kBlockTokens - 1) / kBlockTokens);
}

// Tight memory holds our request and two blocks more.
uint32_t ArenaBlocks(const std::vector<TokenId>& prompt, const Conditions& conditions) {
  const uint32_t ours = BlocksFor(prompt.size() + kAnswerTokens - 1);
  if (conditions.preempt || conditions.memory == Memory::kPartlyEvicted) {
    return ours + kSpareBlocks;
  }
  return (1 + conditions.choices) * ours +
         (conditions.others + 1) * BlocksFor(kOtherPrompt + kAnswerTokens) + 8;
}

bool IsOnDisk(Memory memory) { return memory == Memory::kDisk || memory == Memory::kPlainDisk; }

class Stage {
 public:
  // `folder`: of the disk, if the conditions want one.
  Stage(const Subject& subject, const std::vector<TokenId>& prompt, const Conditions& conditions,
        const std::string& folder)
      : subject_(subject),
        prompt_(prompt),
        conditions_(conditions),
        pool_(conditions.threads),
        arena_(MakeArena(subject, ArenaBlocks(prompt, conditions))),
        forward_(*subject.model, arena_.view(),
                 {.max_tokens = kStepTokens, .max_logit_rows = 16, .max_context = 2048}, pool_),
        disk_(OpenDisk(folder)),
        loop_(
            LoopOptions(), *subject.tokenizer,
            [this](std::span<const BatchItem> batch) { return RunBatch(batch); }, metrics_),
        random_(conditions.seed) {}

  // Reads the prompt, leaves it on the disk, and is gone.
  void LeaveOnDisk() {
    Finish(Start(Ours()));
    disk_->Flush();
  }

  // Reads the prompt, and hands out its KV.
  std::vector<std::string> Send() {
    Finish(Start(Ours()));
    KvCourier courier(CourierParts());
    const KvChainPtr chain = courier.Chain("default", prompt_);
    std::vector<std::string> parcels;
    for (uint32_t at = 0; at < chain->num_blocks();
         at += 2) {  // small ones, so that there are some
      parcels.push_back(courier.Collect(chain, at, 2, kWay, at % 4 == 0));
    }
    return parcels;
  }

  void Receive(std::vector<std::string> parcels) {
    KvCourier courier(CourierParts());
    const KvChainPtr chain = courier.Chain("default", prompt_);
    for (std::string& parcel : parcels) {
      const auto bytes = std::as_writable_bytes(std::span(parcel.data(), parcel.size()));
      EXPECT_GT(courier.Place(chain, courier.Open(chain, kWay, bytes)).taken, 0u);
    }
  }

  Outcome Play() {
    if (conditions_.memory == Memory::kWarm || conditions_.memory == Memory::kPartlyEvicted) {
      Finish(Start(Ours()));
      if (conditions_.memory == Memory::kPartlyEvicted) EvictAPart();
    }
    if (conditions_.preempt) {
      Start(Ask(Noise(kOlderPrompt), kOlderAnswer));
      for (uint32_t read = 0; read < kOlderPrompt; read += conditions_.chunk) loop_.Step();
    }
    return Ending(Finish(StartAmongOthers()));
  }

 private:
  static KvArena MakeArena(const Subject& subject, uint32_t blocks) {
    const KvShape shape = subject.model->kv_shape(subject.kv_format);
    auto arena = KvArena::Create(shape, blocks * shape.block_bytes());
    QUIRE_CHECK(arena, "a test's arena must fit");
    return std::move(*arena);
  }

  std::unique_ptr<KvDisk> OpenDisk(const std::string& folder) const {
    if (!IsOnDisk(conditions_.memory)) return nullptr;
    auto disk = KvDisk::Open({.folder = folder,
                              .limit_bytes = kGiB,
                              .encrypt = conditions_.memory == Memory::kDisk,
                              .scope_secret = std::string(32, 's'),
                              .least_part_bytes = 1},  // layers come one group after the other
                             arena_.view());
    QUIRE_CHECK(disk, "a test's disk must open");
    return *std::move(disk);
  }

  KvCourier::Parts CourierParts() {
    return {.loop = &loop_,
            .disk = disk_.get(),
            .view = arena_.view(),
            .identity = {},
            .scope_secret = std::string(32, 's'),
            .post = [](const std::function<void()>& task) { task(); }};
  }

  StepLoopOptions LoopOptions() const {
    return {.budget = {.step_tokens = kStepTokens,
                       .step_sequences = 16,
                       .step_logit_rows = 16,
                       .prefill_chunk = conditions_.chunk},
            .queue_limit = 64,
            .num_blocks = arena_.num_blocks(),
            .block_bytes = arena_.view().shape.block_bytes(),
            .prefix_cache = true,
            .target_itl_seconds = conditions_.paced ? 0.002 : 0,
            .model_digest = subject_.model->digest(),
            .kv_format = std::string(KvFormatName(subject_.kv_format)),
            .scope_secret = std::string(32, 's'),
            .disk = disk_.get()};
  }

  std::optional<std::span<const float>> RunBatch(std::span<const BatchItem> batch) {
    for (const BatchItem& item : batch) {
      largest_chunk_ = std::max(largest_chunk_, static_cast<uint32_t>(item.tokens.size()));
    }
    leaves_ = conditions_.left && !leaves_;
    const uint32_t left = random_() % subject_.model->config().layers;
    return forward_.RunUnless(
        [&](uint32_t layer) { return !loop_.AwaitLayer(layer) || (leaves_ && layer == left); },
        batch);
  }

  GenerationRequest Ask(std::vector<TokenId> prompt, uint32_t max_tokens) const {
    GenerationRequest request;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    request.ignore_eos = true;
    request.return_logit_hash = true;
    request.sampling.temperature = 0;
    return request;
  }
  GenerationRequest Ours() const {
    GenerationRequest request = Ask(prompt_, kAnswerTokens);
    request.choices = conditions_.choices;
    if (!conditions_.sampled) return request;
    request.sampling.temperature = 2;
    request.sampling.top_p = 0.98f;
    request.sampling.repetition_penalty = 1.2f;
    request.sampling.presence_penalty = 0.5f;
    request.sampling.frequency_penalty = 0.3f;
    request.sampling.seed = 11;
    return request;
  }

  std::vector<TokenId> Noise(uint32_t length) {
    std::vector<TokenId> tokens(length);
    for (TokenId& token : tokens) {
      token = static_cast<TokenId>(random_() % subject_.tokenizer->vocab_size());
    }
    return tokens;
  }

  // Another's request: half of them begin like ours.
  GenerationRequest Other() {
    std::vector<TokenId> tokens = Noise(1 + random_() % kOtherPrompt);
    if (random_() % 2 == 0) {
      std::copy_n(prompt_.begin(), std::min(tokens.size(), prompt_.size()) / 2, tokens.begin());
    }
    GenerationRequest request = Ask(std::move(tokens), 4 + random_() % 20);
    if (conditions_.strangers && random_() % 2 == 0) {
      request.prompt = prompt_;
      request.cache_salt = "stranger";
    }
    request.sampling.temperature = 1;
    request.sampling.seed = random_();
    return request;
  }

  std::shared_ptr<EventQueue> Start(GenerationRequest request) {
    auto events = std::make_shared<EventQueue>();
    loop_.Start({RequestId{++last_id_}, std::move(request), events, SteadySeconds()});
    return events;
  }

  // Some others are there already, some come while we are being served.
  std::shared_ptr<EventQueue> StartAmongOthers() {
    const bool tight = arena_.num_blocks() < 2 * BlocksFor(prompt_.size());
    const uint32_t before = tight ? 0 : random_() % (conditions_.others + 1);
    for (uint32_t i = 0; i < before; ++i) Start(Other());
    if (before > 0) loop_.Step();
    auto ours = Start(Ours());
    if (tight) loop_.Step();  // short work would pass us and take the room
    for (uint32_t i = before; i < conditions_.others; ++i) {
      for (uint32_t steps = random_() % 3; steps > 0; --steps) loop_.Step();
      Start(Other());
    }
    return ours;
  }

  // A stranger takes what is free and half of our blocks, and leaves nothing behind.
  void EvictAPart() {
    const uint32_t blocks = loop_.stats().free_blocks + BlocksFor(prompt_.size()) / 2;
    GenerationRequest stranger = Ask(Noise(blocks * kBlockTokens), 1);
    stranger.no_store = true;
    const uint64_t evicted = loop_.stats().evicted_blocks;
    Finish(Start(std::move(stranger)));
    EXPECT_GT(loop_.stats().evicted_blocks, evicted) << "nothing was evicted";
  }

  struct Told {
    std::vector<TokenId> tokens;
    std::string hash;
    Receipt receipt;
  };
  Told Finish(const std::shared_ptr<EventQueue>& events) {
    while (loop_.Step() || loop_.WaitsForDisk()) {
    }
    loop_.CheckInvariants();
    Told told;
    std::map<uint32_t, std::string> hashes;
    while (const auto event = events->Pop()) {
      const auto* token = std::get_if<TokenEvent>(&*event);
      if (token != nullptr && token->choice == 0) told.tokens.push_back(token->token);
      const auto* end = std::get_if<ChoiceEndEvent>(&*event);
      if (end != nullptr) hashes[end->choice] = end->logit_hash;
      if (const auto* done = std::get_if<DoneEvent>(&*event)) told.receipt = done->receipt;
    }
    for (const auto& [choice, hash] : hashes) told.hash += hash;
    return told;
  }

  Outcome Ending(Told told) {
    Outcome outcome{std::move(told.hash), std::move(told.tokens), told.receipt, loop_.stats(),
                    largest_chunk_};
    ProveConditions(outcome);
    return outcome;
  }

  // A comparison proves nothing unless what was to differ did differ.
  void ProveConditions(const Outcome& outcome) const {
    const uint32_t full = (static_cast<uint32_t>(prompt_.size()) - 1) / kBlockTokens * kBlockTokens;
    EXPECT_EQ(outcome.tokens.size(), kAnswerTokens);
    const bool warm = conditions_.memory == Memory::kWarm || conditions_.memory == Memory::kBrought;
    if (warm && !conditions_.preempt) {
      EXPECT_EQ(outcome.receipt.cached_tokens, full);
    }
    if (IsOnDisk(conditions_.memory) && conditions_.others == 0) {
      EXPECT_EQ(outcome.receipt.onboarded_tokens, full);
    }
    if (conditions_.memory == Memory::kPartlyEvicted) {
      EXPECT_GT(outcome.receipt.cached_tokens, 0u) << "no block was hit";
      EXPECT_LT(outcome.receipt.cached_tokens, full) << "no block was missed";
    }
    if (conditions_.memory == Memory::kCold && conditions_.others == 0) {
      EXPECT_EQ(outcome.receipt.cached_tokens, 0u);
    }
    if (conditions_.preempt) {
      EXPECT_GT(outcome.receipt.preemptions, 0u) << "we were not preempted";
    }
    if (conditions_.others > 0) {
      EXPECT_GT(outcome.stats.batched_steps, 0u) << "nothing ran together";
      if (arena_.num_blocks() > 4 * BlocksFor(kOtherPrompt)) {
        EXPECT_GT(outcome.stats.max_step_sequences, conditions_.others / 2);
      }
    }
    EXPECT_LE(outcome.largest_chunk, conditions_.chunk);
    if (conditions_.paced && conditions_.chunk > prompt_.size()) {
      EXPECT_LT(outcome.largest_chunk, prompt_.size()) << "the pace bounded nothing";
    } else if (conditions_.memory == Memory::kCold && conditions_.others == 0) {
      EXPECT_EQ(outcome.largest_chunk, std::min<size_t>(conditions_.chunk, prompt_.size()));
    }
  }

  const Subject& subject_;
  const std::vector<TokenId>& prompt_;
  const Conditions conditions_;
  WorkerPool pool_;
  KvArena arena_;
  ForwardPass forward_;
  const std::unique_ptr<KvDisk> disk_;
  EngineMetrics metrics_;
  StepLoop loop_;
  std::mt19937 random_;
  uint64_t last_id_ = 0;
  uint32_t largest_chunk_ = 0;
  bool leaves_ = false;  // the last step was left
};

// A name for a folder, which is removed.
class DiskFolder {
 public:
  DiskFolder()
      : path_(testing::TempDir() +
              fmt::format("law2.{}.{}", getpid(), static_cast<const void*>(this))) {}
  ~DiskFolder() { std::filesystem::remove_all(path_); }
  DiskFolder(const DiskFolder&) = delete;
  DiskFolder& operator=(const DiskFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace

std::string Describe(const Conditions& conditions) {
  constexpr const char* kMemory[] = {
      "cold", "warm", "partly evicted", "on disk", "on disk, not encrypted", "brought"};
  return fmt::format("{}, {} threads, chunk {}, {} others{}, {}{}{}{}{}, {} choices, seed {}",
                     IsaName(conditions.isa), conditions.threads, conditions.chunk,
                     conditions.others, conditions.strangers ? " and strangers" : "",
                     kMemory[static_cast<int>(conditions.memory)],
                     conditions.preempt ? ", preempted" : "", conditions.paced ? ", paced" : "",
                     conditions.left ? ", left" : "", conditions.sampled ? ", sampled" : "",
                     conditions.choices, conditions.seed);
}

Outcome Run(const Subject& subject, const std::vector<TokenId>& prompt,
            const Conditions& conditions) {
  SCOPED_TRACE(subject.name + ": " + Describe(conditions));
  const Isa before = CurrentIsa();
  SelectIsa(conditions.isa);
  const DiskFolder folder;
  if (IsOnDisk(conditions.memory)) {
    Conditions alone = conditions;
    alone.others = 0;
    std::make_unique<Stage>(subject, prompt, alone, folder.path())->LeaveOnDisk();
  }
  std::vector<std::string> parcels;
  if (conditions.memory == Memory::kBrought) {
    Conditions alone = conditions;
    alone.others = 0;
    parcels = std::make_unique<Stage>(subject, prompt, alone, folder.path())->Send();
  }
  auto stage = std::make_unique<Stage>(subject, prompt, conditions, folder.path());
  stage->Receive(std::move(parcels));
  Outcome outcome = stage->Play();
  stage.reset();
  SelectIsa(before);
  return outcome;
}

}  // namespace quire::test
