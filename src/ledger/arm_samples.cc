#include "ledger/arm_samples.h"

namespace quire {

// In the order of the index on started_ms, so that only the window is read.
Result<std::vector<ArmSample>> ReadArms(const Database& database, const ArmWish& wish) {
  Statement query = database.Prepare(
      "SELECT instr(',' || arms || ',', ',' || ? || '=treatment,') > 0, outcome, prompt_tokens, "
      "ram_tokens + disk_tokens + remote_tokens, computed_tokens, generated_tokens, queue_ms, "
      "first_token_ms, decode_ms, total_ms, kv_byte_seconds, preemptions, "
      "CASE WHEN score IS NOT NULL THEN score ELSE label = 'good' END FROM request "
      "WHERE started_ms >= ? AND started_ms < ? AND instr(',' || arms, ',' || ? || '=') > 0 "
      "ORDER BY started_ms DESC LIMIT ?");
  query.Text(wish.lever).Int(wish.since_ms).Int(wish.until_ms);
  query.Text(wish.lever).Int(int64_t{wish.limit});
  std::vector<ArmSample> samples;
  for (;;) {
    QUIRE_TRY(const bool row, query.Step());
    if (!row) return samples;
    int column = 0;
    const auto count = [&] { return static_cast<uint64_t>(query.GetInt(column++)); };
    const auto real = [&] { return query.GetReal(column++); };
    ArmSample sample;
    sample.arm = count() != 0 ? Arm::kTreatment : Arm::kControl;
    sample.outcome = FindLedgerOutcome(query.GetText(column++)).value_or(LedgerOutcome::kError);
    for (uint64_t* field : {&sample.prompt_tokens, &sample.found_tokens, &sample.computed_tokens,
                            &sample.generated_tokens}) {
      *field = count();
    }
    for (double* field : {&sample.queue_ms, &sample.first_token_ms, &sample.decode_ms,
                          &sample.total_ms, &sample.kv_byte_seconds}) {
      *field = real();
    }
    sample.preemptions = count();
    if (!query.IsNull(column)) sample.score = query.GetReal(column);
    samples.push_back(sample);
  }
}

}  // namespace quire
