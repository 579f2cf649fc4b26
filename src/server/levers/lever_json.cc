#include "server/levers/lever_json.h"

#include <string>
#include <vector>

namespace quire {

namespace {

void WriteList(std::string_view name, const std::vector<std::string>& list, JsonWriter& json) {
  json.Key(name).BeginArray();
  for (const std::string& one : list) json.String(one);
  json.EndArray();
}

void WriteGuardrail(const Guardrail& guardrail, JsonWriter& json) {
  json.Key("guardrail").BeginObject();
  json.Field("metric", InfoOf(guardrail.metric).name)
      .Field("statistic", StatisticName(guardrail.statistic))
      .Field("ratio", guardrail.trigger.ratio)
      .Field("slack", guardrail.trigger.slack)
      .Field("at_least", guardrail.trigger.at_least)
      .Field("window_seconds", guardrail.trigger.window_seconds)
      .Field("says", guardrail.Describe())
      .EndObject();
}

void WriteFigure(std::string_view arm, const ArmFigure& figure, JsonWriter& json) {
  json.Key(arm).BeginObject().Field("requests", figure.count);
  json.Key("mean");
  figure.count > 0 ? json.Number(figure.mean) : json.Null();
  json.Key("p95");
  figure.count > 0 ? json.Number(figure.p95) : json.Null();
  json.EndObject();
}

// Null where there is none, or it is infinite.
void WriteRatio(double ratio, bool known, JsonWriter& json) {
  json.Key("times_worse");
  known ? json.Number(ratio) : json.Null();
}

}  // namespace

void WriteLever(const LeverStatus& status, JsonWriter& json) {
  const Lever& lever = status.lever;
  json.BeginObject()
      .Field("name", lever.name)
      .Field("owner", lever.owner)
      .Field("change", lever.change.Describe())
      .Field("share", lever.share)
      .Field("by", LeverUnitName(lever.by));
  WriteList("tenants", lever.tenants, json);
  WriteList("routes", lever.routes, json);
  json.Field("relieves", lever.relieves).Field("creates", lever.creates);
  WriteGuardrail(lever.guardrail, json);
  json.Field("state", LeverPhaseName(status.state.phase))
      .Field("since_ms", status.state.since_ms)
      .Field("changed_ms", status.state.changed_ms)
      .Field("why", status.state.why);
  json.Key("requests").BeginObject();
  for (const Arm arm : {Arm::kControl, Arm::kTreatment}) {
    json.Field(ArmName(arm), status.requests[static_cast<size_t>(arm)]);
  }
  json.EndObject().Field("rollbacks", status.rollbacks).EndObject();
}

void WriteLeverReport(const LeverReport& report, JsonWriter& json) {
  json.BeginObject().Key("lever");
  WriteLever(report.status, json);
  const GuardFinding& finding = report.finding;
  json.Key("finding").BeginObject();
  json.Field("verdict", GuardVerdictName(finding.verdict))
      .Field("metric", InfoOf(finding.metric).name)
      .Field("why", finding.why);
  WriteRatio(finding.ratio, finding.control.count > 0 && finding.treatment.count > 0, json);
  json.EndObject().Key("figures").BeginArray();
  for (size_t i = 0; i < kLeverMetrics; ++i) {
    const LeverMetricInfo& info = kLeverMetricInfos[i];
    const auto& [control, treatment] = report.figures[i];
    json.BeginObject().Field("metric", info.name).Field("what", info.what);
    json.Field("lower_is_better", info.lower_is_better);
    WriteFigure(ArmName(Arm::kControl), control, json);
    WriteFigure(ArmName(Arm::kTreatment), treatment, json);
    WriteRatio(WorseBy(info.metric, treatment.mean, control.mean),
               control.count > 0 && treatment.count > 0, json);
    json.EndObject();
  }
  json.EndArray().Key("events").BeginArray();
  for (const LeverEvent& event : report.events) {
    json.BeginObject().Field("at_ms", event.at_ms).Field("state", event.what);
    json.Field("why", event.why).EndObject();
  }
  json.EndArray().EndObject();
}

}  // namespace quire
