#include "apps/attention_page.h"

#include <memory>
#include <mutex>
#include <utility>

#include "model/attention_look.h"

namespace quire {
namespace {

struct Look {
  std::shared_ptr<const Model> model;
  std::unique_ptr<AttentionLook> look;
  std::mutex mutex;
};

}  // namespace

AttentionSight AttentionPage(const RunningModel& running) {
  auto made = AttentionLook::Make(*running.model);
  if (!made) return {};
  auto shared = std::make_shared<Look>();
  shared->model = running.model;
  shared->look = *std::move(made);
  const ModelConfig& config = running.model->config();
  AttentionSight sight{
      .layers = config.layers, .heads = config.query_heads, .most_tokens = kMostLookedAt};
  sight.look = [shared](std::span<const TokenId> tokens, uint32_t layer,
                        const AttentionSight::InVain& in_vain) {
    const std::lock_guard lock(shared->mutex);
    return shared->look->At(tokens, layer, in_vain);
  };
  return sight;
}

}  // namespace quire
