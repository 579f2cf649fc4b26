#include "plan/capacity/plan_json.h"

#include <nlohmann/json.hpp>

namespace quire {
namespace {

using nlohmann::json;

// Null where it was not measured.
json Known(double value) { return value > 0 ? json(value) : json(); }
json Rate(double seconds) { return seconds > 0 ? json(1 / seconds) : json(); }

double MultiplyAdds(const PassWork& work) { return (work.dot_ops + work.float_ops) / 2; }

// By the matrices alone: attention comes on top, and grows with the context.
json WorkJson(const ModelShape& shape) {
  const MatrixWork work = WorkOf(shape);
  return {{"row", MultiplyAdds(work.every_row)},
          {"choice", MultiplyAdds(work.logits_only) + MultiplyAdds(work.output)}};
}

json ModelJson(const ModelShape& shape) {
  const ModelConfig& config = shape.config;
  return {{"name", config.name},
          {"architecture", config.architecture_name},
          {"layers", config.layers},
          {"width", config.width},
          {"query_heads", config.query_heads},
          {"kv_heads", config.kv_heads},
          {"head_dim", config.head_dim},
          {"vocabulary", config.vocab_size},
          {"context", config.context_length},
          {"window", config.window},
          {"windowed_layers", shape.num_windowed()},
          {"weight_bytes", shape.weight_bytes()},
          {"multiply_adds", WorkJson(shape)}};
}

json TermList(const std::vector<Term>& terms, const char* unit) {
  json list = json::array();
  for (const Term& term : terms) {
    list.push_back({{"name", term.name}, {unit, term.value}, {"arithmetic", term.arithmetic}});
  }
  return list;
}

json MemoryJson(const CapacityPlan& plan) {
  return {{"planned_bytes", plan.memory_bytes},
          {"forecast_bytes", plan.memory.BytesWith(plan.kv_blocks)},
          {"fixed_bytes", plan.memory.fixed_bytes()},
          {"fixed", TermList(plan.memory.fixed, "bytes")},
          {"attention_bytes", plan.memory.AttentionBytes(plan.kv_blocks)},
          {"kv_bytes", plan.kv_bytes},
          {"kv_blocks", plan.kv_blocks},
          {"block_bytes", plan.memory.block_bytes},
          {"bookkeeping_bytes", plan.memory.bookkeeping_bytes * plan.kv_blocks},
          {"disk_bytes", plan.disk_bytes}};
}

json RowsJson(const CapacityPlan& plan) {
  json rows = json::array();
  for (const ContextRow& row : plan.rows) {
    json cells = json::array();
    for (const Cell& cell : row.cells) {
      cells.push_back({{"sessions", cell.sessions},
                       {"verdict", VerdictName(cell.verdict)},
                       {"kv_bytes", cell.kv_bytes},
                       {"disk_bytes", cell.disk_bytes},
                       {"tokens_per_second", Known(cell.tokens_per_second)}});
    }
    rows.push_back({{"context", row.context},
                    {"kv_bytes", row.kv_bytes},
                    {"first_token_seconds", Known(row.first_token)},
                    {"prefill_tokens_per_second",
                     row.first_token > 0 ? json(row.context / row.first_token) : json()},
                    {"decode_tokens_per_second", Rate(row.next_token)},
                    {"sessions", std::move(cells)}});
  }
  return rows;
}

json BreakEvenJson(const CapacityPlan& plan) {
  json list = json::array();
  for (const BreakEven& one : plan.break_even) {
    list.push_back({{"place", one.place},
                    {"bytes_per_second", one.bytes_per_second},
                    {"latency_seconds", one.latency},
                    {"tokens", one.tokens > 0 ? json(one.tokens) : json()},
                    {"arithmetic", one.arithmetic}});
  }
  return list;
}

json ChangesJson(const CapacityPlan& plan) {
  json list = json::array();
  for (const Change& change : plan.changes) {
    list.push_back({{"name", change.name},
                    {"kv_bytes_per_token", change.kv_token_bytes},
                    {"session_bytes", change.context_bytes},
                    {"sessions", change.sessions},
                    {"decode_tokens_per_second", Rate(change.next_token)},
                    {"remark", change.remark}});
  }
  return list;
}

json MachineJson(const MachineProfile& profile) {
  return {{"cpu", profile.machine.cpu},
          {"isa", profile.machine.isa},
          {"threads", profile.machine.threads},
          {"measured", profile.measured},
          {"dot_ops_per_second", Known(profile.peaks.dot_ops)},
          {"fma_ops_per_second", Known(profile.peaks.fma_ops)},
          {"read_bytes_per_second", Known(profile.peaks.read_bytes)},
          {"disk_read_bytes_per_second", Known(profile.peaks.disk_read_bytes)}};
}

}  // namespace

std::string PlanJson(const ModelShape& shape, const CapacityPlan& plan,
                     const MachineProfile* profile) {
  json formats = json::array();
  for (const FormatRow& row : plan.formats) {
    formats.push_back({{"format", KvFormatName(row.format)},
                       {"bytes_per_token", row.token_bytes},
                       {"bytes_per_block", row.block_bytes},
                       {"tokens", row.tokens}});
  }
  const json object{{"model", ModelJson(shape)},
                    {"kv_format", KvFormatName(plan.kv_format)},
                    {"memory", MemoryJson(plan)},
                    {"formats", std::move(formats)},
                    {"contexts", RowsJson(plan)},
                    {"break_even", BreakEvenJson(plan)},
                    {"changes", ChangesJson(plan)},
                    {"times", TermList(plan.times, "seconds")},
                    {"machine", profile == nullptr ? json() : MachineJson(*profile)}};
  return object.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace quire
