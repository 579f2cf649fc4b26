// server/levers/lever_json.h -- levers and their reports as JSON.
#pragma once

#include "lever/lever_board.h"
#include "server/openai/json_writer.h"

namespace quire {

void WriteLever(const LeverStatus& status, JsonWriter& json);
void WriteLeverReport(const LeverReport& report, JsonWriter& json);

}  // namespace quire
