// tests/support/tiny_engine.h -- an engine with a tiny model, for tests of what stands around it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/worker_pool.h"
#include "engine/engine.h"
#include "model/model.h"
#include "tests/support/tiny_model.h"
#include "text/tokenizer.h"

namespace quire::test {

inline std::unique_ptr<Engine> MakeEngine(uint32_t blocks = 64) {
  static const std::vector<std::byte> bytes = MakeTinyModel({.context = 512});
  const auto file = std::make_shared<GgufFile>(std::move(*GgufFile::Parse(bytes)));
  WorkerPool loading(1);
  std::shared_ptr<const Model> model = std::move(*Model::Load(file, {}, loading));
  EngineOptions options;
  options.kv_memory_bytes = blocks * model->kv_shape(KvFormat::kF16).block_bytes();
  options.step_tokens = options.prefill_chunk = 32;
  auto engine = Engine::Create(options, std::move(model), std::move(*Tokenizer::Create(*file)),
                               std::make_unique<WorkerPool>(1));
  EXPECT_TRUE(engine) << engine.error().message;
  return std::move(*engine);
}

}  // namespace quire::test
