// apps/top/view/shown_text.h -- text from elsewhere, made fit for cells of a terminal.
//
// Names of tenants, labels and messages come from others. What would steer a terminal (control
// characters, marks that turn the direction of writing, what is no UTF-8) becomes U+FFFD, so what
// is left takes exactly as many columns as Columns says.
//
// Threads  pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quire {

// Whole text, safe to be shown. Of marks that combine at most two are kept on one character.
std::string Printable(std::string_view text);

// How many columns it takes; of a text that Printable made.
size_t Columns(std::string_view text);

enum class Align : uint8_t { kLeft, kRight };

// Exactly `columns` wide: padded with spaces, or cut with an ellipsis at its end.
std::string Fit(std::string_view text, size_t columns, Align align = Align::kLeft);

// What a terminal shows that knows ASCII only: everything else becomes '?', as wide as it was.
std::string ToAscii(std::string_view text);

}  // namespace quire
