#include "grammar/source/schema/formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace quire {
namespace {

// Days that exist, in years from 0001 on: the 29th of February only in leap years.
std::string Date() {
  const std::string year = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})";
  const std::string leap =
      "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
  const std::string day28 = "(?:0[1-9]|1[0-9]|2[0-8])";
  return "(?:" + year + "-(?:(?:0[1-9]|1[0-2])-" + day28 +
         "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)|" + leap + "-02-29)";
}

std::string Time() {
  return "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"
         "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
}

std::string Duration() {
  const std::string n = "[0-9]{1,4}";
  const std::string day = n + "D";
  const std::string month = n + "M(?:" + day + ")?";
  const std::string year = n + "Y(?:" + month + ")?";
  const std::string second = n + "S";
  const std::string minute = n + "M(?:" + second + ")?";
  const std::string hour = n + "H(?:" + minute + ")?";
  const std::string time = "T(?:" + hour + "|" + minute + "|" + second + ")";
  const std::string date = "(?:" + day + "|" + month + "|" + year + ")(?:" + time + ")?";
  return "P(?:" + date + "|" + time + "|" + n + "W)";
}

std::string Hostname() {
  return "(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?\\.){0,4}[A-Za-z]{2,20}";
}

std::string Email() {
  const std::string word = "[A-Za-z0-9_%+-]{1,24}";
  return word + "(?:\\." + word +
         "){0,2}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?\\.)"
         "{1,4}[A-Za-z]{2,20}";
}

std::string Ipv4() {
  const std::string octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  return "(?:" + octet + "\\.){3}" + octet;
}

std::string Ipv6() {
  const std::string h = "[0-9a-fA-F]{1,4}";
  std::string pattern = "(?:(?:" + h + ":){7}" + h + "|::(?:" + h + "(?::" + h + "){0,6})?";
  for (int before = 1; before <= 6; ++before) {
    pattern += fmt::format("|(?:{}:){{{}}}:(?:{}(?::{}){{0,{}}})?", h, before, h, h, 6 - before);
  }
  pattern += "|(?:" + h + ":){7}:";
  return pattern + ")";
}

std::string Uri() {
  return "[a-z][a-z0-9+.-]{0,15}://" + Hostname() +
         "(?::[1-9][0-9]{0,3})?(?:/[A-Za-z0-9._~-]{0,64}){0,8}"
         "(?:\\?[A-Za-z0-9._~=&-]{0,64})?(?:#[A-Za-z0-9._~-]{0,64})?";
}

}  // namespace

std::optional<std::string> PatternOfFormat(std::string_view format) {
  if (format == "date") return Date();
  if (format == "time") return Time();
  if (format == "date-time") return Date() + "T" + Time();
  if (format == "duration") return Duration();
  if (format == "hostname") return Hostname();
  if (format == "email") return Email();
  if (format == "ipv4") return Ipv4();
  if (format == "ipv6") return Ipv6();
  if (format == "uri") return Uri();
  if (format == "uuid") return "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
  return std::nullopt;
}

bool IsLooseFormat(std::string_view format) {
  constexpr std::array<std::string_view, 2> kLoose = {"password", "binary"};
  return std::ranges::find(kLoose, format) != kLoose.end();
}

}  // namespace quire
