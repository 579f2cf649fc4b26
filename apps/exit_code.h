// apps/exit_code.h -- what the process tells the shell, and how an Error becomes that.
#pragma once

#include "base/result.h"

namespace quire {

enum ExitCode : int {
  kExitFine = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitModel = 3,    // the model cannot be loaded
  kExitAddress = 4,  // the address is in use
};

// Prints "quire: message" to stderr and returns `code`.
int Fail(const Error& error, ExitCode code);

// The same with the code chosen by the kind of error; used once the model is loaded.
int Fail(const Error& error);

// Flushes stdout: kExitFine, or kExitFailed if something written there got lost. Says so, unless
// the reader of a pipe just had enough.
int FinishOutput();

}  // namespace quire
