// server/public_texts.h -- computes what the operator lets all tenants share.
//
// Threads  any. Waits for the engine.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/ready_model.h"
#include "server/tenants/tenants_file.h"

namespace quire {

// Returns what could not be shared, and why, without repeating its text.
std::vector<std::string> SharePublicTexts(const ReadyModel& model,
                                          std::span<const PublicText> texts);

}  // namespace quire
