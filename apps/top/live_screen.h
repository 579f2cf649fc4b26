// apps/top/live_screen.h -- keeps a picture of a server on the terminal until somebody leaves.
#pragma once

#include <chrono>
#include <string>

#include "apps/client/server_flags.h"
#include "apps/top/feed_poller.h"
#include "apps/top/view/page.h"

namespace quire {

struct LiveScreenOptions {
  ServerFlags server;
  std::chrono::milliseconds interval{1000};
  bool with_colour = true;
};

// Returns the exit code. A signal that ends it ends the process by that signal, the terminal being
// as it was.
int RunLiveScreen(const LiveScreenOptions& options);

// One moment, of which no rates are known. `news` outlives the picture.
PageInput PictureOf(const FeedNews& news, std::string url);

}  // namespace quire
