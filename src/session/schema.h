// session/schema.h -- brings a database file to the tables this program knows.
//
// The version is SQLite's user_version: one number, raised by one per step, each step a
// transaction. A file of a newer program is refused, never guessed at.
#pragma once

#include "base/result.h"
#include "base/sqlite/database.h"

namespace quire {

// kCorrupt for a file of a newer version, or one that belongs to another program.
Status MigrateSessions(const Database& database);

}  // namespace quire
